//! An error of the client's as the cause of ours: its code, and its words without the values of properties that they
//! quote.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::ClientProperties;

use super::client_properties;

/// What the client said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct ClientError {
    /// None where the client has no code for it.
    pub code: Option<RDKafkaErrorCode>,
    text: String,
}

impl ClientError {
    /// Of a client that was made: its properties were taken, so only a text about one of them may quote a value.
    pub fn of(error: &KafkaError) -> Self {
        Self { code: error.rdkafka_error_code(), text: client_properties::plain(error) }
    }

    /// Of a client that couldn't be made: whatever value of these properties its text quotes is taken out.
    pub fn hiding(error: &KafkaError, properties: &ClientProperties) -> Self {
        let Self { code, text } = Self::of(error);
        Self { code, text: properties.without_values(&text) }
    }
}
