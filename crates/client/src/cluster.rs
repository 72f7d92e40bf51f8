//! The cluster as a client sees it: who leads what, and a connection to each broker.

use crate::connection::Connection;
use crate::error::ClientError;
use ottla_ids::{NodeId, TopicId};
use ottla_protocol::messages::find_coordinator::FindCoordinatorRequest;
use ottla_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use ottla_protocol::{ErrorCode, Request};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How a client behaves towards a cluster.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Brokers to ask first, as host:port.
    pub bootstrap: Vec<String>,
    /// What this client calls itself.
    pub client_id: String,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long an operation is tried again before its error is final.
    pub retry_timeout: Duration,
}

impl ClientConfig {
    /// Kafka's defaults, for the brokers in `bootstrap` (host:port, separated by commas).
    pub fn new(bootstrap: &str) -> ClientConfig {
        ClientConfig {
            bootstrap: bootstrap
                .split(',')
                .map(|it| it.trim().to_owned())
                .filter(|it| !it.is_empty())
                .collect(),
            client_id: "ottla".to_owned(),
            request_timeout: Duration::from_secs(30),
            retry_timeout: Duration::from_secs(60),
        }
    }
}

/// A topic, as the cluster's brokers describe it.
#[derive(Clone, Debug)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Its id; zero where the broker does not tell.
    pub id: TopicId,
    /// Whether it holds the state of a coordinator.
    pub is_internal: bool,
    /// By index.
    pub partitions: BTreeMap<i32, PartitionMetadata>,
}

/// A partition, as the cluster's brokers describe it.
#[derive(Clone, Debug)]
pub struct PartitionMetadata {
    /// Who leads it.
    pub leader: Option<NodeId>,
    /// In which epoch, -1 where the broker does not tell.
    pub leader_epoch: i32,
    /// Who keeps a copy.
    pub replicas: Vec<i32>,
    /// Which copies are in sync.
    pub isr: Vec<i32>,
}

/// A cluster and the connections to it. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ClientConfig,
    state: Mutex<State>,
}

/// A broker answers the requests of one connection in order. Joining a group waits for its other members,
/// so what belongs to a group travels apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Ordinary,
    Group,
}

/// Bounded by what the cluster has: its brokers, and the topics asked for.
#[derive(Debug, Default)]
struct State {
    addresses: HashMap<NodeId, String>,
    connections: HashMap<(String, Lane), Arc<Connection>>,
    topics: HashMap<String, Arc<TopicMetadata>>,
}

/// Between two tries.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

impl Cluster {
    /// A client of the cluster in `config`; connects when it is first asked for something.
    pub fn new(config: ClientConfig) -> Cluster {
        Cluster { inner: Arc::new(Inner { config, state: Mutex::default() }) }
    }

    /// How this client behaves.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single insert or remove.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to `address`, the one that is open if there is one.
    async fn connect(&self, address: &str, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        let key = (address.to_owned(), lane);
        let open = self.state().connections.get(&key).filter(|it| !it.is_closed()).cloned();
        if let Some(connection) = open {
            return Ok(connection);
        }
        let connection = Arc::new(Connection::open(address, &self.inner.config.client_id).await?);
        self.state().connections.insert(key, Arc::clone(&connection));
        Ok(connection)
    }

