//! Stream time of one partition: S, W, and the feeds whose silence holds W.

use crate::domain::{Input, Timestamp};
use crate::engine::EngineSettings;
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

    /// Moves S to at least `to`, and W after it. `from` is the input whose event it was; none when time alone moves S.
    pub fn advance(&mut self, to: Timestamp, from: Option<Input>, settings: &EngineSettings) {
        // Not past what an event can have, or the partition record couldn't be read back.
        let to = to.min(Timestamp::MAX);
        let stream_time = self.stream_time.map_or(to, |s| s.max(to));
        self.stream_time = Some(stream_time);
        let first = *self.first.get_or_insert(stream_time);
        if let Some(newest) = from.and_then(|input| self.newest.get_mut(input.index())) {
            *newest = (*newest).max(Some(to));
        }
        for ((silent, newest), silent_after) in self.silent.iter_mut().zip(&self.newest).zip(&settings.silent_after_ms)
        {
            let behind = stream_time.since(newest.unwrap_or(first));
            match silent_after {
                Some(silent_after) if behind > *silent_after => *silent = true,
                Some(_) if behind > settings.lateness.millis() => {}
                // Back, or no longer asked to speak: the configuration may have changed since it fell silent.
                _ => *silent = false,
            }
        }
        let watermark = stream_time.minus_millis(settings.lateness.millis());
        let is_held = self.silent.contains(&true) && !(settings.ignore_silent && from.is_none());
        self.watermark = match self.watermark {
            Some(held) if is_held => Some(held),
            Some(before) => Some(before.max(watermark)),
            None => Some(watermark),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::HOUR_MS;
    use crate::settings::Period;
    use crate::state::InputPosition;

    const SPEAKER: Input = Input(0);
    const SILENT: Input = Input(1);

    fn settings(silent_after_ms: Option<i64>) -> EngineSettings {
        let lateness = Period::of_secs(3_600);
        EngineSettings { lateness, silent_after_ms: vec![None, silent_after_ms], ..EngineSettings::default() }
    }

    const fn hours(hours: i64) -> Timestamp {
        Timestamp::of_millis(hours * HOUR_MS)
    }

    /// The clock as a restart would find it.
    fn restored(clock: &StreamClock) -> StreamClock {
        let position = |topic: &str| InputPosition { topic: topic.to_owned(), ..InputPosition::default() };
        let mut record =
            PartitionRecord { inputs: vec![position("speaker"), position("silent")], ..PartitionRecord::default() };
        clock.fill_record(&mut record);
        StreamClock::restore(&record, 2)
    }

    #[test]
    fn a_feed_that_never_spoke_is_silent_from_the_first_event_on() {
        let settings = settings(Some(6 * HOUR_MS));
        let mut clock = StreamClock::new(2);
        for (at, watermark) in [(100, 99), (106, 105), (107, 105), (120, 105)] {
            clock.advance(hours(at), Some(SPEAKER), &settings);
            assert_eq!(clock.watermark, Some(hours(watermark)), "at {at}");
            clock = restored(&clock);
        }
        assert_eq!(clock.silent(), [false, true]);
    }

    #[test]
    fn a_feed_is_back_only_within_the_lateness() {
        let settings = settings(Some(6 * HOUR_MS));
        let mut clock = StreamClock::new(2);
        clock.advance(hours(100), Some(SILENT), &settings);
        clock.advance(hours(110), Some(SPEAKER), &settings);
        for (at, watermark) in [(105, 99), (108, 99), (109, 109)] {
            clock.advance(hours(at), Some(SILENT), &settings);
            assert_eq!(clock.watermark, Some(hours(watermark)), "back at {at}");
        }
    }

    #[test]
    fn a_last_move_passes_over_a_silent_feed_only_where_it_is_told_to() {
        for (ignore_silent, watermark) in [(false, 99), (true, 199)] {
            let settings = EngineSettings { ignore_silent, ..settings(Some(6 * HOUR_MS)) };
            let mut clock = StreamClock::new(2);
            clock.advance(hours(100), Some(SPEAKER), &settings);
            clock.advance(hours(110), Some(SPEAKER), &settings);
            assert_eq!(clock.watermark, Some(hours(99)), "an event never does");
            clock.advance(hours(200), None, &settings);
            assert_eq!(clock.watermark, Some(hours(watermark)));
        }
    }

    #[test]
    fn a_clock_that_was_sent_to_the_end_of_time_reads_back() {
        let mut clock = StreamClock::new(2);
        clock.advance(Timestamp::MAX.plus_millis(HOUR_MS), None, &settings(None));
        let mut record = PartitionRecord::default();
        clock.fill_record(&mut record);
        assert_eq!(PartitionRecord::decode(&record.encode()).ok(), Some(record));
    }

    #[test]
    fn a_feed_that_is_no_longer_asked_to_speak_holds_nothing() {
        let mut clock = StreamClock::new(2);
        clock.advance(hours(100), Some(SPEAKER), &settings(Some(6 * HOUR_MS)));
        clock.advance(hours(110), Some(SPEAKER), &settings(Some(6 * HOUR_MS)));
        assert_eq!(clock.watermark, Some(hours(99)));
        let mut clock = restored(&clock);
        clock.advance(hours(111), Some(SPEAKER), &settings(None));
        assert_eq!(clock.watermark, Some(hours(110)));
        assert_eq!(clock.silent(), [false, false]);
    }
}
