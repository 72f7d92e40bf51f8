//! What files and switches become.

use super::*;
use std::path::Path;

/// The configuration from these lines of a file and these settings of the command line.
fn load(file: &str, set: &[&str], host: &Host) -> Result<ServerConfig, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("server.properties");
    std::fs::write(&path, file).expect("the folder is writable");
    let options = Options {
        file: (!file.is_empty()).then_some(path),
        set: set.iter().map(|setting| (*setting).to_owned()).collect(),
        ..Options::default()
    };
    ServerConfig::from_settings(Settings::read(&options)?, host)
}

/// A machine by the name of `laptop`.
const LAPTOP: Host = Host::Made { name: Some("laptop") };

fn check(file: &str, listening: &str) {
    let config = load(file, &[], &LAPTOP).unwrap_or_else(|error| panic!("{file}\n{error}"));
    let show = |listener: &Listener| match &listener.advertised {
        Some(told) => format!("{listener} told as {told}"),
        None => format!("{listener} not told"),
    };
    let Listeners { broker, controller, inter_broker } = &config.listeners;
    let all: Vec<String> = broker.iter().chain(controller).map(show).collect();
    assert_eq!(format!("{}; brokers by {inter_broker}", all.join(", ")), listening, "{file}");
}

fn check_refused(file: &str, problem: &str) {
    match load(file, &[], &LAPTOP) {
        Ok(_) => panic!("{file}\nwas accepted"),
        Err(error) => assert!(error.to_string().contains(problem), "{file}\n{error}"),
    }
}

#[test]
fn without_settings_a_node_serves_its_own_machine() {
    check("", "PLAINTEXT://127.0.0.1:9092 told as 127.0.0.1:9092; brokers by PLAINTEXT");
    let config = load("", &[], &LAPTOP).expect("defaults work");
    assert_eq!(config.node, Node { id: NodeId(1), rack: None });
    assert_eq!(config.log_dirs, [Path::new("ottla-data")]);
    assert_eq!(config.metadata_dir, Path::new("ottla-data"));
    assert_eq!(config.broker.topic_defaults().config().flush_messages, 1);
    assert_eq!(config.notes, Vec::<String>::new());
}

#[test]
fn a_listener_on_every_interface_is_told_by_the_name_of_the_machine() {
    check("listeners=PLAINTEXT://:9092", "PLAINTEXT://:9092 told as laptop:9092; brokers by PLAINTEXT");
}

#[test]
fn advertised_listeners_replace_what_is_told() {
    check(
        "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093\nadvertised.listeners=PLAINTEXT://localhost:19092",
        "PLAINTEXT://0.0.0.0:9092 told as localhost:19092, CONTROLLER://:9093 told as localhost:9093; brokers by PLAINTEXT",
    );
}

#[test]
fn a_listener_that_is_not_advertised_is_not_told() {
    check(
        "listeners=PLAINTEXT://10.0.0.1:9092,BACK://10.0.0.1:9094\nadvertised.listeners=PLAINTEXT://a:9092\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BACK:PLAINTEXT",
        "PLAINTEXT://10.0.0.1:9092 told as a:9092, BACK://10.0.0.1:9094 not told; brokers by PLAINTEXT",
    );
}

#[test]
fn names_of_listeners_map_to_protocols() {
    check(
        "listeners=INSIDE://10.0.0.1:9092,outside://:9094\n\
         listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT\n\
         inter.broker.listener.name=INSIDE\nadvertised.listeners=INSIDE://10.0.0.1:9092,OUTSIDE://example.com:443",
        "INSIDE://10.0.0.1:9092 told as 10.0.0.1:9092, OUTSIDE://:9094 told as example.com:443; \
         brokers by INSIDE",
    );
}

#[test]
fn a_machine_without_a_name_asks_for_advertised_listeners() {
    let nameless = Host::Made { name: None };
    let error = load("listeners=PLAINTEXT://:9092", &[], &nameless).expect_err("nothing to tell clients");
    let error = error.to_string();
    assert!(error.contains("advertised.listeners=PLAINTEXT://HOST:9092"), "{error}");
}

