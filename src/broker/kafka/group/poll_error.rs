//! What an error that a poll brings means for the member: nothing, or its end.
//!
//! Must not know: partitions, assignments.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage::{self, Denied};
use crate::broker::rights::{Operation, Right};
use crate::broker::{BrokerError, ErrorClass};

/// What waiting mends is left to the client; the rest ends the source.
/// `topic`: whose queue told it; without one it is the group's.
pub(in crate::broker::kafka) fn judge(
    error: &KafkaError,
    settings: &KafkaSettings,
    topic: Option<&str>,
) -> Result<(), BrokerError> {
    if let Some(denied) = triage::denied(error) {
        let right = match (denied, topic) {
            (Denied::Topic, Some(topic)) => Right::on_topic(Operation::Read, topic),
            (Denied::Topic, None) => Right::on_topic(Operation::Read, "(one of the inputs)"),
            _ => Right::on_group(Operation::Read, &settings.group_id),
        };
        let what = topic.map_or_else(|| "poll".to_owned(), |topic| format!("read {topic}"));
        return Err(BrokerError::Denied { what, lacking: settings.lacking(vec![right]) });
    }
    match triage::of_client(error) {
        ErrorClass::Fatal if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnreleasedInstanceId) => {
            let what = "join the group under a lasting name whose last holder did not leave; its session must end \
                        first, then a restart of this process succeeds";
            Err(triage::client_error(what, error))
        }
        ErrorClass::Fatal => Err(triage::client_error("poll", error)),
        _ if triage::is_transport(error) => Ok(()),
        _ => {
            tracing::warn!(%error, "poll");
            Ok(())
        }
    }
}
