//! What the application's own topics are called, and how they are made.

use std::collections::BTreeMap;

use crate::domain::{OutputNames, Partitioner};
use crate::settings::{Faults, Period, Size, settings};

settings! {
    /// What the application's own topics are called, and how `tideline topics` makes them.
    #[derive(Eq)]
    pub struct TopicSettings {
        /// Partitions of every input, of `rekey` and of `changelog`: the parallelism that one can grow to. Can't be
        /// changed under a living changelog.
        pub partitions: i32 = 8,
        /// What the inputs' producers put users on partitions by, one for all inputs: `murmur2` (Java's default),
        /// `consistent` (CRC32, the default of librdkafka: confluent-kafka of Python, Go, .NET and Node, rdkafka of
        /// Rust) or `fnv1a` (sarama's default). Can't be changed under a living changelog.
        pub partitioner: Partitioner = Partitioner::default(),
        /// Copies of a topic that `tideline topics` creates; 0: as the broker has it.
        pub replication: u16 = 0,
        /// A key for each row of [`crate::domain::OutputTopic`].
        #[serde(flatten)]
        pub outputs: OutputNames = OutputNames::default(),
        /// Internal: records whose partition was not the user's.
        pub rekey: String = "tideline.rekey".to_owned(),
        /// Internal, compacted: what is remembered of users.
        pub changelog: String = "tideline.changelog".to_owned(),
        /// How long tier changes and dormancy risks are kept, where `tideline topics` creates the topic.
        pub output_retention: Period = Period::of_days(7),
        /// How long dead letters are kept, where `tideline topics` creates the topic; part of how long an erasure is
        /// remembered.
        pub dead_letter_retention: Period = Period::of_days(14),
        /// Segments of the changelog; small ones are compacted sooner, so a restore reads less.
        pub changelog_segment: Size = Size::of_mib(16),
        /// A segment of the changelog, or of `user-profiles`, is closed after that even if it isn't full: only closed
        /// ones are compacted. So often something is appended to each, since only that closes one.
        pub changelog_segment_age: Period = Period::of_secs(3_600),
        /// Records in a closed segment of theirs are compacted after that at the latest: how soon erased data is off
        /// the disk.
        pub changelog_compaction_lag: Period = Period::of_days(1),
        /// How long the tombstone of an erased user is kept after the first compaction that saw it.
        pub changelog_tombstone_retention: Period = Period::of_days(1),
        /// How long inputs and `rekey` are kept, where `tideline topics` creates the topic. Of `[[inputs]]`: the
        /// longest.
        #[serde(skip)]
        pub input_retention: Period = Period::of_days(7),
        /// Inputs that have fewer partitions than the application, by topic. Of `[[inputs]]`.
        #[serde(skip)]
        pub narrow_inputs: BTreeMap<String, i32> = BTreeMap::new(),
        /// The largest record of any topic. Of `[kafka]`.
        #[serde(skip)]
        pub max_message: Size = Size::of_mib(4),
    }
}

impl TopicSettings {
    /// Kafka's limit is far higher; a mistyped count isn't.
    const MAX_PARTITIONS: i32 = 10_000;

    /// The faults of these settings by themselves.
    pub fn check(&self, faults: &mut Faults) {
        faults.unless(
            (1..=Self::MAX_PARTITIONS).contains(&self.partitions),
            "partitions",
            format!("must be 1 to {}, not {}", Self::MAX_PARTITIONS, self.partitions),
        );
        for (key, period) in [
            ("output_retention", self.output_retention),
            ("dead_letter_retention", self.dead_letter_retention),
            ("changelog_segment_age", self.changelog_segment_age),
            ("changelog_compaction_lag", self.changelog_compaction_lag),
            ("changelog_tombstone_retention", self.changelog_tombstone_retention),
        ] {
            faults.unless_positive(key, period);
        }
        faults.unless(
            self.changelog_segment >= Size::of_mib(1) && self.changelog_segment <= Size::of_mib(2_000),
            "changelog_segment",
            format!("must be 1MiB to 2000MiB, not {}", self.changelog_segment),
        );
    }
}
