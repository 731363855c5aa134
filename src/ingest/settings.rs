//! The inputs, and what of them may be used.

use std::sync::Arc;

use super::InputSpec;
use super::shape::Format;
use crate::domain::{Origin, Source, Timestamp};
use crate::settings::{Faults, Period, Size, rfc3339, settings};

settings! {
    /// What of a record may be used.
    #[derive(Copy, Eq)]
    pub struct IngestSettings {
        /// An event further ahead of the clock is dead (`future_time`) and doesn't move stream time.
        pub max_skew: Period = Period::of_secs(300),
        /// An event whose own time is before this RFC 3339 time is dead (`bad_value`): its time is in seconds, more
        /// likely than not.
        #[serde(with = "rfc3339")]
        pub earliest: Timestamp = Timestamp::of_millis(631_152_000_000),
        /// A larger record of an input is dead (`too_large`): key, names and values of headers, and value together. Its
        /// name was `max_value`, which is still read.
        pub max_record: Size = Size::of_mib(1),
    }
}

settings! {
    /// A topic of events, one a source; their order breaks ties between events of one instant.
    #[derive(Eq)]
    pub struct InputSettings {
        /// The topic's name.
        pub topic: String,
        /// Whose events these are: `app`, `sms`, `branch` or `merchant`. Decides which types it may send.
        pub source: Source,
        /// The origin of an event that names none: `own`, `telecom` or `partner`.
        #[serde(default)]
        pub origin: Origin,
        /// The shape of a record whose headers don't tell: `json`, `cloudevents`, `protobuf` or `confluent-protobuf`.
        #[serde(default = "InputSettings::format")]
        pub format: Format,
        /// `false`: the record's key isn't the user's, all of the topic goes through `rekey`.
        #[serde(default = "InputSettings::keyed")]
        pub keyed: bool,
        /// How many partitions the topic has, where they are fewer than `topics.partitions`; only with `keyed = false`,
        /// whose records find their partition by way of `rekey`. Absent: as many.
        pub partitions: Option<i32> => "4",
        /// The feed counts as silent once stream time runs ahead of its newest event by more than that: nothing follows
        /// from absence until it is back. Absent: never.
        pub silent_after: Option<Period> => "\"1d\"",
        /// How long the topic keeps records. An erasure is remembered for the longest of all inputs and, after it, that
        /// of the dead letters.
        #[serde(default = "InputSettings::retention")]
        pub retention: Period,
    }
}

impl IngestSettings {
    /// The faults of these settings by themselves.
    pub fn check(&self, faults: &mut Faults) {
        let nothing = Size::default();
        faults.unless(self.max_record > nothing, "max_record", "must be more than 0B: every event would be too large");
    }
}

impl InputSettings {
    /// The default input of a source: `app.events` and so on.
    pub fn of(source: Source) -> Self {
        Self {
            topic: format!("{}.events", source.as_str()),
            source,
            origin: Origin::default(),
            format: Self::format(),
            keyed: Self::keyed(),
            partitions: None,
            silent_after: None,
            retention: Self::retention(),
        }
    }

    const fn format() -> Format {
        Format::Json
    }

    const fn keyed() -> bool {
        true
    }

    const fn retention() -> Period {
        Period::of_days(7)
    }

    /// The faults of an input by itself.
    pub fn check(&self, faults: &mut Faults) {
        faults.unless_positive("retention", self.retention);
    }
}

impl InputSpec {
    /// How the records of an input are read.
    pub fn of(input: &InputSettings, settings: &IngestSettings) -> Self {
        Self {
            topic: input.topic.as_str().into(),
            source: Some(input.source),
            origin: input.origin,
            format: input.format,
            keyed: input.keyed,
            max_record: settings.max_record.bytes(),
            earliest: settings.earliest,
        }
    }

    /// How those of `rekey` are read: whose they are their headers tell.
    pub fn rekey(topic: impl Into<Arc<str>>, settings: &IngestSettings) -> Self {
        Self {
            topic: topic.into(),
            source: None,
            origin: Origin::default(),
            format: Format::Json,
            keyed: true,
            max_record: settings.max_record.bytes(),
            earliest: settings.earliest,
        }
    }
}
