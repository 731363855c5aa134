//! A call of the client, tried again while its error may pass.

use std::fmt;

use rdkafka::error::KafkaError;

use crate::broker::kafka::client_error::ClientError;
use crate::broker::kafka::deadline::{self, GaveUp, Next};
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;
use crate::broker::{BrokerError, ErrorClass};

/// The same call again for at most `retry_bound`. `what` names what is tried, and on what.
///
/// # Errors
/// [`BrokerError::Client`] where waiting can't cure it, [`BrokerError::NoProgress`] where the time is over.
pub(in crate::broker::kafka) fn retry<T>(
    settings: &KafkaSettings,
    what: impl fmt::Display,
    attempt: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, BrokerError> {
    let outcome = deadline::retry(
        settings.retry_bound.duration(),
        settings.retry_pause.duration(),
        |error, _| judge(error),
        attempt,
    );
    outcome.map_err(|gave_up| error_of(what, gave_up))
}

/// What waiting can't cure is refused.
pub(in crate::broker::kafka) fn judge(error: &KafkaError) -> Next {
    if triage::of_client(error) == ErrorClass::Fatal { Next::Refuse } else { Next::Retry }
}

/// What is to be said of a call that was given up.
pub(in crate::broker::kafka) fn error_of(what: impl fmt::Display, gave_up: GaveUp<KafkaError>) -> BrokerError {
    match gave_up {
        GaveUp::Refused { error, .. } => triage::client_error(what, &error),
        GaveUp::Late { error, waited, .. } => {
            BrokerError::NoProgress { what: what.to_string(), waited, source: Box::new(ClientError::of(&error)) }
        }
    }
}
