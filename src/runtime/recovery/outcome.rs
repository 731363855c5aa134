//! What became of a transaction: pure judgements over the metadata of committed offsets and partition records.
//!
//! Every transaction writes the partition record and the offsets of all inputs of a partition, and each carries the
//! same [`CommitMetadata`]: whose transaction it was, and its number. Offsets have gaps: nothing here counts on the
//! next offset being one more. Must not know: how they are read. May break it: judging while a producer of the id could
//! still commit.

use crate::broker::{CommitMetadata, Committed, Ending};
use crate::record::Offset;
use crate::state::PartitionRecord;

/// What became of a transaction in one partition, once no producer of its id is left that could change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What it staged may be installed.
    Committed,
    /// What it staged must be discarded; what is committed is as it was.
    NotCommitted,
    /// Somebody else has written: nothing in memory may be trusted.
    Unknown,
}

/// Settles a transaction that was `sent` by the metadata that the group's offsets of a partition now carry. `before` is
/// what they carried before it: none where nobody had ever committed.
pub fn verdict(sent: &CommitMetadata, before: Option<&CommitMetadata>, found: &[Committed]) -> Verdict {
    match sole_note(found) {
        Notes::Of(note) if note == sent => Verdict::Committed,
        Notes::Of(note) if Some(note) == before => Verdict::NotCommitted,
        Notes::Nobodys if before.is_none() => Verdict::NotCommitted,
        _ => Verdict::Unknown,
    }
}

/// Whether parked state is still current: the last transaction on the partition is the one that wrote it. `positions`:
/// by input, the next offset that it has committed.
pub fn is_current(written: Option<&CommitMetadata>, positions: &[Offset], found: &[Committed]) -> bool {
    match sole_note(found) {
        Notes::Nobodys => written.is_none(),
        Notes::Of(note) => {
            Some(note) == written && found.iter().all(|it| positions.get(it.input.index()) == Some(&it.offset))
        }
        Notes::Mixed => false,
    }
}

/// Decides whether a hanging transaction of `writer` was committed. Every transaction writes both the partition record
/// and the offsets. If the offsets' metadata names a later transaction than the last visible record, that transaction
/// committed its offsets, so commit the rest of it; otherwise abort it.
pub fn ending_of_hanging(record: Option<&PartitionRecord>, writer: &str, found: &[Committed]) -> Ending {
    let Notes::Of(last) = sole_note(found) else { return Ending::Abort };
    let is_recorded = record.is_some_and(|record| note_of(record) == *last);
    if !is_recorded && *last.transactional_id == *writer { Ending::Commit } else { Ending::Abort }
}

/// The transaction that wrote a record.
pub fn note_of(record: &PartitionRecord) -> CommitMetadata {
    CommitMetadata { transactional_id: record.transactional_id.as_str().into(), number: record.transaction_number }
}

pub(super) enum Notes<'a> {
    Nobodys,
    /// All offsets carry this one.
    Of(&'a CommitMetadata),
    Mixed,
}

/// Every transaction commits all inputs of a partition, so all of them carry the same note.
pub(super) fn sole_note(found: &[Committed]) -> Notes<'_> {
    let Some(first) = found.first() else { return Notes::Nobodys };
    match &first.note {
        Some(note) if found.iter().all(|committed| committed.note.as_ref() == Some(note)) => Notes::Of(note),
        _ => Notes::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Input;

    fn note(id: &str, number: u64) -> CommitMetadata {
        CommitMetadata { transactional_id: id.into(), number }
    }

    fn found(notes: &[Option<CommitMetadata>]) -> Vec<Committed> {
        let numbered = notes.iter().zip(0u8..);
        numbered.map(|(note, input)| Committed { input: Input(input), offset: 7, note: note.clone() }).collect()
    }

    fn record() -> PartitionRecord {
        PartitionRecord { transactional_id: "a".to_owned(), transaction_number: 8, ..PartitionRecord::default() }
    }

    #[test]
    fn an_outcome_is_settled_by_the_note_that_stands() {
        let (ours, older, other) = (note("a", 2), note("a", 1), note("b", 2));
        for (case, before, notes, expected) in [
            ("ours", Some(&older), vec![Some(ours.clone()), Some(ours.clone())], Verdict::Committed),
            ("as before", Some(&older), vec![Some(older.clone()), Some(older.clone())], Verdict::NotCommitted),
            ("nothing, as before", None, vec![], Verdict::NotCommitted),
            ("nothing, but there was something", Some(&older), vec![], Verdict::Unknown),
            ("another's", Some(&older), vec![Some(other.clone())], Verdict::Unknown),
            ("another's on a fresh partition", None, vec![Some(other)], Verdict::Unknown),
            ("not tideline's", Some(&older), vec![None], Verdict::Unknown),
            ("mixed", Some(&older), vec![Some(ours.clone()), Some(older.clone())], Verdict::Unknown),
            ("one is gone", Some(&older), vec![Some(ours.clone()), None], Verdict::Unknown),
        ] {
            assert_eq!(verdict(&ours, before, &found(&notes)), expected, "{case}");
        }
    }

    #[test]
    fn parked_state_is_current_only_if_it_was_written_last() {
        let (ours, other) = (note("a", 2), note("b", 9));
        for (case, written, positions, notes, expected) in [
            ("ours", Some(&ours), [7, 7], vec![Some(ours.clone()), Some(ours.clone())], true),
            ("never written", None, [0, 0], vec![], true),
            ("another wrote", Some(&ours), [7, 7], vec![Some(other.clone()), Some(other.clone())], false),
            ("another wrote first", None, [0, 0], vec![Some(other.clone()), Some(other)], false),
            ("offsets were reset", Some(&ours), [7, 8], vec![Some(ours.clone()), Some(ours.clone())], false),
            ("offsets are gone", Some(&ours), [7, 7], vec![], false),
        ] {
            assert_eq!(is_current(written, &positions, &found(&notes)), expected, "{case}");
        }
    }

    #[test]
    fn what_hangs_is_ended_as_the_offsets_say_that_it_was() {
        let (recorded, hanging, other) = (note("a", 8), note("a", 9), note("b", 3));
        for (case, record, notes, expected) in [
            ("it was committed", Some(record()), vec![Some(hanging.clone()), Some(hanging.clone())], Ending::Commit),
            ("it was not", Some(record()), vec![Some(recorded.clone()), Some(recorded)], Ending::Abort),
            ("the first of all was committed", None, vec![Some(hanging.clone())], Ending::Commit),
            ("the first of all was not", None, vec![], Ending::Abort),
            ("another's", Some(record()), vec![Some(other)], Ending::Abort),
            ("mixed", Some(record()), vec![Some(hanging), None], Ending::Abort),
        ] {
            assert_eq!(ending_of_hanging(record.as_ref(), "a", &found(&notes)), expected, "{case}");
        }
    }
}
