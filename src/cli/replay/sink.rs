//! Files as a sink: outputs and dead letters as lines, and remarks about what was handled.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::feed::Line;
use super::remarks::{FileLine, OutcomeRemarks};
use crate::emit::{self, OutputType};
use crate::engine::{Announcement, Change, Disposition};
use crate::ingest;
use crate::pipeline::{DeadLetter, HandledRecord, Pipeline, Sink};
use crate::record::Outgoing;

/// Where a dead letter would go, and how much of it would be kept.
pub(super) struct LetterBounds {
    pub topic: String,
    /// Of a value, in bytes.
    pub limit: usize,
}

/// Writes lines.
pub(super) struct LineSink {
    pub pipeline: Arc<Pipeline>,
    pub out: Box<dyn Write>,
    pub dead_letters: Option<Box<dyn Write>>,
    pub letters: LetterBounds,
    /// Of the files that are read, in the order of the feed.
    pub file_names: Vec<String>,
    pub remarks: OutcomeRemarks,
    /// How many outputs there were, by type.
    pub outputs: BTreeMap<&'static str, u64>,
    /// Where lines are made, one after the other.
    pub text: Vec<u8>,
}

impl LineSink {
    /// Writes what is buffered.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().context("cannot write the outputs")?;
        self.dead_letters.as_mut().map_or(Ok(()), Write::flush).context("cannot write the dead letters")
    }
}

impl Sink<Line> for LineSink {
    type Error = anyhow::Error;

    /// Nobody asks for the state behind outputs.
    fn state(&mut self, _change: Change<'_>) -> Result<()> {
        Ok(())
    }

    fn output(&mut self, announcement: &Announcement) -> Result<()> {
        *self.outputs.entry(OutputType::of(&announcement.kind).name()).or_default() += 1;
        self.text.clear();
        self.pipeline.emitter().write_line(announcement, &mut self.text);
        self.out.write_all(&self.text).context("cannot write the outputs")
    }

    fn dead_letter(&mut self, DeadLetter { message, at, reject }: &DeadLetter<Line>) -> Result<()> {
        let Some(dead_letters) = &mut self.dead_letters else { return Ok(()) };
        let LetterBounds { topic, limit } = &self.letters;
        self.text.clear();
        emit::line::write_dead_letter(message, reject, at, topic, *limit, &mut self.text);
        dead_letters.write_all(&self.text).context("cannot write the dead letters")
    }

    /// There is no other partition.
    fn forward(&mut self, _record: &Outgoing) -> Result<()> {
        Ok(())
    }

    fn observe(&mut self, handled: &HandledRecord<'_, Line>) {
        let Line { value, file, number, .. } = handled.message;
        let place = || FileLine { file: self.file_names.get(*file).cloned().unwrap_or_default(), line: *number };
        match handled.disposition {
            Disposition::Skipped => self.remarks.skipped(ingest::json_type(value).as_deref(), place()),
            Disposition::Rejected(reject) => self.remarks.died(reject, place()),
            Disposition::Applied | Disposition::Duplicate | Disposition::Suppressed => {}
        }
    }
}
