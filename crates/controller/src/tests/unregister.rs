//! Brokers leave for good.

use super::*;

/// Unregisters a broker; how many records that takes, or the refusal.
fn unregister(cluster: &mut Cluster, node: i32) -> Result<usize, String> {
    let before = cluster.log.len();
    let answer = cluster.decide(|controller| controller.unregister_broker(NodeId(node)));
    answer.map(|()| cluster.log.len() - before).map_err(|refusal| refusal.to_string())
}

/// `leader, in sync, eligible` of the only partition of `t`.
fn state(cluster: &Cluster) -> String {
    let partition = cluster.image.partition("t", 0).unwrap();
    let elr = &partition.eligible_leader_replicas;
    format!("{:?} {:?} {elr:?}", partition.leader, partition.isr).replace("NodeId", "")
}

#[test]
fn a_broker_that_is_not_there_cannot_leave() {
    let mut cluster = Cluster::new("1 2!");
    let refused = |id: i32| Err(format!("BrokerIdNotRegistered: Broker ID {id} is not currently registered"));
    assert_eq!(unregister(&mut cluster, 7), refused(7));
    assert_eq!(unregister(&mut cluster, 2), Ok(1));
    assert!(cluster.image.broker(NodeId(2)).is_none());
    assert_eq!(unregister(&mut cluster, 2), refused(2));
}

#[test]
fn a_broker_that_leaves_is_followed_by_one_in_sync() {
    let mut cluster = Cluster::new("1 2 3").with_topics("t 0=2,1,3");
    assert_eq!(unregister(&mut cluster, 2), Ok(2));
    assert_eq!(state(&cluster), "Some((1)) [(1), (3)] []");
    assert_eq!(unregister(&mut cluster, 3), Ok(2));
    assert_eq!(state(&cluster), "Some((1)) [(1)] []");
    assert_eq!(cluster.image.partition("t", 0).unwrap().replicas, [2, 1, 3].map(NodeId));
}

#[test]
fn the_last_one_in_sync_may_lead_when_it_comes_back() {
    for (elr_level, left) in [(1, "None [] [(1)]"), (0, "None [(1)] []")] {
        let mut cluster = Cluster::new("1");
        cluster.set_feature("eligible.leader.replicas.version", elr_level);
        let mut cluster = cluster.with_topics("t/1/1");
        assert_eq!(unregister(&mut cluster, 1), Ok(2));
        assert_eq!(state(&cluster), left);
        let again = Registration { incarnation_id: Uuid::from_u128(9_999_999), ..registration(1) };
        let epoch = cluster.decide(|controller| controller.register_broker(&again)).unwrap();
        cluster.decide(|controller| controller.unfence_broker(NodeId(1), epoch)).unwrap();
        assert_eq!(state(&cluster), "Some((1)) [(1)] []");
    }
}
