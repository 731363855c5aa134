//! What the client has read ahead of a partition, beyond what it counts.
//!
//! The client bounds what it reads ahead by records and by bytes of *values* (librdkafka 2.12.1, `rko_len`). Of records
//! that are mostly key and headers it would read ahead 20,000, whatever their size. So it is watched: how many records
//! wait, by what those before them held besides their values. Where that is too much, the partition is paused, which
//! makes void what waits, and is read again from where it was once there is room.
//!
//! Must not know: the client.

/// Keys and headers that wait may be that many times what values may be: ordinary ones never pause anything.
const TIMES_VALUES: usize = 8;

#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct ReadAhead {
    /// Bytes of a record besides its value: at most, of late.
    others: usize,
    /// Whether the partition is paused for it.
    pub held: bool,
}

/// What is to be done about a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker::kafka) enum Adjustment {
    Keep,
    /// Pauses it, and throws away what was read ahead.
    Pause,
    /// Reads on from where it was.
    Resume,
}

impl ReadAhead {
    /// A record with that many bytes besides its value was handed over.
    pub fn saw(&mut self, others: usize) {
        self.others = others.max(self.others - self.others / 8);
    }

    /// `is_full`: whoever reads wants nothing now. `records`, `bytes`: the client's own bounds. `waiting`: how many
    /// wait.
    pub fn judge(&self, is_full: bool, records: usize, bytes: usize, waiting: impl FnOnce() -> usize) -> Adjustment {
        let bound = bytes.saturating_mul(TIMES_VALUES);
        let is_over = |waiting: usize| self.others.saturating_mul(waiting) > bound;
        match self.held {
            true if is_full => Adjustment::Keep,
            true => Adjustment::Resume,
            // The client is asked only where it could be over.
            false if is_over(records) && is_over(waiting()) => Adjustment::Pause,
            false => Adjustment::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_held_while_too_much_waits_and_released_once_there_is_room() {
        let judge =
            |others, held, is_full, waiting| ReadAhead { others, held }.judge(is_full, 20_000, 1_000_000, || waiting);
        assert_eq!(judge(1_000_000, false, false, 9), Adjustment::Pause);
        assert_eq!(judge(1_000_000, false, true, 9), Adjustment::Pause, "nobody reads it: so much the more");
        assert_eq!(judge(1_000_000, false, false, 8), Adjustment::Keep);
        assert_eq!(judge(400, false, false, 20_000), Adjustment::Keep, "ordinary headers");
        assert_eq!(judge(1_000_000, true, true, 0), Adjustment::Keep, "there is no room yet");
        assert_eq!(judge(1_000_000, true, false, 0), Adjustment::Resume);
    }

    #[test]
    fn one_large_record_is_forgotten_after_a_while() {
        let mut ahead = ReadAhead::default();
        ahead.saw(1_000_000);
        (0..100).for_each(|_| ahead.saw(100));
        assert_eq!(ahead.others, 100);
    }
}
