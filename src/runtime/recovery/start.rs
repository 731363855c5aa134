//! From where a partition starts: pure judgements over its record, the group's offsets and what the cluster says of its
//! topics.
//!
//! The partition record is the truth; whatever contradicts it is refused. Everything that decides whether a restored
//! partition may be trusted is here, as functions of values. Must not know: how they are read. May break it: values
//! that were read while somebody could still commit.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::broker::{CommitMetadata, Committed, LogRange, TopicDescription, Topics};
use crate::domain::{Input, Partitioner, Timestamp};
use crate::pipeline::Identities;
use crate::record::Offset;
use crate::rules::{Rules, Sections};
use crate::runtime::recovery::identity::{self, Sameness};
use crate::runtime::recovery::outcome::{Notes, note_of, sole_note};
use crate::runtime::recovery::refusal::Refusal;
use crate::state::{Dimension, InputPosition, PartitionRecord, Population};

/// Whether users are gone from a changelog that its record still counts: then it was cut, by retention or by hand.
pub fn cut(record: &PartitionRecord, found: &Population) -> Option<Refusal> {
    let (recorded, found) = (record.population.counted(Dimension::Stage), found.counted(Dimension::Stage));
    (found < recorded).then_some(Refusal::Cut { recorded, found })
}

/// Stream time that lies ahead of the clock was not moved there by events: they are dead then. It would make all later
/// ones too old.
pub fn not_ahead(
    record: Option<&PartitionRecord>,
    now: Timestamp,
    max_skew_ms: i64,
    clock_name: &'static str,
) -> Result<(), Refusal> {
    match record.and_then(|record| record.stream_time) {
        Some(stream_time) if stream_time.since(now) > max_skew_ms => {
            Err(Refusal::AheadOfClock { stream_time, now, clock_name })
        }
        _ => Ok(()),
    }
}

/// What a restored partition is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The configured topics.
    pub topics: &'a Topics,
    /// How keys are given to partitions.
    pub partitioner: Partitioner,
    /// The IANA name of the zone of days.
    pub zone: &'a str,
    /// Of the rules.
    pub generation: u32,
    /// Of the rules, comparable only within one scheme.
    pub digest: &'a str,
    /// By section, made as the digest is.
    pub sections: &'a Sections,
    /// How the digest is made.
    pub digest_scheme: u32,
}

/// Where a partition starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// As written, with its inputs in the order of the configuration; none where the partition has no history.
    pub record: Option<PartitionRecord>,
    /// By input. None: the input was never read, it starts at its earliest.
    pub positions: Vec<Option<Offset>>,
    /// Who wrote the partition last.
    pub written: Option<CommitMetadata>,
    /// The transaction that the group's offsets come from, where they lag the record.
    pub overtaken: Option<CommitMetadata>,
    /// Whether the group has none where the record has one, though the topic is the same: they have expired.
    pub has_expired: bool,
    /// The topics that it was made from, with what the cluster says of them now.
    pub identities: Identities,
}

/// What the cluster says now.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// By input, `rekey` last, then the changelog.
    pub topics: &'a [TopicDescription],
    /// By input.
    pub bounds: &'a [LogRange],
}

/// Judges what a changelog and the group's offsets say of a partition, and what the cluster says of its topics. The
/// record is the truth; whatever contradicts it is refused.
pub fn judge(
    record: Option<PartitionRecord>,
    users: usize,
    found: &[Committed],
    now: Now<'_>,
    expected: Expected<'_>,
) -> Result<Start, Refusal> {
    identity::unfit(now.topics).map_or(Ok(()), Err)?;
    let Some(record) = record else {
        return match (users, found) {
            (0, []) => {
                let positions = vec![None; expected.topics.inputs.len()];
                let identities = Identities::default().updated(now.topics);
                Ok(Start { record: None, positions, written: None, overtaken: None, has_expired: false, identities })
            }
            (0, _) => Err(Refusal::OffsetsWithoutRecord),
            _ => Err(Refusal::StateWithoutRecord { users }),
        };
    };
    unchanged("zone", &record.zone, &expected.zone)?;
    unchanged("a horizon in days of", &record.horizon_days, &Rules::HORIZON_DAYS)?;
    unchanged("a partition count of", &record.partitions, &expected.topics.partitions)?;
    unchanged("topics.partitioner", &record.partitioner, &expected.partitioner)?;
    same_rules(&record, expected)?;
    let record = PartitionRecord { inputs: in_order(&record.inputs, expected.topics)?, ..record };
    let positions: Vec<_> =
        record.inputs.iter().map(|input| (input.next_offset >= 0).then_some(input.next_offset)).collect();
    let known = Identities::of(&record);
    identity::recreated(&known, now.topics, &positions, now.bounds).map_or(Ok(()), Err)?;
    identity::out_of_bounds(&positions, now.bounds, expected.topics).map_or(Ok(()), Err)?;
    let written = Some(note_of(&record));
    let overtaken = overtaken(found, written.as_ref(), &positions).cloned();
    let mut has_expired = false;
    if overtaken.is_none() {
        let is_same = |input| known.sameness(input, now.topics) == Sameness::Same;
        has_expired = agree(&positions, found, expected.topics, is_same)?;
    }
    let identities = known.updated(now.topics);
    Ok(Start { record: Some(record), positions, written, overtaken, has_expired, identities })
}