    /// A connection to any broker.
    pub async fn any(&self) -> Result<Arc<Connection>, ClientError> {
        let known: Vec<String> = self.state().addresses.values().cloned().collect();
        let mut last = ClientError::Address { address: String::new() };
        for address in known.iter().chain(&self.inner.config.bootstrap) {
            if !is_address(address) {
                return Err(ClientError::Address { address: address.clone() });
            }
            match self.connect(address, Lane::Ordinary).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A connection to broker `node`.
    pub async fn node(&self, node: NodeId) -> Result<Arc<Connection>, ClientError> {
        self.node_on(node, Lane::Ordinary).await
    }

    /// A connection to broker `node` for what a group's member says to its coordinator.
    pub(crate) async fn coordinator(&self, node: NodeId) -> Result<Arc<Connection>, ClientError> {
        self.node_on(node, Lane::Group).await
    }

    async fn node_on(&self, node: NodeId, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        let address = self.state().addresses.get(&node).cloned();
        match address {
            Some(address) => self.connect(&address, lane).await,
            None => Err(ClientError::refused(
                format!("finding broker {node}"),
                ErrorCode::BrokerNotAvailable,
                None,
            )),
        }
    }

    /// Asks any broker, again while the error is one that passes.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        self.retry(|| async { self.any().await?.call(request, self.inner.config.request_timeout).await })
            .await
    }

    /// Tries `attempt` again and again while its error is one that passes, up to the retry timeout.
    pub async fn retry<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ClientError> {
        let deadline = Instant::now() + self.inner.config.retry_timeout;
        loop {
            match attempt().await {
                Err(error) if error.is_retriable() && Instant::now() + RETRY_BACKOFF < deadline => {
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
                result => return result,
            }
        }
    }

    /// Asks the cluster for its brokers, and for the topics in `names` (`None`: all of them).
    pub async fn refresh(
        &self,
        names: Option<&[&str]>,
        create: bool,
    ) -> Result<MetadataResponse, ClientError> {
        let request = MetadataRequest {
            topics: names.map(|names| {
                names
                    .iter()
                    .map(|name| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() })
                    .collect()
            }),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let connection = self.any().await?;
        let response = connection.call(&request, self.inner.config.request_timeout).await?;
        let mut state = self.state();
        state.addresses = response
            .brokers
            .iter()
            .map(|it| (NodeId(it.node_id), format!("{}:{}", it.host, it.port)))
            .collect();
        for topic in &response.topics {
            let Some(name) = &topic.name else { continue };
            if topic.error_code != 0 {
                state.topics.remove(&**name);
                continue;
            }
            let partitions = topic
                .partitions
                .iter()
                .map(|it| {
                    let partition = PartitionMetadata {
                        leader: (it.leader_id >= 0).then_some(NodeId(it.leader_id)),
                        leader_epoch: it.leader_epoch,
                        replicas: it.replica_nodes.clone(),
                        isr: it.isr_nodes.clone(),
                    };
                    (it.partition_index, partition)
                })
                .collect();
            let metadata = TopicMetadata {
                name: name.to_string(),
                id: topic.topic_id,
                is_internal: topic.is_internal,
                partitions,
            };
            state.topics.insert(name.to_string(), Arc::new(metadata));
        }
        drop(state);
        Ok(response)
    }

    /// All topics, by name.
    pub async fn topics(&self) -> Result<BTreeMap<String, Arc<TopicMetadata>>, ClientError> {
        let response = self.retry(|| self.refresh(None, false)).await?;
        let state = self.state();
        let names = response.topics.iter().filter_map(|it| it.name.as_deref());
        Ok(names.filter_map(|name| Some((name.to_owned(), Arc::clone(state.topics.get(name)?)))).collect())
    }

    /// The topic `name`, as last heard of, or asked for now. With `create`, a broker that is set up so
    /// creates it.
    pub async fn topic(&self, name: &str, create: bool) -> Result<Arc<TopicMetadata>, ClientError> {
        if let Some(topic) = self.known(name) {
            return Ok(topic);
        }
        let deadline = Instant::now() + self.inner.config.retry_timeout;
        loop {
            let asked = self.refresh(Some(&[name]), create).await;
            if let Some(topic) = self.known(name) {
                return Ok(topic);
            }
            let error = match asked {
                Err(error) => error,
                Ok(response) => {
                    let code = response
                        .topics
                        .first()
                        .map_or(ErrorCode::UnknownServerError, |it| it.error_code.into());
                    ClientError::refused(format!("topic '{name}'"), code, None)
                }
            };
            // A topic that is not to be created will not appear by waiting.
            if error.code() == Some(ErrorCode::UnknownTopicOrPartition) && !create {
                return Err(ClientError::NoSuchTopic { topic: name.to_owned() });
            }
            if !error.is_retriable() || Instant::now() + RETRY_BACKOFF >= deadline {
                return Err(error);
            }
            tokio::time::sleep(RETRY_BACKOFF).await;
        }
    }

    /// The topic `name`, as last heard of.
    pub fn known(&self, name: &str) -> Option<Arc<TopicMetadata>> {
        self.state().topics.get(name).cloned()
    }

    /// What is known of `name` turned out to be old.
    pub fn forget(&self, name: &str) {
        self.state().topics.remove(name);
    }

    /// The broker that coordinates `group`.
    pub async fn group_coordinator(&self, group: &str) -> Result<NodeId, ClientError> {
        self.retry(|| async {
            let request = FindCoordinatorRequest {
                key: group.into(),
                coordinator_keys: vec![group.into()],
                ..Default::default()
            };
            let connection = self.any().await?;
            // Versions 0–3 name one key, later ones a list; each only knows its own field.
            let batched = connection.version::<FindCoordinatorRequest>()? >= 4;
            let request = if batched {
                FindCoordinatorRequest { key: Default::default(), ..request }
            } else {
                FindCoordinatorRequest { coordinator_keys: Vec::new(), ..request }
            };
            let response = connection.call(&request, self.inner.config.request_timeout).await?;
            let (node, host, port, code, message) = match response.coordinators.into_iter().next() {
                Some(it) => (it.node_id, it.host, it.port, it.error_code, it.error_message),
                None => (
                    response.node_id,
                    response.host,
                    response.port,
                    response.error_code,
                    response.error_message,
                ),
            };
            match ErrorCode::from(code) {
                ErrorCode::None => {
                    self.state().addresses.insert(NodeId(node), format!("{host}:{port}"));
                    Ok(NodeId(node))
                }
                code => Err(ClientError::refused(
                    format!("finding the coordinator of group '{group}'"),
                    code,
                    message.as_deref(),
                )),
            }
        })
        .await
    }
}

/// Whether `address` looks like host:port.
fn is_address(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for good in ["localhost:9092", "[::1]:9092", "10.0.0.1:1"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "localhost", ":9092", "localhost:", "localhost:99999", "localhost:x"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
