//! Records as JSON, for people and scripts that look into a log: the fields' names, their order and what is
//! left out are those of Kafka's `*JsonConverter` classes, so that tools written for `kafka-dump-log` go on
//! working.

mod records;

use crate::Text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ottla_ids::Uuid;
use serde_json::{Map, Value};

/// What has a form in JSON.
pub trait ToJson {
    /// The value, with the fields that `version` of its message has. Bytes are in base64.
    fn to_json(&self, version: i16) -> Value;
}

fn put(object: &mut Map<String, Value>, name: &str, value: &impl ToJson, version: i16) {
    object.insert(name.to_owned(), value.to_json(version));
}

macro_rules! plain {
    ($($kind:ty),*) => {$(
        impl ToJson for $kind {
            fn to_json(&self, _version: i16) -> Value {
                Value::from(*self)
            }
        }
    )*};
}

plain!(bool, i8, i16, u16, i32, u32, i64, f64);

impl ToJson for Uuid {
    fn to_json(&self, _version: i16) -> Value {
        Value::from(self.to_string())
    }
}

impl ToJson for Text {
    fn to_json(&self, _version: i16) -> Value {
        Value::from(self.as_str())
    }
}

impl ToJson for Bytes {
    fn to_json(&self, _version: i16) -> Value {
        Value::from(STANDARD.encode(self))
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self, version: i16) -> Value {
        self.as_ref().map_or(Value::Null, |it| it.to_json(version))
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self, version: i16) -> Value {
        Value::Array(self.iter().map(|it| it.to_json(version)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::ToJson;
    use crate::records::group::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
    use crate::records::metadata::{MetadataRecord, PartitionRecord};

    #[test]
    fn fields_are_those_of_the_version_and_in_kafkas_order() {
        let value = OffsetCommitValue { offset: 7, metadata: "m".into(), ..OffsetCommitValue::default() };
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
        let record = GroupRecord::OffsetCommit(key, Some(value));
        assert_eq!(record.key_to_json().to_string(), r#"{"group":"g","topic":"t","partition":3}"#);
        let shown = |version| record.value_to_json(version).unwrap().to_string();
        assert_eq!(shown(1), r#"{"offset":7,"metadata":"m","commitTimestamp":0,"expireTimestamp":-1}"#);
        assert_eq!(shown(3), r#"{"offset":7,"leaderEpoch":-1,"metadata":"m","commitTimestamp":0}"#);
    }

    #[test]
    fn a_tagged_field_is_shown_where_it_says_something() {
        let record =
            PartitionRecord { eligible_leader_replicas: Some(vec![4]), ..PartitionRecord::default() };
        let shown = MetadataRecord::from(record).to_json(2).to_string();
        assert!(shown.contains(r#""eligibleLeaderReplicas":[4]"#), "{shown}");
        assert!(!shown.contains("lastKnownElr"), "{shown}");
    }
}
