//! What differs between two images (Kafka's `MetadataDelta`), found without looking at what they share.

use crate::image::{ConfigResource, Image};
use crate::topic::{Partition, Topic};
use imbl::ordmap::DiffItem;
use std::sync::Arc;

/// What became different.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Topics that were not there. A topic deleted and created again is in both lists.
    pub topics_created: Vec<Arc<Topic>>,
    /// Topics that are no longer there, as they last were.
    pub topics_deleted: Vec<Arc<Topic>>,
    /// Topics that stayed, with some partitions new or changed.
    pub topics_changed: Vec<TopicChange>,
    /// Resources whose configurations differ, deleted topics' excepted.
    pub configs_changed: Vec<ConfigResource>,
    /// Some broker came, went, or changed.
    pub brokers_changed: bool,
    /// Some feature's level changed.
    pub features_changed: bool,
}

/// A topic with new or changed partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicChange {
    /// The topic as it is now.
    pub topic: Arc<Topic>,
    /// The new and the changed ones: index, state before (`None` when new), state now.
    pub partitions: Vec<(i32, Option<Arc<Partition>>, Arc<Partition>)>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

impl Image {
    /// What differs between `before` and this later image.
    pub fn changes_since(&self, before: &Image) -> Changes {
        let mut changes = Changes {
            brokers_changed: !self.brokers.ptr_eq(&before.brokers) && self.brokers != before.brokers,
            features_changed: self.features != before.features,
            ..Changes::default()
        };
        for difference in before.topics.diff(&self.topics) {
            match difference {
                DiffItem::Add(_, topic) => changes.topics_created.push(topic.clone()),
                DiffItem::Remove(_, topic) => changes.topics_deleted.push(topic.clone()),
                DiffItem::Update { old: (_, old), new: (_, new) } if old.id != new.id => {
                    changes.topics_deleted.push(old.clone());
                    changes.topics_created.push(new.clone());
                }
                DiffItem::Update { old: (_, old), new: (_, new) } => {
                    let partitions = changed_partitions(old, new);
                    if !partitions.is_empty() {
                        changes.topics_changed.push(TopicChange { topic: new.clone(), partitions });
                    }
                }
            }
        }
        for difference in before.configs.diff(&self.configs) {
            let resource = match difference {
                DiffItem::Add(resource, _) | DiffItem::Update { new: (resource, _), .. } => resource,
                DiffItem::Remove(resource, _) => {
                    let gone =
                        resource.kind == crate::ResourceType::Topic && self.topic(&resource.name).is_none();
                    if gone {
                        continue;
                    }
                    resource
                }
            };
            changes.configs_changed.push(resource.clone());
        }
        changes
    }
}

fn changed_partitions(old: &Topic, new: &Topic) -> Vec<(i32, Option<Arc<Partition>>, Arc<Partition>)> {
    let mut changed = Vec::new();
    for (index, partition) in &new.partitions {
        match old.partitions.get(index) {
            Some(before) if Arc::ptr_eq(before, partition) || before == partition => {}
            before => changed.push((*index, before.cloned(), partition.clone())),
        }
    }
    changed
}
