//! Why an operator's command can't be carried out, with the way on.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{BrokerError, TransactionError};
use crate::domain::{PartitionId, TopicId};
use crate::record::Offset;
use crate::runtime::recovery::refusal::{Place, Refusal};

/// Why a partition can't be reset so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each variant says what its fields are")]
pub enum Impossible {
    #[error("no partition record says what was read; without --offsets-only it starts anew")]
    NoRecord,
    #[error("{0}; without --offsets-only it starts anew")]
    Unreadable(String),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unskippable(Unskippable),
    #[error(
        "{topic} begins at offset {earliest}, behind {recorded}, the next to be read; --accept-loss goes on without \
         what is gone"
    )]
    Truncated { topic: Arc<str>, recorded: Offset, earliest: Offset },
    #[error(
        "{topic} was deleted and made anew: its id is {found}, what was read of it was {recorded}; {place}. \
         --accept-loss reads the new one from its start; what the old one held unread is lost"
    )]
    Recreated { topic: Arc<str>, recorded: TopicId, found: TopicId, place: Place },
    #[error(
        "{topic} ends at offset {end}, before {recorded}, the next to be read; --accept-loss goes on at {goes_on}, \
         and what is gone is lost"
    )]
    BeyondTheEnd { topic: Arc<str>, recorded: Offset, end: Offset, goes_on: Offset },
    #[error(
        "the group has no offset of {topic}, which was read to {recorded}, and no record says which topic that was: \
         it may have been made anew since; --accept-loss goes on at {recorded}, and if it was, what lies before is lost"
    )]
    MayBeAnother { topic: Arc<str>, recorded: Offset },
}

/// Why a command that changes a partition failed. What was done before stays done; the same command goes on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each variant says what its fields are")]
pub enum ResetError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("partition {partition} was not reset; the same command goes on")]
    Transaction {
        partition: PartitionId,
        #[source]
        source: TransactionError,
    },
    #[error("partition {partition}: {why}")]
    Impossible { partition: PartitionId, why: Impossible },
    #[error("the group gave {owned} of {all} partitions within {waited:?}: it has other members; stop them first")]
    OthersLive { owned: usize, all: usize, waited: Duration },
    #[error("the group changed while partitions were reset: a member has joined; stop it, then run the command again")]
    GroupChanged,
}

/// Why a record can't be skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each variant says what its fields are")]
pub enum Unskippable {
    #[error("it was read before: the next to be read there is offset {next}")]
    Passed { next: Offset },
    #[error("offset {first} is to be read before it; `tideline run` goes on with that one, or skip it first")]
    NotNext { first: Offset },
    #[error("there is no committed record there; the next to be read is {}", next_of(*.next))]
    NoRecord { next: Option<Offset> },
}

fn next_of(next: Option<Offset>) -> String {
    next.map_or_else(|| "none, the input is at its end".to_owned(), |next| format!("offset {next}"))
}
