//! Where the node listens, and what it tells clients (Kafka's `AbstractKafkaConfig`).

use ottla_configs::BrokerConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};

/// All listeners of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// For clients and other brokers, in the order of `listeners`; at least one.
    pub broker: Vec<Listener>,
    /// On which a controller answers: operators' tools (`--bootstrap-controller`), and one day other controllers.
    /// Often none: one node needs none. The metadata log's voter record names the first.
    pub controller: Vec<Listener>,
    /// The name of the one that brokers use among themselves; one of `broker`.
    pub inter_broker: String,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in capitals: `PLAINTEXT`.
    pub name: String,
    /// Where to listen. An empty host means every interface, in IPv4 and IPv6; port 0 means any that is
    /// free.
    pub bind: Address,
    /// What clients are told, or, of a controller's listener, other controllers. None: clients are not told
    /// of this listener. Port 0 stands for the port that is bound.
    pub advertised: Option<Address>,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.name, self.bind)
    }
}

/// What is asked of the machine: its name and the addresses of others.
#[derive(Clone, Debug)]
pub(super) enum Host {
    /// This machine.
    This,
    /// One that answers from memory, for tests.
    #[cfg(test)]
    Made {
        /// Its own name; none: it has none that resolves.
        name: Option<&'static str>,
    },
}

impl Host {
    /// The name of the machine, if it resolves, so that clients may be told; else what is wrong.
    fn name(&self) -> Result<String, String> {
        match self {
            Host::This => {
                let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
                if name.is_empty() || name == "(none)" {
                    return Err("this machine has no host name".to_owned());
                }
                match self.addresses(&name) {
                    Ok(_) => Ok(name),
                    Err(error) => {
                        Err(format!("the name of this machine, {name}, does not resolve ({error})"))
                    }
                }
            }
            #[cfg(test)]
            Host::Made { name } => name
                .map(str::to_owned)
                .ok_or_else(|| "the name of this machine, made, does not resolve (unknown)".to_owned()),
        }
    }

    /// The addresses of `host`, a name or an address.
    pub fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        match self {
            Host::This => {
                let addresses = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
                Ok(addresses.map(|address| address.ip()).collect())
            }
            #[cfg(test)]
            Host::Made { .. } => match host {
                "localhost" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
                _ => Err("unknown".to_owned()),
            },
        }
    }
}

/// `NAME://host:port`, before names and hosts are looked at.
struct Endpoint {
    name: String,
    address: Address,
}

impl Listeners {
    /// Works out the listeners; or everything that is wrong with them.
    pub(super) fn new(broker: &BrokerConfig, host: &Host) -> Result<Listeners, Vec<String>> {
        Listeners::derive(broker, host).map_err(|problem| vec![problem])
    }

    fn derive(broker: &BrokerConfig, host: &Host) -> Result<Listeners, String> {
        let controllers = broker.find_list("controller.listener.names").unwrap_or_default();
        let listed = broker.find_list("listeners").unwrap_or_default();
        let endpoints = parse_all(&listed, &protocols(broker, &controllers)?)?;
        check_ports(&endpoints, &listed)?;
        let is_controllers = |name: &str| controllers.iter().any(|controller| controller == name);

        let listed = broker.find_list("advertised.listeners");
        let advertised = match &listed {
            Some(listed) => Some(parse_all(listed, &protocols(broker, &controllers)?)?),
            None => None,
        };
        if broker.given("controller.listener.names").is_some() {
            let missing = controllers.iter().find(|name| endpoints.iter().all(|one| one.name != **name));
            if missing.is_some() && broker.given("listeners").is_some() {
                return Err("controller.listener.names must only contain values appearing in the \
                            'listeners' configuration when running the KRaft controller role"
                    .to_owned());
            }
        }
        if let Some(advertised) = &advertised {
            check_advertised(advertised, &endpoints, &is_controllers)?;
        }

        let mut listeners =
            Listeners { broker: Vec::new(), controller: Vec::new(), inter_broker: String::new() };
        for endpoint in endpoints {
            let for_controllers = is_controllers(&endpoint.name);
            let named =
                advertised.as_ref().map(|advertised| advertised.iter().find(|one| one.name == endpoint.name));
            let told = match named {
                None => Some((&endpoint, false)),
                Some(Some(named)) => Some((named, true)),
                // Controllers find each other although clients are not told of them.
                Some(None) if for_controllers => Some((&endpoint, false)),
                Some(None) => None,
            };
            let told = match told {
                Some((told, explicitly)) => Some(advertise(told, for_controllers, explicitly, host)?),
                None => None,
            };
            let listener = Listener { name: endpoint.name, bind: endpoint.address, advertised: told };
            if for_controllers {
                listeners.controller.push(listener);
            } else {
                listeners.broker.push(listener);
            }
        }
        if listeners.broker.iter().all(|listener| listener.advertised.is_none()) {
            return Err(
                "There must be at least one broker advertised listener. Perhaps all listeners appear \
                        in controller.listener.names?"
                    .to_owned(),
            );
        }
        listeners.inter_broker = inter_broker(broker, &listeners)?;
        check_quorum(broker, &listeners)?;
        Ok(listeners)
    }
}

