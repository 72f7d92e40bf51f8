//! AllocateProducerIds: ids in blocks, so that a broker asks rarely (Kafka's `ProducerIdControlManager`).

use crate::controller::Controller;
use crate::refusal::Refusal;
use ottla_ids::{BrokerEpoch, NodeId, ProducerId};
use ottla_metadata::MetadataRecord;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::metadata::ProducerIdsRecord;
use ottla_state_machine::Decision;

/// How many ids a block has. What a broker does not use of its block is lost when it stops.
pub const PRODUCER_IDS_PER_BLOCK: i32 = 1000;

/// Ids that nobody else will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: ProducerId,
    /// How many there are.
    pub count: i32,
}

impl Controller<'_> {
    /// Gives broker `node` the next block.
    ///
    /// # Errors
    /// The broker is not registered, or was since by another incarnation; or all ids are used up.
    pub fn allocate_producer_ids(
        &mut self,
        node: NodeId,
        epoch: BrokerEpoch,
    ) -> Decision<Result<ProducerIdBlock, Refusal>, MetadataRecord> {
        if let Err(refusal) = self.check_broker_epoch(node, epoch) {
            return Decision::answer(Err(refusal));
        }
        let first = self.image.next_producer_id();
        let Some(next) = first.0.checked_add(i64::from(PRODUCER_IDS_PER_BLOCK)) else {
            return Decision::answer(Err(Refusal::new(
                ErrorCode::UnknownServerError,
                "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit",
            )));
        };
        let record = MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: node.0,
            broker_epoch: epoch.0,
            next_producer_id: next,
            ..ProducerIdsRecord::default()
        });
        Decision::write(vec![record], Ok(ProducerIdBlock { first, count: PRODUCER_IDS_PER_BLOCK }))
    }
}
