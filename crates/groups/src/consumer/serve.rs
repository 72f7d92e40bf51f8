//! What else a partition's groups have to do with their consumer groups.

use super::group::{Group, Phase};
use super::heartbeat::not_consumer;
use super::messages::{DescribedMember, Description, Refused};
use super::topics::Topics;
use crate::groups::Groups;
use crate::messages::Listed;
use crate::records::Record;
use crate::refusal::Refusal;
use ottla_protocol::Text;
use std::sync::Arc;

impl Groups {
    /// The consumer group of this name.
    pub(crate) fn consumer_group(&self, id: &str) -> Option<&Group> {
        self.state.group(id)?.consumer.as_deref()
    }

    /// The cluster's topics were seen in this state.
    pub(super) fn notice(&mut self, cluster: &Arc<dyn Topics>) {
        if self.cluster.as_ref().is_none_or(|it| it.version() < cluster.version()) {
            self.cluster = Some(Arc::clone(cluster));
        }
    }

    pub(crate) fn describe_consumer(&self, id: &Text) -> Result<Description, Refused> {
        let Some(group) = self.consumer_group(id) else {
            let is_other = self.classic.contains_key(id);
            // In Kafka's words, which are not those of a heartbeat.
            let unknown = || Refused::new(Refusal::GroupIdNotFound, format!("Group {id} not found."));
            return Err(if is_other { not_consumer(id) } else { unknown() });
        };
        let preferred = Group::preferred_assignor(group.members().values().map(|it| &it.subscription));
        let members = group.members().iter().map(|(id, member)| DescribedMember {
            id: id.clone(),
            member: member.clone(),
            target: group.target(id).cloned().unwrap_or_default(),
        });
        Ok(Description {
            group: id.clone(),
            state: group.phase().name(),
            epoch: group.epoch.epoch,
            assignment_epoch: group.assignment_epoch(),
            assignor: preferred.unwrap_or(self.settings.consumer.default_assignor()).name(),
            members: members.collect(),
        })
    }

    pub(crate) fn listed_consumers(&self) -> impl Iterator<Item = Listed> {
        self.state.groups().filter_map(|(id, stored)| {
            let group = stored.consumer.as_ref()?;
            Some(Listed {
                group: id.clone(),
                protocol_type: Text::from_static(crate::classic::CONSUMER_PROTOCOL),
                state: group.phase().name(),
                group_type: super::TYPE_NAME,
            })
        })
    }

    /// Records that take away all of an empty consumer group but its offsets; `None` when it is none.
    pub(crate) fn consumer_tombstones(&self, id: &Text) -> Option<Vec<Record>> {
        let group = self.consumer_group(id).filter(|it| it.phase() == Phase::Empty)?;
        let changes = group.tombstones().into_iter();
        Some(changes.map(|change| Record::Consumer { group: id.clone(), change }).collect())
    }
}
