//! What handlers ask for most, as plain methods.

use crate::error::DecideError;
use crate::handle::Quorum;
use ottla_controller::{CreatedTopic, DeletedTopic, ElectedTopic, Refusal, TopicToDelete, UpdatedFeatures};
use ottla_protocol::messages::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use ottla_protocol::messages::create_partitions::CreatePartitionsRequest;
use ottla_protocol::messages::create_topics::CreateTopicsRequest;
use ottla_protocol::messages::elect_leaders::ElectLeadersRequest;
use ottla_protocol::messages::update_features::UpdateFeaturesRequest;
use ottla_protocol::{ErrorCode, Text};

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

    /// See [`Controller::alter_partition_reassignments`](ottla_controller::Controller::alter_partition_reassignments).
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn alter_partition_reassignments(
        &self,
        request: AlterPartitionReassignmentsRequest,
    ) -> Result<Result<Vec<Result<(), Refusal>>, Refusal>, DecideError> {
        self.decide(move |controller| controller.alter_partition_reassignments(&request)).await
    }

    /// See [`Controller::elect_leaders`](ottla_controller::Controller::elect_leaders).
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn elect_leaders(
        &self,
        request: ElectLeadersRequest,
    ) -> Result<Result<Vec<ElectedTopic>, Refusal>, DecideError> {
        self.decide(move |controller| controller.elect_leaders(&request)).await
    }

    /// See [`Controller::update_features`](ottla_controller::Controller::update_features). At another
    /// `metadata.version` this node registers again, since its registrations may say more there.
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn update_features(
        &self,
        request: UpdateFeaturesRequest,
    ) -> Result<Result<(), Refusal>, DecideError> {
        let kraft_version = self.status().kraft_version;
        let names_voters = |updated: &Result<UpdatedFeatures, Refusal>| {
            updated.as_ref().is_ok_and(|updated| updated.kraft_version.is_some())
        };
        let updated = self
            .decide_and_name(
                move |controller| controller.update_features(&request, kraft_version),
                names_voters,
            )
            .await?;
        let updated = match updated {
            Ok(updated) => updated,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // A node that was unregistered takes part again after its next start.
        if updated.metadata_version && self.image().broker(self.node()).is_some() {
            let (controller, mut broker) = self.registration().clone();
            // Those that failed since the start stay away.
            if let Some(now) = self.image().broker(self.node()).filter(|it| !it.directories.is_empty()) {
                broker.directories.clone_from(&now.directories);
            }
            // An older `metadata.version` has no registrations of controllers.
            let _ = self.decide(move |decider| decider.register_controller(&controller)).await?;
            if let Err(refusal) = self.decide(move |decider| decider.register_broker(&broker)).await? {
                tracing::error!(%refusal, "this node cannot register again at another metadata.version");
            }
        }
        Ok(Ok(()))
    }

    /// Creates topics that a client or a coordinator asked for without creating them itself, except those
    /// that somebody is creating just now, which are returned. Returns when the image has the others, or they
    /// cannot be had, which is logged: nobody waits for this answer but those who look into the image again.
    pub async fn create_automatically(&self, names: Vec<Text>) -> Vec<Text> {
        // Also ends the creation when the caller goes away in the middle.
        struct Creation<'a>(&'a Quorum, Vec<Text>);
        impl Drop for Creation<'_> {
            fn drop(&mut self) {
                self.1.iter().for_each(|name| self.0.end_creation(name));
            }
        }
        let (names, by_others): (Vec<Text>, Vec<Text>) =
            names.into_iter().partition(|name| self.begin_creation(name));
        if names.is_empty() {
            return by_others;
        }
        let creation = Creation(self, names);
        let names = creation.1.clone();
        match self.decide(move |controller| controller.create_automatically(&names)).await {
            Ok(Ok(answers)) => {
                for (name, answer) in creation.1.iter().zip(answers) {
                    // One that somebody else has created meanwhile is there, which is all that was wanted.
                    if let Err(refusal) = answer
                        && refusal.code != ErrorCode::TopicAlreadyExists
                    {
                        tracing::warn!(%name, %refusal, "a topic could not be created automatically");
                    }
                }
            }
            Ok(Err(refusal)) => tracing::warn!(%refusal, "topics could not be created automatically"),
            Err(error) => tracing::warn!(%error, "topics could not be created automatically"),
        }
        by_others
    }
}