/// The security protocol of each listener name: `listener.security.protocol.map`. As in Kafka, if the
/// map is not set, controller listeners are PLAINTEXT.
fn protocols(broker: &BrokerConfig, controllers: &[String]) -> Result<BTreeMap<String, String>, String> {
    const NAME: &str = "listener.security.protocol.map";
    let text = broker.find_text(NAME).unwrap_or_default();
    let mut protocols = BTreeMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, protocol) = entry.rsplit_once(':').ok_or_else(|| {
            format!("Error parsing configuration property '{NAME}': '{entry}' is not NAME:PROTOCOL")
        })?;
        let protocol = protocol.trim().to_ascii_uppercase();
        if !["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol.as_str()) {
            return Err(format!("Invalid security protocol `{protocol}` defined in {NAME}"));
        }
        protocols.insert(name.trim().to_uppercase(), protocol);
    }
    if broker.given(NAME).is_none() {
        for name in controllers {
            protocols.entry(name.to_uppercase()).or_insert_with(|| "PLAINTEXT".to_owned());
        }
    }
    Ok(protocols)
}

/// Parses `NAME://host:port` for all; each name once, and each with a protocol that is served.
fn parse_all(listed: &[String], protocols: &BTreeMap<String, String>) -> Result<Vec<Endpoint>, String> {
    let failed =
        |reason: String| format!("Error creating broker listeners from '[{}]': {reason}", listed.join(", "));
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for text in listed {
        let endpoint =
            parse(text).ok_or_else(|| failed(format!("Unable to parse {text} to a broker endpoint")))?;
        if endpoints.iter().any(|other| other.name == endpoint.name) {
            let all = listed.join(", ");
            return Err(failed(format!("Each listener must have a different name, listeners: [{all}]")));
        }
        match protocols.get(&endpoint.name).map(String::as_str) {
            Some("PLAINTEXT") => endpoints.push(endpoint),
            Some(protocol) => {
                let missing = if protocol == "SSL" { "TLS is" } else { "SASL is" };
                return Err(format!(
                    "{text}: {missing} not served yet; use a PLAINTEXT listener (its security protocol is \
                     {protocol}, by its name or by listener.security.protocol.map)"
                ));
            }
            None => {
                let name = &endpoint.name;
                return Err(failed(format!("No security protocol defined for listener {name}")));
            }
        }
    }
    Ok(endpoints)
}

/// Whether `text` has the form of one of `listeners`.
pub(super) fn is_endpoint(text: &str) -> bool {
    parse(text).is_some()
}

/// `NAME://host:port`, with the name in any case and the host possibly empty.
fn parse(text: &str) -> Option<Endpoint> {
    let (name, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '%');
    if name.is_empty() || !name.chars().all(of_name) || !host.chars().all(of_host) {
        return None;
    }
    let address = Address { host: host.to_owned(), port: port.parse().ok()? };
    Some(Endpoint { name: name.to_uppercase(), address })
}

/// Two listeners share a port only if one has an IPv4 and the other an IPv6 address.
fn check_ports(endpoints: &[Endpoint], listed: &[String]) -> Result<(), String> {
    for (index, one) in endpoints.iter().enumerate() {
        for other in &endpoints[..index] {
            let same_port = one.address.port != 0 && one.address.port == other.address.port;
            let families = [&one.address.host, &other.address.host].map(|host| host.parse::<IpAddr>());
            let apart = matches!(
                families,
                [Ok(IpAddr::V4(_)), Ok(IpAddr::V6(_))] | [Ok(IpAddr::V6(_)), Ok(IpAddr::V4(_))]
            );
            if same_port && !apart {
                let all = listed.join(", ");
                return Err(format!(
                    "Error creating broker listeners from '[{all}]': Each listener must have a different \
                     port, listeners: [{all}]"
                ));
            }
        }
    }
    Ok(())
}

