//! `tideline reset --skip`: a way past one record by hand, when a run can't get past it by itself.
//!
//! The record goes to the dead letters, and the partition goes on behind it: its record, the group's offsets and the
//! letter are one transaction, as with every reset. Only the next record to be read can be skipped: what comes before
//! another one would be lost.
//!
//! Must not know: rdkafka, the command line.

use crate::broker::{RecordLookup, Topics};
use crate::domain::{Input, OutputTopic, PartitionId};
use crate::emit;
use crate::guard::guarded;
use crate::ingest::{Reject, RejectReason};
use crate::record::{Coordinates, Message, Offset, Outgoing};
use crate::runtime::job::Job;
use crate::runtime::operator::error::{Impossible, ResetError, Unskippable};
use crate::runtime::operator::survey::{Survey, Target};
use crate::state::InputPosition;

/// Which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// Of which input.
    pub input: Input,
    /// Of which partition.
    pub partition: PartitionId,
    /// Where it is.
    pub offset: Offset,
    /// The record isn't even looked at: the client can't read it, or the process wouldn't survive that.
    pub without_reading: bool,
}

/// What skipping it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is known of the record, in a line. No content of it.
    pub about: String,
    /// The dead letter that takes its place.
    pub letter: Outgoing,
    /// By input, where the partition goes on.
    pub positions: Vec<Offset>,
}

impl Skip {
    /// Reads the record, if it may, and judges whether it is the next.
    ///
    /// # Errors
    ///
    /// [`Impossible::Unskippable`] of a record that is not the next; the broker's.
    pub fn plan<B: RecordLookup>(&self, broker: &B, survey: &Survey, job: &Job) -> Result<Plan, ResetError> {
        let partition = self.partition;
        let refused = |why| ResetError::Impossible { partition, why };
        let mut positions =
            survey.positions(&Target::Recorded { accept_loss: false }, false, &job.topics).map_err(refused)?;
        let position = survey.readable().and_then(|record| of_topic(&record.inputs, &job.topics, self.input));
        let (next, handled) = (positions[self.input.index()], position.map_or(&[][..], |it| &it.handled));
        let message = self.find(broker, next, handled)?.map_err(|why| refused(Impossible::Unskippable(why)))?;
        let reject = Reject::new(RejectReason::Malformed, "skipped by hand: tideline reset --skip");
        let at = job.coordinates(self.input, partition, self.offset);
        positions[self.input.index()] = self.offset + 1;
        Ok(Plan { about: about(message.as_ref()), letter: letter(message.as_ref(), &reject, &at, job), positions })
    }

    /// The record, if it is the next; none if it isn't to be read.
    fn find<B: RecordLookup>(
        &self,
        broker: &B,
        next: Offset,
        handled: &[Offset],
    ) -> Result<Result<Option<B::Message>, Unskippable>, ResetError> {
        if self.offset < next || handled.contains(&self.offset) {
            return Ok(Err(Unskippable::Passed { next }));
        }
        let end = if self.without_reading { self.offset } else { Offset::MAX };
        let mut from = next;
        loop {
            while handled.contains(&from) {
                from += 1;
            }
            let found = if from < end { broker.first_between(self.input, self.partition, from, end)? } else { None };
            let at = found.as_ref().map(Message::offset);
            return Ok(match at {
                Some(offset) if handled.contains(&offset) => {
                    from = offset + 1;
                    continue;
                }
                Some(offset) if offset == self.offset => Ok(found),
                Some(first) if first < self.offset => Err(Unskippable::NotNext { first }),
                None if self.without_reading => Ok(None),
                next => Err(Unskippable::NoRecord { next }),
            });
        }
    }
}

fn of_topic<'a>(inputs: &'a [InputPosition], topics: &Topics, input: Input) -> Option<&'a InputPosition> {
    inputs.iter().find(|position| *position.topic == **topics.input(input))
}

fn letter(message: Option<&impl Message>, reject: &Reject, at: &Coordinates, job: &Job) -> Outgoing {
    let (topic, limit) = (job.topics.output(OutputTopic::DeadLetters), job.settings.dead_letter_limit.bytes());
    let whole = message.and_then(|message| guarded(|| emit::dead_letter(message, reject, at, topic, limit)).ok());
    whole.unwrap_or_else(|| emit::bare_letter(reject, at, topic))
}

fn about(message: Option<&impl Message>) -> String {
    let Some(message) = message else { return "not looked at".to_owned() };
    let described = guarded(|| {
        if let Some(damage) = message.damage() {
            return format!("not readable ({}): {}", damage.unread.as_str(), damage.detail);
        }
        let of =
            |bytes: Option<&[u8]>| bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{} bytes", bytes.len()));
        let headers = message.headers().count();
        format!("key {}, {headers} headers, value {}", of(message.key()), of(message.value()))
    });
    described.unwrap_or_else(|panicked| format!("not readable: {panicked}"))
}
