//! Groups, as a core.

use crate::core::{Core, Effects, EncodedRecord, Now, RecordFailure, Unavailable};
use ottla_groups::{Answer, Batch, CallId, Groups, Note, Record, Refusal, Request, Then};
use ottla_ids::ProducerId;

impl Core for Groups {
    type Request = Request;
    type Answer = Answer;
    type Record = Record;
    type Then = Then;
    type Note = Note;

    fn decode(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        producer: Option<ProducerId>,
    ) -> Result<Option<Record>, RecordFailure> {
        let batch = producer.map_or(Batch::Plain, Batch::Transactional);
        Ok(Record::decode(key, value, batch)?)
    }

    fn transaction_ended(producer: ProducerId, committed: bool) -> Option<Record> {
        Some(Record::TransactionEnded { producer, committed })
    }

    fn encode(record: &Record) -> Result<EncodedRecord, RecordFailure> {
        let encoded = record.encode()?;
        Ok(EncodedRecord { key: encoded.key, value: encoded.value })
    }

    fn replay(&mut self, record: &Record) {
        Groups::replay(self, record);
    }

    fn loaded(&mut self, now: Now) -> Effects<Groups> {
        Groups::loaded(self, now).into()
    }

    fn is_independent(request: &Request) -> bool {
        request.is_independent()
    }

    fn handle(&mut self, call: u64, request: Request, now: Now) -> Effects<Groups> {
        Groups::handle(self, CallId(call), request, now).into()
    }

    fn then(&mut self, then: Then, outcome: Result<(), Unavailable>, now: Now) -> Effects<Groups> {
        Groups::then(self, then, outcome.map_err(refusal), now).into()
    }

    fn deadline(&self) -> Option<i64> {
        Groups::deadline(self)
    }

    fn on_time(&mut self, now: Now) -> Effects<Groups> {
        Groups::on_time(self, now).into()
    }
}

impl From<ottla_groups::Effects> for Effects<Groups> {
    fn from(effects: ottla_groups::Effects) -> Effects<Groups> {
        Effects {
            records: effects.records,
            answers: effects.answers.into_iter().map(|(call, answer)| (call.0, answer)).collect(),
            then: effects.then,
            divisible: effects.divisible,
            notes: effects.notes,
        }
    }
}

/// What a client of a group is told.
pub(crate) fn refusal(unavailable: Unavailable) -> Refusal {
    match unavailable {
        Unavailable::NotCoordinator => Refusal::NotCoordinator,
        Unavailable::Loading => Refusal::CoordinatorLoadInProgress,
        Unavailable::NotAvailable => Refusal::CoordinatorNotAvailable,
        Unavailable::NotWritable => Refusal::NotWritable,
    }
}
