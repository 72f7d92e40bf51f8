//! What handlers ask for most, as plain methods.

use crate::error::DecideError;
use crate::handle::Quorum;
use ottla_controller::{CreatedTopic, DeletedTopic, Refusal, TopicToDelete};
use ottla_protocol::messages::create_partitions::CreatePartitionsRequest;
use ottla_protocol::messages::create_topics::CreateTopicsRequest;

impl Quorum {
    /// See [`Controller::create_topics`](ottla_controller::Controller::create_topics).
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn create_topics(
        &self,
        request: CreateTopicsRequest,
    ) -> Result<Result<Vec<Result<CreatedTopic, Refusal>>, Refusal>, DecideError> {
        self.decide(move |controller| controller.create_topics(&request)).await
    }

    /// See [`Controller::delete_topics`](ottla_controller::Controller::delete_topics).
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn delete_topics(
        &self,
        topics: Vec<TopicToDelete>,
    ) -> Result<Result<Vec<DeletedTopic>, Refusal>, DecideError> {
        self.decide(move |controller| controller.delete_topics(&topics)).await
    }

    /// See [`Controller::create_partitions`](ottla_controller::Controller::create_partitions).
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn create_partitions(
        &self,
        request: CreatePartitionsRequest,
    ) -> Result<Result<Vec<Result<(), Refusal>>, Refusal>, DecideError> {
        self.decide(move |controller| controller.create_partitions(&request)).await
    }
}
