//! Log directories that get no new partitions (KIP-1066).

use super::*;

/// Cordons directories of broker 1 of [`two_directories`]; how many records that takes.
fn cordon(cluster: &mut Cluster, directories: &[i32]) -> usize {
    let before = cluster.log.len();
    let ids: Vec<Uuid> = directories.iter().map(|index| directory(*index)).collect();
    let epoch = cluster.epoch(1);
    cluster.decide(|controller| controller.cordon_directories(NodeId(1), epoch, &ids)).unwrap();
    cluster.log.len() - before
}

/// Creates topic `u`, by an assignment or not; the refusal, or `ok`.
fn create(cluster: &mut Cluster, topic: &str) -> String {
    let answers = cluster.decide(|controller| controller.create_topics(&topics_of(topic))).unwrap();
    answers.into_iter().map(|it| it.map_or_else(|it| it.to_string(), |_| "ok".to_owned())).collect()
}

#[test]
fn a_broker_with_all_directories_cordoned_gets_no_new_partitions() {
    let refused = "InvalidReplicationFactor: Unable to replicate the partition 1 time(s): All brokers are currently \
                   fenced, or have all their log directories cordoned.";
    let mut cluster = two_directories();
    assert_eq!(cordon(&mut cluster, &[]), 0, "a broker that says nothing has none cordoned");
    assert_eq!(cordon(&mut cluster, &[1]), 1);
    assert_eq!(create(&mut cluster, "a/1/1"), "ok");
    assert_eq!(cordon(&mut cluster, &[2, 1]), 1);
    assert_eq!(cordon(&mut cluster, &[1, 2]), 0, "it is said already");
    assert_eq!(create(&mut cluster, "b/1/1"), refused);
    assert_eq!(create(&mut cluster, "b 0=1"), "ok", "who names the broker wants it so");
    assert_eq!(cluster.topic("t"), "0=1* 1=1*", "what is there stays");
    assert_eq!(cordon(&mut cluster, &[]), 1);
    assert_eq!(create(&mut cluster, "c/1/1"), "ok");
    let stale = cluster
        .decide(|controller| controller.cordon_directories(NodeId(1), BrokerEpoch(-1), &[directory(1)]));
    assert_eq!(stale.unwrap_err().code, ottla_protocol::ErrorCode::StaleBrokerEpoch);
}

#[test]
fn nothing_is_cordoned_before_the_metadata_can_say_so() {
    let mut cluster = two_directories();
    cluster.set_feature("metadata.version", 29);
    assert_eq!(cordon(&mut cluster, &[1, 2]), 0);
    assert_eq!(create(&mut cluster, "a/1/1"), "ok");
    cluster.set_feature("metadata.version", 30);
    assert_eq!(cordon(&mut cluster, &[1, 2]), 1);
}

#[test]
fn controllers_only_let_directories_go() {
    let alter = |cluster: &mut Cluster, through: Through, value: Option<&str>| {
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: 4,
                resource_name: "1".into(),
                configs: vec![AlterableConfig {
                    name: "cordoned.log.dirs".into(),
                    config_operation: if value.is_some() { 0 } else { 1 },
                    value: value.map(Text::from),
                    ..AlterableConfig::default()
                }],
                ..AlterConfigsResource::default()
            }],
            ..IncrementalAlterConfigsRequest::default()
        };
        let answers = cluster.decide(|controller| controller.incremental_alter_configs(&request, through));
        answers
            .into_iter()
            .map(|it| it.map_or_else(|it| it.message, |()| "ok".to_owned()))
            .collect::<String>()
    };
    let refused = "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current \
                   configuration value.";
    let mut cluster = two_directories();
    cluster.configs = BrokerConfig::new([("log.dirs", "/a,/b")]).unwrap();
    assert_eq!(alter(&mut cluster, Through::Controller, Some("/a")), refused);
    assert_eq!(alter(&mut cluster, Through::Broker, Some("/a, /b")), "ok");
    assert_eq!(alter(&mut cluster, Through::Controller, Some("/b,/a")), "ok");
    assert_eq!(alter(&mut cluster, Through::Controller, Some("*")), refused);
    assert_eq!(alter(&mut cluster, Through::Controller, Some("/b")), "ok");
    assert_eq!(alter(&mut cluster, Through::Controller, Some("/a")), refused);
    assert_eq!(alter(&mut cluster, Through::Controller, None), "ok");

    cluster.set_feature("metadata.version", 29);
    let too_old = "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= \
                   4.3-IV0";
    assert_eq!(alter(&mut cluster, Through::Broker, Some("/a")), too_old);
    assert_eq!(alter(&mut cluster, Through::Broker, Some("")), too_old);
    assert_eq!(alter(&mut cluster, Through::Broker, None), too_old);
}
