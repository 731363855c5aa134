//! The producer's side of the seam: begin, send, send offsets, commit or abort, on the embedded log.
//!
//! As with the real client, a fenced holder learns of it at its next `send_offsets`, `commit` or `abort`: `begin` is
//! local to the client, and `send` only queues. What it sent goes nowhere.

use std::sync::Arc;

use super::fault::{Fault, Operation};
use super::frame::StoredOffset;
use super::group::MemoryGeneration;
use super::shared::{Shared, journal_failed};
use super::transaction::{Epoch, Fenced, LogState};
use crate::broker::{BrokerError, OffsetCommit, Producer, Transaction, TransactionError};
use crate::chain::Chain;
use crate::record::Lent;

/// The holder of a transactional id.
#[derive(Debug)]
pub struct MemoryProducer {
    shared: Arc<Shared>,
    id: Arc<str>,
    epoch: Epoch,
    /// Why this producer must be replaced, if it must.
    retired: Option<Retired>,
}

impl MemoryProducer {
    pub(super) fn take(shared: Arc<Shared>, id: Arc<str>) -> Result<Self, BrokerError> {
        let epoch = shared.lock().take(&id).map_err(journal_failed)?;
        shared.changed.notify_all();
        Ok(Self { shared, id, epoch, retired: None })
    }

    fn retire(&mut self, call: &'static str, why: Retired) -> TransactionError {
        self.retired = Some(why);
        why.error(call)
    }

    /// Another takes the id.
    fn be_fenced(&mut self, state: &mut LogState, call: &'static str) -> TransactionError {
        // The journal's failure, if any, shows at whoever writes next: this holder is done for either way.
        let _ = state.take(&self.id);
        self.retire(call, Retired::Fenced)
    }
}

impl Producer for MemoryProducer {
    type Generation = MemoryGeneration;
    type Transaction<'a> = MemoryTransaction<'a>;

    fn begin(&mut self) -> Result<MemoryTransaction<'_>, TransactionError> {
        match self.retired {
            Some(why) => Err(why.error("begin")),
            None => Ok(MemoryTransaction { producer: self, failed: None, is_over: false }),
        }
    }
}

/// An open transaction of the embedded log.
#[derive(Debug)]
pub struct MemoryTransaction<'a> {
    producer: &'a mut MemoryProducer,
    /// An earlier call failed: it can only be aborted.
    failed: Option<String>,
    is_over: bool,
}

impl MemoryTransaction<'_> {
    /// Only abort is left.
    fn fail(&mut self, call: &'static str, reason: String) -> TransactionError {
        self.failed = Some(reason.clone());
        TransactionError::abortable(call, reason)
    }

    fn check_standing(&mut self, state: &LogState, call: &'static str) -> Result<(), TransactionError> {
        if !state.holds(&self.producer.id, self.producer.epoch) {
            return Err(self.producer.retire(call, Retired::Fenced));
        }
        match &self.failed {
            Some(reason) => Err(TransactionError::abortable(call, reason.clone())),
            None => Ok(()),
        }
    }

    /// Ends it in the log. After a failure of the journal it is still open, and can only be aborted by a new holder.
    fn end(&mut self, state: &mut LogState, call: &'static str, commit: bool) -> Result<(), TransactionError> {
        state.end(&self.producer.id, commit).map_err(|error| {
            self.producer.retired = Some(Retired::JournalFailed);
            TransactionError::fatal(call, JournalFailed(error))
        })
    }

    fn commit_in(&mut self, state: &mut LogState) -> Result<(), TransactionError> {
        const CALL: &str = "commit";
        if let Err(error) = self.check_standing(state, CALL) {
            if matches!(error, TransactionError::Abortable { .. }) {
                self.end(state, CALL, false)?;
            }
            return Err(error);
        }
        match state.faults.take(Operation::Commit) {
            Some(Fault::AbortOnCommit) => {
                self.end(state, CALL, false)?;
                Err(TransactionError::abortable(CALL, injected(Fault::AbortOnCommit)))
            }
            Some(Fault::FencedOnCommit) => Err(self.producer.be_fenced(state, CALL)),
            Some(fault @ Fault::OutcomeUnknown { applied }) => {
                if applied {
                    self.end(state, CALL, true)?;
                }
                self.producer.retired = Some(Retired::OutcomeUnknown);
                Err(TransactionError::OutcomeUnknown { call: CALL, source: injected(fault).into() })
            }
            _ => self.end(state, CALL, true),
        }
    }
}

