//! The keys of a group in Apache Kafka 4.3. Those of consumer groups are honoured; those of share and streams groups,
//! which are not served yet, are described.

use crate::key::Default::Value;
use crate::key::Kind::{Boolean, Int, String};
use crate::key::Support::{Honoured, Refused};
use crate::key::Valid::{Any, AtLeast, OneOf};
use crate::key::{Key, inherited_keys, same};
use crate::support::{SHARE, STREAMS};

inherited_keys! {
    "consumer.assignment.interval.ms", Int, Value("1000"), AtLeast(0), Honoured, [same("group.consumer.assignment.interval.ms")],
        "Least time between two assignments of the group.";
    "consumer.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), Honoured, [same("group.consumer.heartbeat.interval.ms")],
        "How often members of the group report.";
    "consumer.session.timeout.ms", Int, Value("45000"), AtLeast(1), Honoured, [same("group.consumer.session.timeout.ms")],
        "How long a member may be silent before it is removed.";
    "share.assignment.interval.ms", Int, Value("1000"), AtLeast(0), Refused(SHARE), [same("group.share.assignment.interval.ms")],
        "Least time between two assignments of the group.";
    "share.auto.offset.reset", String, Value("latest"), Any, Refused(SHARE), [],
        "Where a share group begins that has no state: `earliest`, `latest`, or `by_duration:` and a duration as in ISO 8601.";
    "share.delivery.count.limit", Int, Value("5"), AtLeast(2), Refused(SHARE), [same("group.share.delivery.count.limit")],
        "How often a record is delivered before it is given up.";
    "share.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), Refused(SHARE), [same("group.share.heartbeat.interval.ms")],
        "How often members of the group report.";
    "share.isolation.level", String, Value("read_uncommitted"), OneOf(&["read_committed", "read_uncommitted"]), Refused(SHARE), [],
        "Whether records of transactions that are not committed are delivered.";
    "share.partition.max.record.locks", Int, Value("2000"), AtLeast(100), Refused(SHARE), [same("group.share.partition.max.record.locks")],
        "Most records of a share partition in flight at once.";
    "share.record.lock.duration.ms", Int, Value("30000"), AtLeast(1000), Refused(SHARE), [same("group.share.record.lock.duration.ms")],
        "How long a record is locked for the consumer that got it.";
    "share.renew.acknowledge.enable", Boolean, Value("true"), Any, Refused(SHARE), [],
        "Whether a consumer may prolong its lock on a record.";
    "share.session.timeout.ms", Int, Value("45000"), AtLeast(1), Refused(SHARE), [same("group.share.session.timeout.ms")],
        "How long a member may be silent before it is removed.";
    "streams.assignment.interval.ms", Int, Value("1000"), AtLeast(0), Refused(STREAMS), [same("group.streams.assignment.interval.ms")],
        "Least time between two assignments of the group.";
    "streams.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), Refused(STREAMS), [same("group.streams.heartbeat.interval.ms")],
        "How often members of the group report.";
    "streams.initial.rebalance.delay.ms", Int, Value("3000"), AtLeast(0), Refused(STREAMS), [same("group.streams.initial.rebalance.delay.ms")],
        "How long an empty group waits for more members.";
    "streams.num.standby.replicas", Int, Value("0"), AtLeast(0), Refused(STREAMS), [same("group.streams.num.standby.replicas")],
        "Standby copies of each task's state.";
    "streams.session.timeout.ms", Int, Value("45000"), AtLeast(1), Refused(STREAMS), [same("group.streams.session.timeout.ms")],
        "How long a member may be silent before it is removed.";
}
