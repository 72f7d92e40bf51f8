//! The keys of a subscription to clients' metrics (KIP-714). None is honoured yet; they are described.

use crate::key::Default::Value;
use crate::key::Kind::{Int, List};
use crate::key::Support::Refused;
use crate::key::Valid::{Any, Between};
use crate::key::{Key, inherited_keys};
use crate::support::METRICS;

inherited_keys! {
    "interval.ms", Int, Value("300000"), Between(100, 3_600_000), Refused(METRICS), [],
        "How often clients push metrics.";
    "match", List, Value(""), Any, Refused(METRICS), [],
        "Which clients are asked.";
    "metrics", List, Value(""), Any, Refused(METRICS), [],
        "Which metrics are asked for.";
}
