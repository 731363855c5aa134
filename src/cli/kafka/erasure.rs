//! After how long erased data is gone from disk at the latest: reckoned from the topics' settings, told by `check
//! --online`.
//!
//! A compacted log: only an append closes a segment that is old enough, and only closed segments are compacted. While a
//! member serves the partition something is appended every `topics.changelog_segment_age`. The first compaction after
//! an erasure takes the value, and lets the tombstone live for `delete.retention.ms`; the next one after that takes the
//! tombstone, whose key is the user's id. `docs/security.md` says the same in words.

use crate::broker::kafka::admin::TopicFacts;
use crate::config::Config;
use crate::domain::OutputTopic;
use crate::settings::Period;

/// What the broker needs besides: it looks for work every `log.cleaner.backoff.ms`, and deletes replaced files a minute
/// later.
const SLACK: &str = "and the minutes that the broker takes to do it";

pub(super) fn told(config: &Config, facts: &[TopicFacts]) -> Vec<String> {
    let of = |name: &str| facts.iter().find(|facts| facts.name == name);
    let topics = &config.topics;
    let touches = topics.changelog_segment_age;
    let (latest, each): (Vec<_>, Vec<_>) = OutputTopic::ALL.into_iter().partition(|output| output.is_compacted());
    let names = |outputs: Vec<OutputTopic>| outputs.into_iter().map(|output| &*topics.outputs[output]);
    let compacted = [&*topics.changelog].into_iter().chain(names(latest));
    let inputs = config.inputs.iter().map(|input| &*input.topic);
    let deleted = inputs.chain([&*topics.rekey]).chain(names(each));
    let compacted = compacted.map(|name| of_compacted(name, of(name), touches));
    compacted.chain(deleted.map(|name| of_deleted(name, of(name)))).collect()
}

fn millis(facts: Option<&TopicFacts>, property: &str) -> Option<u64> {
    facts?.config.get(property)?.parse().ok()
}

fn period(ms: u64) -> Period {
    Period::of_millis(ms)
}

/// A setting beyond it means never.
const NEVER_MS: u64 = i64::MAX as u64;

fn of_compacted(name: &str, facts: Option<&TopicFacts>, touches: Period) -> String {
    let of = |property| millis(facts, property);
    let (Some(segment), Some(lag), Some(tombstone)) =
        (of("segment.ms"), of("max.compaction.lag.ms"), of("delete.retention.ms"))
    else {
        return format!("erasure: {name} doesn't tell its settings: how long erased data stays there is not known");
    };
    if lag >= NEVER_MS {
        return format!(
            "erasure: {name} compacts when it likes (max.compaction.lag.ms is not set): how long erased data stays \
             there has no bound; `tideline topics --create` sets one"
        );
    }
    let (values, id) = after(segment, lag, tombstone, touches.millis().unsigned_abs());
    format!(
        "erasure: from {name} what a user did is gone {} after the erasure at the latest, the id {}, {SLACK}, while \
         its partitions are served",
        period(values),
        period(id),
    )
}

/// After how many milliseconds values are gone from a compacted log at the latest, and the keys of their tombstones.
fn after(segment: u64, lag: u64, tombstone: u64, touches: u64) -> (u64, u64) {
    // The tombstone's segment is closed by the first append after its time; then its age must be reached.
    let pass = lag.max(segment.saturating_add(touches));
    (pass, pass.saturating_mul(2).saturating_add(tombstone))
}

fn of_deleted(name: &str, facts: Option<&TopicFacts>) -> String {
    let keeps = facts.and_then(|facts| facts.config.get("retention.ms")).map(String::as_str);
    match (keeps, millis(facts, "retention.ms"), millis(facts, "segment.ms")) {
        (_, Some(retention), Some(segment)) => {
            let most = period(retention.saturating_add(segment));
            format!("erasure: {name} keeps what was written for up to {most} (retention.ms, and a segment's age)")
        }
        (Some("-1"), _, _) => format!("erasure: {name} keeps what was written for ever (retention.ms=-1)"),
        _ => format!("erasure: {name} doesn't tell its settings: how long it keeps what was written is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn values_go_with_the_first_compaction_and_ids_with_the_one_after_the_tombstones_time() {
        for (segment, lag, tombstone, touches, expected) in [
            (HOUR, 24 * HOUR, 24 * HOUR, HOUR, (24 * HOUR, 72 * HOUR)),
            (HOUR, 0, 24 * HOUR, HOUR, (2 * HOUR, 28 * HOUR)),
            (168 * HOUR, HOUR, HOUR, HOUR, (169 * HOUR, 339 * HOUR)),
        ] {
            assert_eq!(after(segment, lag, tombstone, touches), expected);
        }
    }

    #[test]
    fn every_topic_that_holds_a_users_data_is_told_of() {
        let facts = |name: &str, config: &[(&str, &str)]| TopicFacts {
            name: name.to_owned(),
            partitions: 1,
            replication: 1,
            config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let day = "86400000";
        let compacted = [("segment.ms", "3600000"), ("max.compaction.lag.ms", day), ("delete.retention.ms", day)];
        let told = told(
            &Config::default(),
            &[
                facts("tideline.changelog", &compacted),
                facts("user-profiles", &[("max.compaction.lag.ms", "9223372036854775807"), compacted[0], compacted[2]]),
                facts("app.events", &[("retention.ms", "604800000"), ("segment.ms", "604800000")]),
                facts("sms.events", &[("retention.ms", "-1"), ("segment.ms", "604800000")]),
            ],
        );
        assert_eq!(told.len(), 10, "{told:?}");
        for (line, part) in [
            (0, "gone 1d after the erasure at the latest, the id 3d"),
            (1, "has no bound"),
            (2, "up to 14d"),
            (3, "for ever"),
        ] {
            assert!(told[line].contains(part), "{part:?} is not in {}", told[line]);
        }
    }
}
