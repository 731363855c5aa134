//! Stream time of one partition: S, W, and the feeds whose silence holds W.

use crate::domain::{Input, Timestamp};
use crate::engine::Settings;
use crate::state::PartitionRecord;

/// S and W never run backwards. W is S less the lateness, but stands still while an input is silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamClock {
    pub stream_time: Option<Timestamp>,
    pub watermark: Option<Timestamp>,
    /// The first S: from here on an input without any event is silent.
    first: Option<Timestamp>,
    /// By input: its newest event.
    newest: Vec<Option<Timestamp>>,
    silent: Vec<bool>,
}

impl StreamClock {
    pub fn new(inputs: usize) -> Self {
        Self { newest: vec![None; inputs], silent: vec![false; inputs], ..Self::default() }
    }

    pub fn restore(record: &PartitionRecord, inputs: usize) -> Self {
        let mut clock = Self {
            stream_time: record.stream_time,
            watermark: record.watermark,
            first: record.first_stream_time,
            ..Self::new(inputs)
        };
        for (i, position) in record.inputs.iter().take(inputs).enumerate() {
            clock.newest[i] = position.newest;
            clock.silent[i] = position.silent;
        }
        clock
    }

    pub fn fill_record(&self, record: &mut PartitionRecord) {
        record.stream_time = self.stream_time;
        record.watermark = self.watermark;
        record.first_stream_time = self.first;
        for (i, position) in record.inputs.iter_mut().enumerate() {
            position.newest = self.newest.get(i).copied().flatten();
            position.silent = self.silent.get(i).copied().unwrap_or(false);
        }
    }

    /// By input, whether it is silent.
    pub fn silent(&self) -> &[bool] {
        &self.silent
    }

    /// Moves S to at least `to`, and W after it. `from` is the input whose event it was; none when the wall clock moves S.
    pub fn advance(&mut self, to: Timestamp, from: Option<Input>, settings: &Settings) {
        let stream_time = self.stream_time.map_or(to, |s| s.max(to));
        self.stream_time = Some(stream_time);
        let first = *self.first.get_or_insert(stream_time);
        if let Some(newest) = from.and_then(|input| self.newest.get_mut(input.index())) {
            *newest = (*newest).max(Some(to));
        }
        for (i, silent_after) in settings.silent_after_ms.iter().enumerate() {
            let (Some(silent_after), Some(silent)) = (silent_after, self.silent.get_mut(i)) else { continue };
            let behind = stream_time.since(self.newest[i].unwrap_or(first));
            if behind > *silent_after {
                *silent = true;
            } else if behind <= settings.lateness_ms {
                *silent = false;
            }
        }
        let watermark = stream_time.minus_millis(settings.lateness_ms);
        self.watermark = match self.watermark {
            Some(held) if self.silent.contains(&true) => Some(held),
            Some(before) => Some(before.max(watermark)),
            None => Some(watermark),
        };
    }
}
