//! ApiVersions (key 18), versions 0–4. Tells what is served, exactly, and which features are in force.
//! A version the broker does not know is answered in version 0 with UNSUPPORTED_VERSION (KIP-511).
//! Produce is advertised from version 0 on though 0–2 are refused: librdkafka takes a higher minimum
//! for a broker that cannot do compressed produce (KAFKA-18659).

use crate::call::Call;
use ottla_metadata::{FEATURES, Image, KRAFT_VERSION};
use ottla_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use ottla_protocol::{ApiKey, ErrorCode, Text};
use ottla_quorum::Quorum;

/// The first version whose readers accept a feature range that begins at 0 (KAFKA-17011).
const MIN_VERSION_WITH_ZERO_FEATURES: i16 = 4;

/// Answers ApiVersions.
pub fn api_versions(
    call: &Call,
    request: &ApiVersionsRequest,
    served: &[ApiKey],
    image: &Image,
    quorum: &Quorum,
) -> ApiVersionsResponse {
    let named = |text: &str| is_software_name(text);
    if call.api_version >= 3
        && !(named(&request.client_software_name) && named(&request.client_software_version))
    {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.into(), ..Default::default() };
    }
    let kraft_version = quorum.status().kraft_version;
    ApiVersionsResponse {
        api_keys: served.iter().map(|key| advertised(*key)).collect(),
        supported_features: FEATURES
            .iter()
            .filter(|it| it.is_served)
            .filter(|it| it.known.min > 0 || call.api_version >= MIN_VERSION_WITH_ZERO_FEATURES)
            .map(|it| SupportedFeatureKey {
                name: Text::from_static(it.name),
                min_version: it.known.min,
                max_version: it.known.max,
                ..Default::default()
            })
            .collect(),
        // Kafka's epoch of the features is the offset of the last metadata record.
        finalized_features_epoch: quorum.offset().0 - 1,
        finalized_features: image
            .features()
            .map(|(name, level)| (name.clone(), level))
            // The quorum keeps its own level, beside the records of the image.
            .chain((kraft_version > 0).then(|| (Text::from_static(KRAFT_VERSION), kraft_version)))
            .map(|(name, level)| FinalizedFeatureKey {
                name,
                max_version_level: level,
                min_version_level: level,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// The answer to a version of ApiVersions that is not known, in version 0: the client asks again with
/// one of the range it names.
pub fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.into(),
        api_keys: vec![advertised(ApiKey::ApiVersions)],
        ..Default::default()
    }
}

fn advertised(key: ApiKey) -> ApiVersion {
    let versions = key.advertised_versions();
    ApiVersion {
        api_key: key as i16,
        min_version: *versions.start(),
        max_version: *versions.end(),
        ..Default::default()
    }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`, as Kafka asks of client software names and versions.
fn is_software_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::{advertised, is_software_name};
    use ottla_protocol::ApiKey;

    #[test]
    fn unstable_versions_are_not_offered_and_produce_is_offered_from_0() {
        let range = |key| (advertised(key).min_version, advertised(key).max_version);
        assert_eq!(range(ApiKey::InitProducerId), (0, 5));
        assert_eq!(range(ApiKey::Produce), (0, 13));
        assert_eq!(range(ApiKey::Fetch), (4, 18));
    }

    #[test]
    fn software_names_are_checked_as_kafka_does() {
        for good in ["a", "apache-kafka-java", "4.3.1", "a.b-c9"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a_b", "é"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
