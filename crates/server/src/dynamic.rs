//! Following what a running node is told: the limits on its connections.
//!
//! What partitions are told they follow by themselves ([`ottla_partition::Partitions::follow`]); the
//! controller asks the metadata whenever it decides.

use crate::config::resolve_overrides;
use crate::node::limits_of_connections;
use ottla_broker::Broker;
use ottla_configs::BrokerConfig;
use ottla_metadata::{ConfigResource, Configs, Image};
use ottla_network::{Limits, Network};
use ottla_quorum::Quorum;
use std::sync::Arc;

/// Makes `network` obey what the metadata says, now and at every change, until the quorum ends. `given` is the
/// node's file and command line, `limits` what follows from it.
pub(crate) async fn follow(
    quorum: Quorum,
    given: BrokerConfig,
    limits: Limits,
    network: Arc<Network<Broker>>,
) {
    let mut images = quorum.watch();
    let mut before = (None, None);
    loop {
        let image = images.borrow_and_update().clone();
        let told = told(&image, &quorum);
        if told != before {
            let (all, own) = (ConfigResource::all_brokers(), ConfigResource::broker(quorum.node()));
            let broker = given.with_dynamic(image.settings(&all), image.settings(&own));
            let limits = limits.clone();
            // Names of hosts may have to be asked for.
            let resolved = tokio::task::spawn_blocking(move || with_told(limits, &broker)).await;
            if let Ok(limits) = resolved {
                network.set_connection_limits(&limits);
            }
            before = told;
        }
        if images.changed().await.is_err() {
            return;
        }
    }
}

/// What is set for all brokers and for this one.
fn told(image: &Image, quorum: &Quorum) -> (Option<Configs>, Option<Configs>) {
    let of = |resource| image.configs(&resource).cloned();
    (of(ConfigResource::all_brokers()), of(ConfigResource::broker(quorum.node())))
}

/// The limits with those on connections taken from `broker`.
fn with_told(mut limits: Limits, broker: &BrokerConfig) -> Limits {
    limits_of_connections(&mut limits, broker);
    let (overrides, unknown) = resolve_overrides(broker);
    for host in unknown {
        tracing::warn!(
            "max.connections.per.ip.overrides names {host}, which has no address: it does not count"
        );
    }
    limits.max_connections_per_ip_overrides = overrides.into_iter().collect();
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_metadata_says_goes_before_the_file() {
        let given = BrokerConfig::new([("max.connections", "10"), ("max.connections.per.ip", "5")]);
        let broker = given.expect("valid").with_dynamic(
            [("max.connections", "7"), ("max.connection.creation.rate", "3")],
            [("max.connections.per.ip.overrides", "127.0.0.1:2,[::1]:3")],
        );
        let limits = with_told(Limits::default(), &broker);
        assert_eq!((limits.max_connections, limits.max_connections_per_ip), (7, 5));
        assert_eq!(limits.max_connection_creation_rate, 3);
        let expected = [("127.0.0.1", 2), ("::1", 3)].map(|(ip, max)| (ip.parse().expect("an address"), max));
        assert_eq!(limits.max_connections_per_ip_overrides, expected.into());
    }
}