/// The older transaction that the group's offsets come from, when the record's own offsets were pending and had to be
/// aborted. The record is the truth. Whoever else moves offsets leaves no such metadata.
fn overtaken<'a>(
    found: &'a [Committed],
    written: Option<&CommitMetadata>,
    positions: &[Option<Offset>],
) -> Option<&'a CommitMetadata> {
    let is_behind =
        |it: &Committed| positions.get(it.input.index()).is_some_and(|&recorded| Some(it.offset) <= recorded);
    match sole_note(found) {
        Notes::Of(note) if Some(note) != written && found.iter().all(is_behind) => Some(note),
        _ => None,
    }
}

/// Every transaction commits a partition's record and the offsets of all its inputs together, and both are read when
/// nobody can write any more. So they are equal, or somebody has changed the one without the other. Says whether any
/// has expired: it is gone, though its topic is the same. (Kafka drops the offsets of a topic that is deleted.)
fn agree(
    positions: &[Option<Offset>],
    found: &[Committed],
    topics: &Topics,
    is_same: impl Fn(Input) -> bool,
) -> Result<bool, Refusal> {
    let mut has_expired = false;
    for (input, &recorded) in (0u8..).map(Input).zip(positions) {
        let topic = topics.input(input).clone();
        match (recorded, found.iter().find(|committed| committed.input == input)) {
            // An input that was never read: it has no offset, or one that skips nothing.
            (None, None) => {}
            (None, Some(&Committed { offset: committed, .. })) if committed > 0 => {
                return Err(Refusal::OffsetsAhead { topic, committed, recorded: 0 });
            }
            (None, Some(_)) => {}
            (Some(_), None) if is_same(input) => has_expired = true,
            (Some(recorded), None) => return Err(Refusal::OffsetsGone { topic, recorded }),
            (Some(recorded), Some(&Committed { offset: committed, .. })) => match committed.cmp(&recorded) {
                Ordering::Less => return Err(Refusal::OffsetsBehind { topic, committed, recorded }),
                Ordering::Greater => return Err(Refusal::OffsetsAhead { topic, committed, recorded }),
                Ordering::Equal => {}
            },
        }
    }
    Ok(has_expired)
}

fn unchanged<A: PartialEq<B> + ToString, B: ToString>(
    what: &'static str,
    recorded: &A,
    configured: &B,
) -> Result<(), Refusal> {
    if recorded == configured {
        return Ok(());
    }
    Err(Refusal::Changed { what, recorded: recorded.to_string(), configured: configured.to_string() })
}

fn same_rules(record: &PartitionRecord, expected: Expected<'_>) -> Result<(), Refusal> {
    let (recorded, configured) = (record.rules_generation, expected.generation);
    if recorded > configured {
        return Err(Refusal::RulesBehind { recorded, configured });
    }
    // Of another scheme's digest nothing can be said: it is for whoever changes rules to raise the generation.
    let is_comparable = record.digest_scheme == expected.digest_scheme;
    if recorded != configured || !is_comparable {
        return Ok(());
    }
    // Those of which the record says another digest; one that it doesn't name is not compared.
    let of = |name: &str| record.rules_sections.iter().find(|section| section.name == name);
    let differs = |(name, digest): &(&str, &str)| of(name).is_some_and(|recorded| recorded.digest != *digest);
    let sections: Vec<_> = expected.sections.iter().filter(differs).map(|(name, _)| name).collect();
    if record.rules_digest != expected.digest || !sections.is_empty() {
        let (recorded, configured) = (record.rules_digest.clone(), expected.digest.to_owned());
        return Err(Refusal::OtherRules { generation: expected.generation, recorded, configured, sections });
    }
    Ok(())
}

