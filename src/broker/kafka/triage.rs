//! What an error of the client means, decided once. Pure: tables for tests.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::{BrokerError, ErrorClass};

use super::client_error::ClientError;

/// The client's own verdict on the error of a transactional call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct TransactionFlags {
    fatal: bool,
    abortable: bool,
    retriable: bool,
}

/// Sorts the error of a transactional call.
pub(super) fn of_transaction(error: &KafkaError) -> ErrorClass {
    match error {
        KafkaError::Transaction(error) => sort(TransactionFlags {
            fatal: error.is_fatal(),
            abortable: error.txn_requires_abort(),
            retriable: error.is_retriable(),
        }),
        // The wrapper's flush before a commit: nothing has been decided yet.
        KafkaError::Flush(_) => ErrorClass::Retriable,
        _ => ErrorClass::Fatal,
    }
}

/// None of the three is fatal: the client has nothing more to say than that it can't go on.
fn sort(flags: TransactionFlags) -> ErrorClass {
    match flags {
        TransactionFlags { fatal: true, .. } => ErrorClass::Fatal,
        TransactionFlags { abortable: true, .. } => ErrorClass::Abortable,
        TransactionFlags { retriable: true, .. } => ErrorClass::Retriable,
        TransactionFlags { .. } => ErrorClass::Fatal,
    }
}

/// Sorts the error of any other call: what waiting can't cure is fatal.
pub(super) fn of_client(error: &KafkaError) -> ErrorClass {
    use RDKafkaErrorCode as Code;
    match error {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::MessageConsumptionFatal(_) => {
            ErrorClass::Fatal
        }
        _ => match error.rdkafka_error_code() {
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::UnsupportedVersion
                | Code::UnsupportedFeature
                | Code::FencedInstanceId
                | Code::UnreleasedInstanceId
                | Code::InconsistentGroupProtocol
                | Code::InvalidGroupId
                | Code::AutoOffsetReset
                | Code::Fatal,
            ) => ErrorClass::Fatal,
            _ => ErrorClass::Retriable,
        },
    }
}

/// Whether the connection failed: what was on its way may have arrived all the same.
pub(super) fn is_transport(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NetworkException
        )
    )
}

/// Whether another producer has taken the transactional id.
pub(super) fn is_fenced(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(is_fenced_by)
}

/// The same of a code.
pub(super) fn is_fenced_by(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// Whether what was to be read next is there no longer.
pub(super) fn is_out_of_range(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}

/// What a right is lacked on, if that is what an error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Topic,
    Group,
    TransactionalId,
    Cluster,
}

pub(super) fn denied(error: &KafkaError) -> Option<Denied> {
    error.rdkafka_error_code().and_then(denied_by)
}

pub(super) fn denied_by(code: RDKafkaErrorCode) -> Option<Denied> {
    use RDKafkaErrorCode as Code;
    match code {
        Code::TopicAuthorizationFailed => Some(Denied::Topic),
        Code::GroupAuthorizationFailed => Some(Denied::Group),
        Code::TransactionalIdAuthorizationFailed => Some(Denied::TransactionalId),
        Code::ClusterAuthorizationFailed => Some(Denied::Cluster),
        _ => None,
    }
}

/// A client's error with what was tried; of one that couldn't be made see [`super::KafkaSettings::creation_error`].
pub(super) fn client_error(what: impl fmt::Display, error: &KafkaError) -> BrokerError {
    BrokerError::client(what, of_client(error), ClientError::of(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_flag_decides_and_none_is_fatal() {
        let cases = [
            ((true, true, true), ErrorClass::Fatal),
            ((true, false, false), ErrorClass::Fatal),
            ((false, true, true), ErrorClass::Abortable),
            ((false, true, false), ErrorClass::Abortable),
            ((false, false, true), ErrorClass::Retriable),
            ((false, false, false), ErrorClass::Fatal),
        ];
        for ((fatal, abortable, retriable), class) in cases {
            let flags = TransactionFlags { fatal, abortable, retriable };
            assert_eq!(sort(flags), class, "{flags:?}");
        }
    }

    #[test]
    fn whoever_takes_an_id_from_another_is_told_apart() {
        use RDKafkaErrorCode as Code;
        for (code, expected) in [
            (Code::Fenced, true),
            (Code::ProducerFenced, true),
            (Code::InvalidProducerEpoch, true),
            (Code::TransactionalIdAuthorizationFailed, false),
        ] {
            assert_eq!(is_fenced(&KafkaError::MessageProduction(code)), expected, "{code:?}");
        }
    }

    #[test]
    fn what_is_gone_from_a_log_is_told_apart() {
        use RDKafkaErrorCode as Code;
        for (code, expected) in
            [(Code::AutoOffsetReset, true), (Code::OffsetOutOfRange, true), (Code::BrokerTransportFailure, false)]
        {
            assert_eq!(is_out_of_range(&KafkaError::MessageConsumption(code)), expected, "{code:?}");
        }
    }

    #[test]
    fn what_waiting_cannot_cure_is_fatal() {
        use RDKafkaErrorCode as Code;
        let cases = [
            (KafkaError::MessageConsumption(Code::BrokerTransportFailure), ErrorClass::Retriable, true),
            (KafkaError::MetadataFetch(Code::OperationTimedOut), ErrorClass::Retriable, true),
            (KafkaError::MessageConsumption(Code::TopicAuthorizationFailed), ErrorClass::Fatal, false),
            (KafkaError::MessageConsumptionFatal(Code::FencedInstanceId), ErrorClass::Fatal, false),
            (KafkaError::ClientCreation("bad".into()), ErrorClass::Fatal, false),
        ];
        for (error, class, transport) in cases {
            assert_eq!((of_client(&error), is_transport(&error)), (class, transport), "{error:?}");
        }
    }
}