#[test]
fn listeners_that_cannot_work_are_refused_in_kafkas_words() {
    for (file, problem) in [
        ("listeners=localhost:9092", "Unable to parse localhost:9092 to a broker endpoint"),
        ("listeners=PLAINTEXT://localhost:70000", "Unable to parse PLAINTEXT://localhost:70000"),
        ("listeners=FOO://:9092", "No security protocol defined for listener FOO"),
        ("listeners=SSL://:9092", "TLS is not served yet"),
        ("listeners=SASL_PLAINTEXT://:9092", "SASL is not served yet"),
        ("listeners=PLAINTEXT://:9092,PLAINTEXT://:9094", "Each listener must have a different name"),
        ("listeners=PLAINTEXT://:9092,CONTROLLER://:9092", "Each listener must have a different port"),
        ("listeners=CONTROLLER://:9093", "There must be at least one broker advertised listener"),
        ("listeners=PLAINTEXT://0.0.0.0:9092", "cannot use the nonroutable meta-address 0.0.0.0"),
        ("listeners=PLAINTEXT://[::]:9092", "cannot use the nonroutable meta-address ::"),
        ("listeners=", "Configuration 'listeners' must not be empty"),
        (
            "advertised.listeners=OTHER://host:1\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT",
            "must be equal to or a subset of the ones defined in listeners. Found OTHER. The valid options \
             based on the current configuration are PLAINTEXT",
        ),
        ("listener.security.protocol.map=PLAINTEXT:FOO", "Invalid security protocol `FOO` defined in"),
        ("inter.broker.listener.name=FOO", "inter.broker.listener.name must be a listener name defined in"),
        (
            "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        ),
    ] {
        check_refused(file, problem);
    }
}

#[test]
fn values_out_of_range_are_refused_in_kafkas_words() {
    for (file, problem) in [
        (
            "log.segment.bytes=100",
            "Invalid value 100 for configuration log.segment.bytes: Value must be at least 1048576",
        ),
        ("node.id=x", "Invalid value x for configuration node.id: Not a number of type INT"),
        ("node.id=2\nbroker.id=3", "You must set `node.id` to the same value as `broker.id`."),
        ("log.retention.hours=0", "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        ("metadata.log.segment.ms=0", "metadata.log.segment.ms must be greater than or equal to 1"),
        ("metadata.log.segment.bytes=100", "Value must be at least 8388608"),
        ("log.roll.ms=0", "log.roll.ms must be greater than or equal to 1"),
        (
            "queued.max.request.bytes=100",
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
        ("max.connections.per.ip=0", "max.connections.per.ip can be set to zero only if"),
        (
            "max.connections.per.ip.overrides=a b:5",
            "max.connections.per.ip.overrides contains invalid addresses : a b",
        ),
        ("process.roles=broker", "process.roles must be broker,controller"),
        ("log.dirs=", "log.dirs"),
        ("controller.quorum.voters=2@localhost:9093", "the node id 1 must be included in the set of voters"),
        ("controller.quorum.voters=1@a:9093,2@b:9093", "the node is the whole cluster for now"),
        ("controller.quorum.bootstrap.servers=other:9093", "which is no controller listener of this node"),
    ] {
        check_refused(file, problem);
    }
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest_name() {
    check_refused(
        "log.retention.hour=1",
        "log.retention.hour is not a configuration key; did you mean log.retention.hours?",
    );
    check_refused("retention.ms=1", "did you mean log.retention.ms?");
    check_refused(
        "listener.name.internal.ssl.keystore.location=/a",
        "settings of single listeners are not honoured yet",
    );
    check_refused("leader.replication.throttled.rate=1", "can only be changed while a broker runs");
}

#[test]
fn what_is_not_honoured_is_refused_unless_it_promises_nothing() {
    check_refused("ssl.keystore.location=/a", "ssl.keystore.location is not honoured: TLS is not served yet");
    check_refused("remote.log.storage.system.enable=true", "tiered storage is not served yet");
    check_refused(
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "access control",
    );
    check_refused("metric.reporters=com.example.Mine", "metric.reporters is not honoured");
    check_refused("unclean.leader.election.interval.ms=1", "the node is the whole cluster for now");
    for harmless in [
        "remote.log.storage.system.enable=false",
        "ssl.protocol=TLSv1.3",
        "authorizer.class.name=",
        "replica.lag.time.max.ms=30000",
        "metric.reporters=",
        "metric.reporters=org.apache.kafka.common.metrics.JmxReporter",
    ] {
        assert!(load(harmless, &[], &LAPTOP).is_ok(), "{harmless}");
    }
}

#[test]
fn what_only_concerns_other_nodes_is_accepted_with_a_note() {
    let settings = "num.replica.fetchers=4\nreplica.fetch.max.bytes=20000000\ncontroller.quorum.fetch.timeout.ms=9000\n\
                    auto.leader.rebalance.enable=false\n";
    let config = load(settings, &[], &LAPTOP).expect("they do no harm");
    let expected = "auto.leader.rebalance.enable, controller.quorum.fetch.timeout.ms, num.replica.fetchers, \
                    replica.fetch.max.bytes: kept for later (the node is the whole cluster for now, without others to \
                    talk to)";
    assert_eq!(config.notes, [expected]);
}

#[test]
fn the_classic_protocol_is_always_among_those_of_groups() {
    let key = "group.coordinator.rebalance.protocols";
    check_refused(&format!("{key}=consumer"), "Disabling the 'classic' protocol is not supported.");
    check_refused(&format!("{key}=classic,share"), "share groups are not served yet");
    for fine in ["classic", "classic,consumer", "classic,consumer,streams"] {
        assert!(load(&format!("{key}={fine}"), &[], &LAPTOP).is_ok(), "{fine}");
    }
}

#[test]
fn keys_of_older_and_of_other_servers_are_refused_with_what_took_their_place() {
    check_refused("zookeeper.connect=localhost:2181", "there is no ZooKeeper any more; take it out");
    check_refused("inter.broker.protocol.version=3.5", "kafka-features");
    check_refused("confluent.license.topic.replication.factor=1", "Confluent");
    check_refused("super.users=User:admin", "access control is not served yet");
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let error = load("foo=1\nnum.partitions=0\n", &["bar=2"], &LAPTOP).expect_err("three problems");
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(error.problems.iter().any(|problem| problem.contains("server.properties:2: Invalid value 0")));
    assert!(error.problems.iter().any(|problem| problem.starts_with("--set: bar is not")));
}

#[test]
fn the_last_of_two_settings_counts_and_the_command_line_goes_before_the_file() {
    let config = load("num.partitions=2\nnum.partitions=3\nnode.id=5\n", &["node.id=6"], &LAPTOP);
    let config = config.expect("the settings are fine");
    assert_eq!((config.topics.num_partitions, config.node.id), (3, NodeId(6)));
}

#[test]
fn the_former_name_of_the_node_id_still_works() {
    let config = load("broker.id=7", &[], &LAPTOP).expect("it is fine");
    assert_eq!((config.node.id, config.broker.given("node.id")), (NodeId(7), Some("7")));
    check_refused("broker.id=-1", "Value must be at least 0");
}

#[test]
fn switches_replace_listeners_and_folder() {
    let mut options = Options {
        listen: Some("10.0.0.5:19092".to_owned()),
        data: Some("/data".into()),
        ..Options::default()
    };
    options.set = vec!["listeners=PLAINTEXT://:9092,CONTROLLER://:9093".to_owned()];
    let settings = Settings::read(&options).expect("well formed");
    let config = ServerConfig::from_settings(settings, &LAPTOP).expect("it is fine");
    assert_eq!(config.log_dirs, [Path::new("/data")]);
    assert_eq!(config.listeners.broker[0].to_string(), "PLAINTEXT://10.0.0.5:19092");
    assert_eq!(config.listeners.controller[0].to_string(), "CONTROLLER://:9093");
}

#[test]
fn a_listen_switch_that_is_no_address_says_what_is_expected() {
    let read =
        |listen: &str| Settings::read(&Options { listen: Some(listen.to_owned()), ..Options::default() });
    for wrong in
        ["", "localhost", "localhost:", "localhost:kafka", "127.0.0.1:70000", "70000", "::1:9092", "a:1,b:2"]
    {
        let error = read(wrong).expect_err(wrong).to_string();
        assert!(error.starts_with(&format!("--listen {wrong}: expected HOST:PORT")), "{error}");
    }
    for fine in ["9092", ":9092", "localhost:0", "[::1]:9092", "PLAINTEXT://a:1, OTHER://:2"] {
        assert!(read(fine).is_ok(), "{fine}");
    }
}

#[test]
fn log_directories_are_those_of_log_dirs_and_the_first_has_the_metadata_log() {
    let check = |file: &str, log_dirs: &[&str], metadata_dir: &str| {
        let config = load(file, &[], &LAPTOP).expect("it is fine");
        assert_eq!(config.log_dirs, log_dirs.iter().map(Path::new).collect::<Vec<_>>(), "{file}");
        assert_eq!(config.metadata_dir, Path::new(metadata_dir), "{file}");
    };
    check("log.dirs=/a,/b", &["/a", "/b"], "/a");
    check("log.dirs=/a,/b,/a", &["/a", "/b"], "/a");
    check("log.dir=/a, /b", &["/a", "/b"], "/a");
    check("log.dir=/c\nlog.dirs=/a", &["/a"], "/a");
    check("log.dirs=/a,/b\nmetadata.log.dir=/b", &["/a", "/b"], "/b");
    check("log.dirs=/a,/b\nmetadata.log.dir=/elsewhere", &["/a", "/b"], "/elsewhere");
}

/// The `config/server.properties` that comes with Apache Kafka 4.3, without its comments.
const QUICKSTART: &str = "
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

#[test]
fn the_file_of_kafkas_quickstart_is_accepted() {
    check(
        QUICKSTART,
        "PLAINTEXT://:9092 told as localhost:9092, CONTROLLER://:9093 told as localhost:9093; \
         brokers by PLAINTEXT",
    );
    let threads = "num.io.threads=16\ngroup.coordinator.threads=8\noffsets.load.buffer.size=1000000";
    let config = load(&format!("{QUICKSTART}\n{threads}\n"), &[], &LAPTOP).expect("it is fine");
    for names in ["group.coordinator.threads, num.io.threads", "offsets.load.buffer.size"] {
        let told = |note: &String| note.starts_with(&format!("{names}: nothing to set here"));
        assert!(config.notes.iter().any(told), "{names}: {:?}", config.notes);
    }
    assert_eq!(config.broker.int("offsets.topic.replication.factor"), 1);
}

#[test]
fn the_printed_configuration_gives_the_same_again() {
    let config = load("broker.rack=K\\u00f6ln\nnum.partitions=4\n", &["log.dirs=/data"], &LAPTOP);
    let config = config.expect("it is fine");
    let printed = config.to_text();
    assert!(printed.contains("server.properties:1\nbroker.rack=K\\u00f6ln"), "{printed}");
    assert!(printed.contains("# --set\nlog.dirs=/data"), "{printed}");
    let place = "# Listens on PLAINTEXT://127.0.0.1:9092; clients are told 127.0.0.1:9092\n";
    assert!(printed.starts_with(place), "{printed}");
    assert!(
        printed.contains("\n#log.flush.interval.messages=1   (Apache Kafka's: 9223372036854775807)"),
        "{printed}"
    );
    let again = load(&printed, &[], &LAPTOP).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.node, config.node);
    assert_eq!(again.topics, config.topics);
    assert_eq!(again.listeners, config.listeners);
    let json: serde_json::Value = serde_json::from_str(&config.to_json()).expect("it is JSON");
    assert!(json.as_array().is_some_and(|keys| keys.len() > 50));
}
