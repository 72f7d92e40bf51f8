//! The one sentence of everything that Ottla remembers: *decided, written, replayed, and only then
//! answered*.
//!
//! A decision looks at the state and changes nothing: it names the records to write and the answer
//! to give once they are committed. State changes only by [`Machine::replay`], live and after a
//! restart alike; so the living state equals its log, replayed. The controller, every kind of group,
//! transactions and share state are all such machines (Kafka: `ControllerResult`, `CoordinatorResult`).
//!
//! This crate knows no log, no clock and no task.

/// What was decided: the records to write, and the answer that waits for them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a decision changes nothing until its records are written and replayed"]
pub struct Decision<Answer, Record> {
    /// Written as one batch: all of them or none. Empty when nothing is to change.
    pub records: Vec<Record>,
    /// Held back until the records are committed, so no one is told what could be lost.
    pub answer: Answer,
}

impl<Answer, Record> Decision<Answer, Record> {
    /// Nothing is to change.
    pub fn answer(answer: Answer) -> Self {
        Decision { records: Vec::new(), answer }
    }

    /// `records` are to be written before `answer` is given.
    pub fn write(records: Vec<Record>, answer: Answer) -> Self {
        Decision { records, answer }
    }

    /// The same records with another answer.
    pub fn map<Other>(self, change: impl FnOnce(Answer) -> Other) -> Decision<Other, Record> {
        Decision { records: self.records, answer: change(self.answer) }
    }
}

/// State that is remembered by a log of records.
pub trait Machine: Default {
    /// One entry of the log.
    type Record;

    /// The only way the state ever changes. Cannot fail: a decision is checked before it is written.
    fn replay(&mut self, record: &Self::Record);
}
