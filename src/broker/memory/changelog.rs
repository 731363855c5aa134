//! Reads one partition of the changelog from its start to the high watermark that it had when it was opened.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::logs::LogId;
use super::shared::Shared;
use crate::broker::Isolation;
use crate::broker::{BrokerError, ChangelogReader, ChangelogRecord, ReadProgress};
use crate::domain::PartitionId;
use crate::record::{Message, Offset};

/// A reader of one partition of the changelog, whose end was fixed when it was opened.
#[derive(Debug)]
pub struct MemoryChangelog {
    shared: Arc<Shared>,
    id: LogId,
    position: Offset,
    end: Offset,
    waited: Duration,
}

impl MemoryChangelog {
    pub(super) fn open(shared: Arc<Shared>, topic: &str, partition: PartitionId) -> Result<Self, BrokerError> {
        let state = shared.lock();
        let id = state.logs.id(topic, partition)?;
        let (position, end) = (state.logs[id].start(), state.logs[id].high_watermark());
        drop(state);
        Ok(Self { shared, id, position, end, waited: Duration::ZERO })
    }

    fn progress(&self) -> ReadProgress {
        ReadProgress::of(self.end.saturating_sub(self.position).max(0).unsigned_abs())
    }
}

impl ChangelogReader for MemoryChangelog {
    fn extend(&mut self) -> Result<(), BrokerError> {
        let state = self.shared.lock();
        self.end = state.logs[self.id].high_watermark();
        drop(state);
        self.waited = Duration::ZERO;
        Ok(())
    }

    fn read(
        &mut self,
        timeout: Duration,
        each: &mut dyn FnMut(ChangelogRecord<'_>) -> ControlFlow<()>,
    ) -> Result<ReadProgress, BrokerError> {
        if self.progress() == ReadProgress::Done {
            return Ok(self.progress());
        }
        let (id, position) = (self.id, self.position);
        let state =
            self.shared.wait(self.shared.lock(), timeout, |state| state.logs[id].last_stable_offset() <= position);
        let fetched = state.logs[id].fetch(position, Isolation::ReadCommitted, state.settings.poll_records);
        let patience = state.settings.patience;
        drop(state);
        if fetched.position == position {
            self.waited += timeout;
            if self.waited >= patience {
                return Err(BrokerError::NoProgress {
                    what: format!("changelog of partition {}", id.partition),
                    waited: self.waited,
                    source: format!("an open transaction at offset {position} hides the rest up to {}", self.end)
                        .into(),
                });
            }
            return Ok(self.progress());
        }
        self.waited = Duration::ZERO;
        self.position = fetched.position.min(self.end);
        for message in fetched.messages.iter().take_while(|message| message.offset < self.end) {
            // A compacted topic takes no record without a key.
            let key = message.key().unwrap_or_default();
            if each(ChangelogRecord { key, value: message.value() }).is_break() {
                self.position = message.offset + 1;
                break;
            }
        }
        Ok(self.progress())
    }
}