/// `advertised.listeners` names only listeners that there are.
fn check_advertised(
    advertised: &[Endpoint],
    endpoints: &[Endpoint],
    is_controllers: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    let stranger = |one: &&Endpoint| {
        !is_controllers(&one.name) && endpoints.iter().all(|endpoint| endpoint.name != one.name)
    };
    if advertised.iter().any(|one| stranger(&one)) {
        let names = |list: &mut dyn Iterator<Item = &Endpoint>| {
            list.map(|one| one.name.as_str()).collect::<Vec<_>>().join(",")
        };
        return Err(format!(
            "advertised.listeners listener names must be equal to or a subset of the ones defined in \
             listeners. Found {}. The valid options based on the current configuration are {}",
            names(&mut advertised.iter().filter(|one| !is_controllers(&one.name))),
            names(&mut endpoints.iter()),
        ));
    }
    Ok(())
}

/// What clients are told of a listener: its own address, with the name of the machine where the host is
/// empty. A host that says "every interface" cannot be told.
fn advertise(
    told: &Endpoint,
    for_controllers: bool,
    explicitly: bool,
    host: &Host,
) -> Result<Address, String> {
    let how = format!(
        "set advertised.listeners={}://HOST:{}, with the HOST by which clients reach this machine \
         (localhost for a container whose port is published on the machine of the clients)",
        told.name, told.address.port
    );
    let every = told.address.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    match told.address.host.as_str() {
        // A controller that listens everywhere and is not advertised is found by other means.
        name if every && for_controllers && !explicitly => {
            Ok(Address { host: name.to_owned(), port: told.address.port })
        }
        meta if every => Err(format!(
            "advertised.listeners cannot use the nonroutable meta-address {meta}. Use a routable IP \
             address. What to do: {how}"
        )),
        "" if for_controllers => Ok(Address { host: "localhost".to_owned(), port: told.address.port }),
        "" => match host.name() {
            Ok(name) => Ok(Address { host: name, port: told.address.port }),
            Err(problem) => Err(format!(
                "clients cannot be told where {}://{} is: {problem}. What to do: {how}",
                told.name, told.address
            )),
        },
        name => Ok(Address { host: name.to_owned(), port: told.address.port }),
    }
}

/// The listener for brokers among themselves. If nothing names it: PLAINTEXT, or the first one.
fn inter_broker(broker: &BrokerConfig, listeners: &Listeners) -> Result<String, String> {
    let given = broker.find_text("inter.broker.listener.name");
    let by_protocol = broker.given("security.inter.broker.protocol").is_some();
    let advertised = listeners.broker.iter().filter(|listener| listener.advertised.is_some());
    let names: Vec<&str> = advertised.map(|listener| listener.name.as_str()).collect();
    let name = match given {
        Some(_) if by_protocol => {
            return Err("Only one of inter.broker.listener.name and security.inter.broker.protocol should \
                        be set."
                .to_owned());
        }
        Some(name) => name.to_uppercase(),
        None if by_protocol => broker.find_text("security.inter.broker.protocol").unwrap_or_default(),
        None if names.contains(&"PLAINTEXT") => "PLAINTEXT".to_owned(),
        None => names.first().copied().unwrap_or_default().to_owned(),
    };
    if names.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid \
             options based on currently configured listeners are {}",
            names.join(",")
        ))
    }
}

/// The quorum must be this node alone: other nodes come later.
fn check_quorum(broker: &BrokerConfig, listeners: &Listeners) -> Result<(), String> {
    let voters = broker.find_list("controller.quorum.voters").unwrap_or_default();
    let servers = broker.find_list("controller.quorum.bootstrap.servers").unwrap_or_default();
    let id = broker.int("node.id").to_string();
    let ids: Vec<&str> = voters.iter().filter_map(|voter| Some(voter.split_once('@')?.0)).collect();
    if !ids.is_empty() && !ids.contains(&id.as_str()) {
        return Err(format!(
            "If process.roles contains the 'controller' role, the node id {id} must be included in the set \
             of voters controller.quorum.voters=Set({})",
            ids.join(", ")
        ));
    }
    let alone = "the node is the whole cluster for now, without others to talk to";
    if ids.len() > 1 {
        return Err(format!("controller.quorum.voters names other nodes than {id}: {alone}; name {id} only"));
    }
    let own = |server: &String| {
        ottla_configs::host_and_port(server)
            .is_some_and(|(_, port)| listeners.controller.iter().any(|listener| listener.bind.port == port))
    };
    if let Some(server) = servers.iter().find(|server| !own(server)) {
        return Err(format!(
            "controller.quorum.bootstrap.servers names {server}, which is no controller listener of this \
             node: {alone}; name this node's own controller listener, or leave the key out"
        ));
    }
    if servers.len() > 1 {
        return Err(format!("controller.quorum.bootstrap.servers names several addresses: {alone}"));
    }
    Ok(())
}
