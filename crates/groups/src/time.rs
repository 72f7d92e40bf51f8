//! The two clocks a group needs.

/// The time a decision is made at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never jumps: deadlines are counted on it.
    pub tick_ms: i64,
    /// Milliseconds since 1970: what is written into records and compared across restarts.
    pub wall_ms: i64,
}

impl Now {
    /// Both clocks show `ms`.
    pub fn at(ms: i64) -> Now {
        Now { tick_ms: ms, wall_ms: ms }
    }
}