impl Transaction for MemoryTransaction<'_> {
    type Generation = MemoryGeneration;

    fn send(&mut self, record: Lent<'_>) -> Result<(), TransactionError> {
        const CALL: &str = "send";
        let shared = self.producer.shared.clone();
        let mut state = shared.lock();
        if let Some(reason) = &self.failed {
            return Err(TransactionError::abortable(CALL, reason.clone()));
        }
        if let Some(fault) = state.faults.take(Operation::Send) {
            return Err(self.fail(CALL, injected(fault)));
        }
        let (id, contents) = match state.logs.place(record) {
            Ok(placed) => placed,
            Err(error) => return Err(self.fail(CALL, Chain(&error).to_string())),
        };
        let limit = state.settings.transaction_bytes;
        match state.append((&self.producer.id, self.producer.epoch), id, contents) {
            Ok(bytes) if bytes > limit => Err(self.fail(CALL, format!("the transaction is over {limit} bytes"))),
            Ok(_) | Err(Fenced) => Ok(()),
        }
    }

    fn send_offsets(
        &mut self,
        offsets: &[OffsetCommit],
        generation: &MemoryGeneration,
    ) -> Result<(), TransactionError> {
        const CALL: &str = "send_offsets";
        let shared = self.producer.shared.clone();
        let mut state = shared.lock();
        self.check_standing(&state, CALL)?;
        match state.faults.take(Operation::SendOffsets) {
            Some(Fault::FencedOnSendOffsets) => return Err(self.producer.be_fenced(&mut state, CALL)),
            Some(fault @ Fault::TimedOut) => {
                // It stays open until its id is taken anew.
                self.is_over = true;
                self.producer.retired = Some(Retired::LeftBehind);
                return Err(TransactionError::TimedOut { call: CALL, throttled: None, source: injected(fault).into() });
            }
            Some(fault) => return Err(self.fail(CALL, injected(fault))),
            None => {}
        }
        if !state.group.accepts(*generation) {
            return Err(self.fail(CALL, "the generation is not the group's present one".to_owned()));
        }
        if let Some(unknown) = offsets.iter().find(|of| state.logs.input(of.input, of.partition).is_none()) {
            return Err(self.fail(CALL, format!("no input {} with a partition {}", unknown.input.0, unknown.partition)));
        }
        let stored = offsets.iter().map(|commit| {
            let metadata = commit.metadata();
            ((commit.partition, commit.input), StoredOffset { offset: commit.offset, metadata })
        });
        let held = state.hold_offsets((&self.producer.id, self.producer.epoch), stored);
        held.map_err(|Fenced| self.producer.retire(CALL, Retired::Fenced))
    }

    fn join_offsets(&mut self) -> Result<(), TransactionError> {
        const CALL: &str = "join_offsets";
        let shared = self.producer.shared.clone();
        let mut state = shared.lock();
        self.check_standing(&state, CALL)?;
        let held = state.hold_offsets((&self.producer.id, self.producer.epoch), []);
        held.map_err(|Fenced| self.producer.retire(CALL, Retired::Fenced))
    }

    fn commit(mut self) -> Result<(), TransactionError> {
        self.is_over = true;
        let shared = self.producer.shared.clone();
        let outcome = self.commit_in(&mut shared.lock());
        shared.changed.notify_all();
        outcome
    }

    fn abort(mut self) -> Result<(), TransactionError> {
        const CALL: &str = "abort";
        self.is_over = true;
        let shared = self.producer.shared.clone();
        let mut state = shared.lock();
        self.failed = None;
        self.check_standing(&state, CALL)?;
        let outcome = self.end(&mut state, CALL, false);
        shared.changed.notify_all();
        outcome
    }
}

impl Drop for MemoryTransaction<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.producer.shared.lock();
        let is_held = state.holds(&self.producer.id, self.producer.epoch);
        if state.faults.take(Operation::Drop) == Some(Fault::LeftOpen) {
            self.producer.retired = Some(Retired::ProcessGone);
        } else if is_held && state.end(&self.producer.id, false).is_err() {
            self.producer.retired = Some(Retired::JournalFailed);
        }
        drop(state);
        self.producer.shared.changed.notify_all();
    }
}

/// Why a producer must be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retired {
    Fenced,
    JournalFailed,
    OutcomeUnknown,
    LeftBehind,
    ProcessGone,
}

impl Retired {
    fn error(self, call: &'static str) -> TransactionError {
        let why = match self {
            Self::Fenced => {
                return TransactionError::Fenced { call, source: "another producer has taken the id".into() };
            }
            Self::JournalFailed => "the journal failed",
            Self::OutcomeUnknown => "the outcome of its last commit is not known",
            Self::LeftBehind => "it was left behind",
            Self::ProcessGone => "its process is gone",
        };
        TransactionError::fatal(call, why)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("journal")]
struct JournalFailed(#[source] std::io::Error);

fn injected(fault: Fault) -> String {
    format!("injected: {}", fault.as_str())
}
