//! What a handler knows of the request beside its body.

use ottla_protocol::Text;
use std::net::IpAddr;
use std::sync::Arc;

/// One request's envelope: who asks, through which listener, in which version.
///
/// A handler looks at the version only where the meaning differs; fields are `protocol`'s business.
#[derive(Clone, Debug)]
pub struct Call {
    /// The version of the API that the client chose.
    pub api_version: i16,
    /// What the client calls itself; empty when it does not say.
    pub client_id: Text,
    /// The client's address.
    pub client_host: IpAddr,
    /// The listener it came in by (`PLAINTEXT`): answers name brokers by their endpoint of that name.
    pub listener: Arc<str>,
}

#[cfg(test)]
impl Call {
    /// A call as tests of handlers make it, for which only the version matters.
    pub(crate) fn of_version(api_version: i16) -> Call {
        Call {
            api_version,
            client_id: Text::default(),
            client_host: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            listener: "PLAINTEXT".into(),
        }
    }
}
