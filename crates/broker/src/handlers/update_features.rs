//! UpdateFeatures (key 57), versions 0–2. Features go to other levels, all of the request or none (KIP-584). Rules
//! and texts are in `ottla_controller`. Up to version 1 each feature is answered by itself.

use crate::call::Call;
use crate::errors::Refusal;
use ottla_protocol::messages::update_features::{
    UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ottla_protocol::{ErrorCode, Text};
use ottla_quorum::Quorum;

/// The last version with a result for each feature.
const LAST_WITH_RESULTS: i16 = 1;

/// Answers UpdateFeatures.
pub async fn update_features(
    call: &Call,
    request: UpdateFeaturesRequest,
    quorum: &Quorum,
) -> UpdateFeaturesResponse {
    let names: Vec<Text> = request.feature_updates.iter().map(|it| it.feature.clone()).collect();
    let refused = match quorum.update_features(request).await {
        Ok(Ok(())) => {
            let results = names.into_iter().filter(|_| call.api_version <= LAST_WITH_RESULTS);
            // Kafka tells the text of the code even where there is no error.
            let message = Some(Text::from_static(ErrorCode::None.message()));
            let results = results.map(|feature| UpdatableFeatureResult {
                feature,
                error_message: message.clone(),
                ..Default::default()
            });
            return UpdateFeaturesResponse {
                error_message: None,
                results: results.collect(),
                ..Default::default()
            };
        }
        Ok(Err(refusal)) => Refusal::new(
            refusal.code,
            format!(
                "The update failed for all features since the following feature had an error: {}",
                refusal.message
            ),
        ),
        Err(error) => Refusal::from(error),
    };
    let (error_code, error_message) = Refusal::code_and_message(Some(refused));
    UpdateFeaturesResponse { error_code, error_message, ..Default::default() }
}
