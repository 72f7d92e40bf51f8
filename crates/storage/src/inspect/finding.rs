//! What a check has found.

use ottla_ids::Offset;
use std::fmt;
use std::path::PathBuf;

/// What serving does about what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Nothing, and it does no harm.
    LeftAlone,
    /// It is made anew from what is whole, or is not needed.
    Rebuilt,
    /// What lies from there on was never acknowledged, and is cut off.
    Cut,
    /// These records cannot be read; all others of the partition can.
    Unreadable,
    /// It would not be noticed, and answers would be wrong.
    Unnoticed,
    /// The partition is not served; all others are.
    Isolated,
    /// The server does not start.
    Refused,
}

impl Answer {
    /// Whether something is lost, wrong or not served.
    pub fn is_damage(self) -> bool {
        match self {
            Answer::LeftAlone | Answer::Rebuilt | Answer::Cut => false,
            Answer::Unreadable | Answer::Unnoticed | Answer::Isolated | Answer::Refused => true,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::LeftAlone => "left alone",
            Answer::Rebuilt => "rebuilt",
            Answer::Cut => "cut",
            Answer::Unreadable => "unreadable",
            Answer::Unnoticed => "unnoticed",
            Answer::Isolated => "isolated",
            Answer::Refused => "refused",
        })
    }
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file or folder.
    pub path: PathBuf,
    /// What serving does about it.
    pub answer: Answer,
    /// Bytes from the start of the file, where there is a place.
    pub position: Option<u64>,
    /// The offset there, or the nearest one known before it.
    pub offset: Option<Offset>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    /// A finding about a whole file or folder, without advice.
    pub fn about(path: PathBuf, answer: Answer, what: impl Into<String>) -> Finding {
        Finding { path, answer, position: None, offset: None, what: what.into(), advice: String::new() }
    }

    /// The place in the file.
    pub fn at(mut self, position: u64, offset: Offset) -> Finding {
        self.position = Some(position);
        self.offset = Some(offset);
        self
    }

    /// What to do about it.
    pub fn advise(mut self, advice: impl Into<String>) -> Finding {
        self.advice = advice.into();
        self
    }
}

/// Findings of one log that are kept; a log that is damaged throughout would fill the memory with them.
pub const FINDINGS_MAX: usize = 1000;

/// The first [`FINDINGS_MAX`] findings, and how many more there were.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    /// Findings that were not kept.
    pub more: u64,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: Finding) {
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Those that were kept, in the order in which they were found.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }
}
