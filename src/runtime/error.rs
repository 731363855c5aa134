//! Why a lane ends before it is asked to.

use std::time::Duration;

use crate::broker::{BrokerError, TransactionError};
use crate::domain::PartitionId;
use crate::guard::Panicked;
use crate::runtime::board::calls::Call;
use crate::runtime::recovery::refusal::Refusal;
use crate::state::StateError;

/// Why a lane ends. Each says in its text what was tried and what to do.
#[expect(missing_docs, reason = "the text of each variant says what its fields are")]
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A transaction that left nothing behind.
    #[error(transparent)]
    Aborted(#[from] TransactionError),
    /// The same thing failed for longer than the patience of the settings.
    #[error("gave up after {waited:?} without success: {cause}; {advice}")]
    GaveUp { waited: Duration, cause: String, advice: &'static str },
    /// A call to the client that has not returned for longer than the patience of the settings. It can't be ended.
    #[error("lane {lane}: the client's {} has not returned for {waited:?}; {advice}", call.as_str())]
    CallTimedOut { lane: usize, call: Call, waited: Duration, advice: &'static str },
    #[error("partition {partition}: its state can't be gone on from")]
    State {
        partition: PartitionId,
        #[source]
        source: StateError,
    },
    #[error("partition {partition} is refused: {refusal}")]
    Refused { partition: PartitionId, refusal: Refusal },
    #[error("partition {partition}: its deadlines can't be fired")]
    TimersPanicked {
        partition: PartitionId,
        #[source]
        source: Panicked,
    },
    #[error("lane {0} panicked")]
    Panicked(usize),
    #[error("the thread {0} panicked")]
    WorkPanicked(String),
    #[error("start the thread {name}")]
    WorkThread {
        name: String,
        #[source]
        source: std::io::Error,
    },
    #[error("start a thread for lane {lane}")]
    Thread {
        lane: usize,
        #[source]
        source: std::io::Error,
    },
}
