//! Files as a feed: of each source its files, merged by event time into the one log that its topic would be.
//!
//! An event's offset is its place in that log. So an event's line number is its offset where a source has one file.

use anyhow::Result;

use super::lines::Lines;
use super::remarks::ReadRemarks;
use crate::domain::{Input, Timestamp};
use crate::ingest::Decoded;
use crate::merge::{Merge, MergeBounds, NextHead};
use crate::pipeline::{Judged, ONLY_PARTITION, Pipeline, RecordFeed};
use crate::record::{Header, Message, Offset};

/// A line of a file, as a record without a key and without headers.
pub(super) struct Line {
    offset: Offset,
    pub value: Vec<u8>,
    /// Which file it is from, in the order of the feed.
    pub file: usize,
    /// Of the line in its file, from 1.
    pub number: u64,
}

impl Message for Line {
    fn offset(&self) -> Offset {
        self.offset
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        Some(&self.value)
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        std::iter::empty()
    }
}

/// One file.
struct InputFile {
    lines: Lines,
    /// The newest event that was read of it.
    newest: Option<Timestamp>,
}

/// The files of one input.
struct InputFiles {
    /// In the order of the merge's inputs: which files these are.
    files: Vec<usize>,
    merge: Merge<(Line, Judged)>,
    next_offset: Offset,
}

/// The files of all inputs.
pub(super) struct FileFeed {
    files: Vec<InputFile>,
    /// By input.
    inputs: Vec<InputFiles>,
    /// By which events are judged; none: no event is.
    now: Option<Timestamp>,
    pub remarks: ReadRemarks,
}

impl FileFeed {
    /// Each file with the input that it is of. `now`: the clock by which events are judged, if they are.
    pub fn new(files: Vec<(Input, Lines)>, now: Option<Timestamp>, remarks: ReadRemarks) -> Self {
        let inputs = files.iter().map(|(input, _)| input.index() + 1).max().unwrap_or(0);
        let of = |input: usize| -> Vec<usize> {
            let all = files.iter().enumerate();
            all.filter(|(_, (of, _))| of.index() == input).map(|(file, _)| file).collect()
        };
        let inputs = (0..inputs).map(of);
        let inputs = inputs.map(|files| {
            let merge = Merge::new(files.len(), MergeBounds::UNBOUNDED);
            InputFiles { files, merge, next_offset: 0 }
        });
        let inputs = inputs.collect();
        let files = files.into_iter().map(|(_, lines)| InputFile { lines, newest: None }).collect();
        Self { files, inputs, now, remarks }
    }

    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.lines.place().file).collect()
    }
}

impl RecordFeed for FileFeed {
    type Message = Line;
    type Error = anyhow::Error;

    fn next(&mut self, input: Input, pipeline: &Pipeline) -> Result<Option<(Line, Judged)>> {
        let Some(InputFiles { files, merge, next_offset }) = self.inputs.get_mut(input.index()) else {
            return Ok(None);
        };
        while let Some(queue) = { merge.starved().next() } {
            let file = files[queue.index()];
            let InputFile { lines, newest } = &mut self.files[file];
            let Some(value) = lines.next()? else {
                merge.end(queue);
                continue;
            };
            let line = Line { offset: 0, value, file, number: lines.number() };
            let judged = pipeline.decode(input, &line, ONLY_PARTITION, self.now);
            let time = match &judged.decoded {
                Decoded::Event { event, .. } | Decoded::Rekey { event, .. } => Some(event.time),
                Decoded::Reject(_) => None,
            };
            self.remarks.read(time, *newest, || lines.place());
            *newest = (*newest).max(time);
            merge.push(queue, time, line.value.len(), (line, judged));
        }
        // Every file has its next line queued, or has ended: nothing is waited for.
        let NextHead::Ready(queue) = merge.next(0) else { return Ok(None) };
        let next = merge.pop(queue).map(|((line, judged), _)| (Line { offset: *next_offset, ..line }, judged));
        *next_offset += 1;
        Ok(next)
    }
}