/// The positions of a record in the order of the configured inputs; a new input has none (a negative offset).
pub(in crate::runtime) fn in_order(recorded: &[InputPosition], topics: &Topics) -> Result<Vec<InputPosition>, Refusal> {
    let mut by_topic: BTreeMap<&str, &InputPosition> =
        recorded.iter().map(|input| (input.topic.as_str(), input)).collect();
    let ordered = topics.inputs.iter().map(|topic| {
        by_topic.remove(&**topic).cloned().unwrap_or_else(|| InputPosition {
            topic: topic.as_ref().to_owned(),
            next_offset: -1,
            ..InputPosition::default()
        })
    });
    let ordered = ordered.collect();
    match by_topic.pop_first() {
        Some((gone, _)) => Err(Refusal::InputGone(gone.to_owned())),
        None => Ok(ordered),
    }
}

/// The positions of a start, with the earliest where an input was never read.
pub fn positions(start: &Start, bounds: &[LogRange]) -> Vec<Offset> {
    let positions = start.positions.iter().enumerate();
    positions.map(|(at, position)| position.unwrap_or_else(|| bounds.get(at).map_or(0, |it| it.earliest))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::domain::TopicId;
    use crate::state::SectionDigest;

    fn note(id: &str, number: u64) -> CommitMetadata {
        CommitMetadata { transactional_id: id.into(), number }
    }

    fn found(notes: &[Option<CommitMetadata>]) -> Vec<Committed> {
        let numbered = notes.iter().zip(0u8..);
        numbered.map(|(note, input)| Committed { input: Input(input), offset: 7, note: note.clone() }).collect()
    }

    fn topics() -> Topics {
        Topics::of(&["app", "sms", "rekey"], 4)
    }

    static SECTIONS: LazyLock<Sections> = LazyLock::new(|| Sections::of(&Rules::default()));

    fn expected(topics: &Topics) -> Expected<'_> {
        let partitioner = Partitioner::Murmur2;
        Expected { topics, partitioner, zone: "UTC", generation: 3, digest: "d", sections: &SECTIONS, digest_scheme: 2 }
    }

    fn record() -> PartitionRecord {
        let input = |topic: &str, next_offset| InputPosition {
            topic: topic.to_owned(),
            next_offset,
            ..InputPosition::default()
        };
        let section = |(name, digest): (&str, &str)| SectionDigest { name: name.to_owned(), digest: digest.to_owned() };
        PartitionRecord {
            inputs: vec![input("sms", 5), input("app", 9), input("rekey", 0)],
            zone: "UTC".to_owned(),
            horizon_days: Rules::HORIZON_DAYS,
            partitions: 4,
            rules_generation: 3,
            rules_digest: "d".to_owned(),
            digest_scheme: 2,
            rules_sections: SECTIONS.iter().map(section).collect(),
            transactional_id: "a".to_owned(),
            transaction_number: 8,
            ..PartitionRecord::default()
        }
    }

    /// Topics whose ids are their places, and what they hold.
    fn cluster() -> (Vec<TopicDescription>, Vec<LogRange>) {
        let topics = topics();
        let all = topics.inputs.iter().chain([&topics.changelog]).zip(1u8..);
        let described = all.map(|(topic, at)| TopicDescription {
            topic: topic.clone(),
            id: TopicId::new(&[at; 16]),
            partitions: 4,
            configured: 4,
        });
        (described.collect(), vec![LogRange { earliest: 0, end: 100 }; topics.inputs.len()])
    }

    /// As a partition with that record is judged, when the group has these offsets, by input.
    fn judged(change: impl FnOnce(&mut PartitionRecord), offsets: &[Option<Offset>]) -> Result<Start, Refusal> {
        let mut record = record();
        change(&mut record);
        let of_input = |(&offset, input)| Some(Committed { input: Input(input), offset: offset?, note: None });
        let found: Vec<_> = offsets.iter().zip(0u8..).filter_map(of_input).collect();
        let topics = topics();
        let (described, bounds) = cluster();
        let now = Now { topics: &described, bounds: &bounds };
        judge(Some(record), 1, &found, now, expected(&topics))
    }

    fn from(earliest: [Offset; 3]) -> [LogRange; 3] {
        earliest.map(|earliest| LogRange { earliest, end: 100 })
    }

    const AS_RECORDED: [Option<Offset>; 3] = [Some(9), Some(5), Some(0)];

    #[test]
    fn a_partition_starts_from_its_record_whatever_order_its_inputs_have_now() {
        let start = judged(|_| {}, &AS_RECORDED).unwrap();
        assert_eq!(start.positions, AS_RECORDED);
        assert_eq!(start.written, Some(note("a", 8)));
        assert_eq!(positions(&start, &from([9, 0, 0])), [9, 5, 0]);
        // An input that is new has no offset yet; who wants to read it from its start may have said so.
        for offset_of_the_new in [None, Some(0)] {
            let start = judged(|record| drop(record.inputs.remove(0)), &[Some(9), offset_of_the_new, Some(0)]).unwrap();
            assert_eq!(start.positions, [Some(9), None, Some(0)]);
            assert_eq!(positions(&start, &from([1, 2, 0])), [9, 2, 0]);
        }
        let older_rules = judged(|record| record.rules_generation = 2, &AS_RECORDED);
        assert!(older_rules.is_ok(), "the engine re-evaluates");
    }

    #[test]
    fn a_digest_of_another_scheme_is_not_compared_but_the_generation_is() {
        let earlier = |generation| {
            move |record: &mut PartitionRecord| {
                (record.rules_digest, record.digest_scheme) = ("print".to_owned(), 0);
                record.rules_generation = generation;
            }
        };
        assert!(judged(earlier(3), &AS_RECORDED).is_ok());
        assert!(judged(earlier(2), &AS_RECORDED).is_ok());
        let refusal = judged(earlier(4), &AS_RECORDED).unwrap_err();
        assert_eq!(refusal, Refusal::RulesBehind { recorded: 4, configured: 3 });
    }

    #[test]
    fn a_record_that_is_newer_than_the_groups_offsets_is_the_truth_if_they_are_ours() {
        let judged = |note: Option<CommitMetadata>, offsets: [Offset; 3]| {
            let topics = topics();
            let of_input = |(&offset, input)| Committed { input: Input(input), offset, note: note.clone() };
            let found: Vec<_> = offsets.iter().zip(0u8..).map(of_input).collect();
            let (described, bounds) = cluster();
            judge(Some(record()), 1, &found, Now { topics: &described, bounds: &bounds }, expected(&topics))
                .map(|start| (start.positions, start.overtaken))
        };
        let earlier = Some(note("b", 3));
        assert_eq!(judged(earlier.clone(), [8, 5, 0]), Ok((AS_RECORDED.to_vec(), earlier.clone())));
        assert_eq!(judged(Some(note("a", 8)), [9, 5, 0]), Ok((AS_RECORDED.to_vec(), None)));
        for (case, note, offsets) in [
            ("moved back by somebody else", None, [8, 5, 0]),
            ("of the record's own transaction", Some(note("a", 8)), [8, 5, 0]),
            ("ahead", earlier, [8, 6, 0]),
        ] {
            assert!(judged(note, offsets).is_err(), "{case}");
        }
    }

    /// As the record is judged where the second input has these bounds and id.
    fn judged_where(bounds: LogRange, id: u8, recorded: Option<u8>, offset: Option<Offset>) -> Result<Start, Refusal> {
        let (mut described, mut all) = cluster();
        described[1].id = TopicId::new(&[id; 16]);
        all[1] = bounds;
        let mut record = record();
        // `sms` comes first there.
        record.inputs[0].topic_id = recorded.and_then(|byte| TopicId::new(&[byte; 16]));
        let found = [(Input(0), Some(9)), (Input(1), offset), (Input(2), Some(0))];
        let found =
            found.into_iter().filter_map(|(input, offset)| Some(Committed { input, offset: offset?, note: None }));
        let topics = topics();
        let expected = expected(&topics);
        judge(Some(record), 1, &found.collect::<Vec<_>>(), Now { topics: &described, bounds: &all }, expected)
    }

    const HELD: LogRange = LogRange { earliest: 0, end: 100 };

    #[test]
    fn what_was_never_read_is_not_passed_over() {
        let refusal = judged_where(LogRange { earliest: 6, end: 9 }, 2, Some(2), Some(5)).unwrap_err();
        assert_eq!(refusal, Refusal::InputTruncated { topic: "sms".into(), recorded: 5, earliest: 6, end: 9 });
        assert!(refusal.to_string().contains("sms begins at offset 6, behind 5"), "{refusal}");
    }

    #[test]
    fn a_position_beyond_the_end_is_refused() {
        let refusal = judged_where(LogRange { earliest: 0, end: 3 }, 2, Some(2), Some(5)).unwrap_err();
        assert!(refusal.to_string().contains("sms ends at offset 3, before 5"), "{refusal}");
        assert!(judged_where(LogRange { earliest: 0, end: 5 }, 2, Some(2), Some(5)).is_ok());
    }

    #[test]
    fn a_topic_that_was_made_anew_is_refused_wherever_it_ends_and_whatever_the_group_says() {
        for end in [3, 5, 100] {
            for offset in [Some(5), None] {
                let refusal = judged_where(LogRange { earliest: 0, end }, 7, Some(2), offset).unwrap_err();
                assert!(refusal.to_string().contains("sms was deleted and made anew"), "{end}: {refusal}");
                assert!(!refusal.to_string().contains("assignor"), "{refusal}");
            }
        }
    }

    #[test]
    fn an_offset_that_is_gone_has_expired_where_the_topic_is_the_same() {
        let start = judged_where(HELD, 2, Some(2), None).unwrap();
        assert!(start.has_expired);
        assert_eq!(start.positions, AS_RECORDED);
        let refusal = judged_where(HELD, 2, None, None).unwrap_err();
        assert_eq!(refusal, Refusal::OffsetsGone { topic: "sms".into(), recorded: 5 });
    }

    #[test]
    fn a_record_without_ids_takes_over_those_of_now() {
        let start = judged_where(HELD, 2, None, Some(5)).unwrap();
        assert_eq!(start.identities.inputs[1].id, TopicId::new(&[2; 16]));
        assert_eq!(start.identities.changelog, TopicId::new(&[4; 16]));
    }

    #[test]
    fn a_changelog_with_fewer_users_than_its_record_counts_was_cut() {
        let of = |users| {
            let mut population = Population::default();
            population.set(Dimension::Stage, vec![users, 1, 0, 0]);
            population
        };
        let record = PartitionRecord { population: of(4), ..record() };
        assert_eq!(cut(&record, &of(4)), None);
        let refusal = cut(&record, &of(3)).unwrap();
        assert!(refusal.to_string().contains("4 users where its record counts 5"), "{refusal}");
    }

    #[test]
    fn what_contradicts_the_record_is_refused() {
        type Change = fn(&mut PartitionRecord);
        let same: Change = |_| {};
        let cases: [(Change, [Option<Offset>; 3], &str); 18] = [
            (|record| record.zone = "Asia/Shanghai".to_owned(), AS_RECORDED, "zone"),
            (|record| record.horizon_days = 90, AS_RECORDED, "horizon"),
            (|record| record.partitions = 8, AS_RECORDED, "partition count"),
            (
                |record| record.partitioner = Partitioner::Consistent,
                AS_RECORDED,
                "topics.partitioner consistent, now it is murmur2",
            ),
            (|record| record.rules_generation = 4, AS_RECORDED, "rules of generation 4"),
            (|record| record.rules_digest = "e".to_owned(), AS_RECORDED, "written with e"),
            (|record| record.rules_digest = "e".to_owned(), AS_RECORDED, "raise rules.generation"),
            (|record| record.rules_digest = "e".to_owned(), AS_RECORDED, "under one generation; raise"),
            (|record| record.rules_sections[1].digest = "e".to_owned(), AS_RECORDED, "generation, in silence; raise"),
            (|record| record.rules_sections[4].digest = "e".to_owned(), AS_RECORDED, "generation, in profile; raise"),
            (|record| record.inputs[0].topic = "fax".to_owned(), AS_RECORDED, "\"fax\""),
            (same, [Some(9), Some(6), Some(0)], "offset of sms is 6, ahead of the partition record's 5"),
            (same, [Some(9), Some(5), Some(1)], "offset of rekey is 1, ahead of the partition record's 0"),
            (|record| drop(record.inputs.remove(0)), [Some(9), Some(1), Some(0)], "offset of sms is 1, ahead"),
            (same, [Some(8), Some(5), Some(0)], "offset of app is 8, behind the partition record's 9"),
            (same, [Some(0), Some(0), Some(0)], "offset of app is 0, behind the partition record's 9"),
            (same, [None, None, None], "at offset 9 of app, where the group has none"),
            (same, [Some(9), Some(5), None], "at offset 0 of rekey, where the group has none"),
        ];
        for (change, offsets, named) in cases {
            let refusal = judged(change, &offsets).unwrap_err();
            assert!(refusal.to_string().contains(named), "{named:?} is not in {refusal}");
        }
    }

    #[test]
    fn without_a_record_only_an_untouched_partition_starts() {
        let topics = topics();
        let expected = expected(&topics);
        let (described, bounds) = cluster();
        let now = Now { topics: &described, bounds: &bounds };
        let start = judge(None, 0, &[], now, expected).unwrap();
        assert_eq!((start.record.clone(), start.written.clone()), (None, None));
        assert_eq!(positions(&start, &from([0, 4, 0])), [0, 4, 0]);
        for (users, offsets) in [(1, &[][..]), (0, &[Some(note("a", 1))]), (1, &[None])] {
            let refusal = judge(None, users, &found(offsets), now, expected).unwrap_err();
            assert!(refusal.to_string().contains("tideline reset"), "{refusal}");
        }
    }
}
