//! From the classic protocol to the consumer protocol and back, while members are there.

mod downgrade;
mod mixed;
mod upgrade;
