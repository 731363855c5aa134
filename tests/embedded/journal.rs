//! The journal: what was committed is there again; a torn tail is cut; a flipped byte is refused.

use std::fs;
use std::path::Path;

use tideline::broker::Isolation;
use tideline::broker::memory::{Dropped, Fault, JournalError, Memory, MemorySettings};
use tideline::broker::{Broker, Producer, Source, Transaction};
use tideline::record::{Message, Offset, Outgoing, text_header};

use testkit::memory::{P0, commit_of, committed_offset, committed_values, member, record, topics};

fn open(directory: &Path) -> Result<Memory, JournalError> {
    Memory::open(topics(1, 1), MemorySettings::default(), directory)
}

/// What a restart must bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    input: Vec<String>,
    changelog: Vec<String>,
    offset: Option<Offset>,
    watermarks: [Offset; 2],
}

fn contents(memory: &Memory) -> Contents {
    Contents {
        input: committed_values(memory, "input-0"),
        changelog: committed_values(memory, "changelog"),
        offset: committed_offset(memory),
        watermarks: ["input-0", "changelog"].map(|topic| memory.high_watermark(topic, P0).expect("offset")),
    }
}

/// Does five things that are journalled; after each, the size of the journal and what a restart must bring back.
fn history(directory: &Path) -> Vec<(u64, Contents)> {
    let memory = open(directory).expect("open");
    let size = || fs::metadata(directory.join("journal")).expect("journal").len();
    let mut steps = vec![(size(), contents(&memory))];
    let headers = vec![text_header("content-type", "application/json")];
    memory.produce(Outgoing { headers, timestamp: Some(7), ..record("input-0", "user", "plain") }).expect("produce");
    steps.push((size(), contents(&memory)));

    let mut producer = memory.producer("lane").expect("producer");
    for (number, is_kept) in [(1, true), (2, false), (3, true)] {
        let source = member(&memory);
        let mut transaction = producer.begin().expect("begin");
        record("changelog", "a", &format!("a{number}")).lend(|it| transaction.send(it)).expect("send");
        record("changelog", "b", &format!("b{number}")).lend(|it| transaction.send(it)).expect("send");
        let generation = source.generation().expect("generation");
        transaction.send_offsets(&[commit_of(number, number as u64)], &generation).expect("send_offsets");
        if is_kept {
            transaction.commit().expect("commit");
        } else {
            transaction.abort().expect("abort");
        }
        steps.push((size(), contents(&memory)));
    }
    let mut transaction = producer.begin().expect("begin");
    record("changelog", "a", "open when the process ended").lend(|it| transaction.send(it)).expect("send");
    memory.inject(Fault::LeftOpen);
    drop(transaction);
    steps
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    let before = history(directory.path()).pop().expect("steps").1;
    assert_eq!(before.changelog, ["a1", "b1", "a3", "b3"]);
    let memory = open(directory.path()).expect("open");
    // The open transaction left nothing, not even burned offsets that anyone has seen.
    assert_eq!(contents(&memory), before);
    let plain = memory.read("input-0", P0, 0, Isolation::ReadCommitted, 1).expect("read").remove(0);
    assert_eq!(plain.timestamp(), Some(7));
    assert_eq!(plain.header("content-type"), Some(b"application/json".as_slice()));
    let note = memory.committed(P0).expect("committed").remove(0).note.expect("a note");
    assert_eq!((&*note.transactional_id, note.number), ("lane", 3));
}

#[test]
fn wherever_the_tail_is_torn_the_whole_frames_before_it_stand() {
    let directory = tempfile::tempdir().expect("directory");
    let steps = history(directory.path());
    let whole = fs::read(directory.path().join("journal")).expect("journal");
    for cut in 0..=whole.len() {
        let torn = tempfile::tempdir().expect("directory");
        fs::write(torn.path().join("journal"), &whole[..cut]).expect("write");
        let memory = open(torn.path()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let expected = steps.iter().rfind(|(size, _)| *size <= cut as u64).unwrap_or(&steps[0]);
        // An abort that was torn off takes its burned offsets along: nobody but it has seen them.
        assert_eq!(contents(&memory), expected.1, "cut at {cut}");

        memory.produce(record("input-0", "user", "after")).expect("the journal goes on");
        let then = contents(&memory);
        drop(memory);
        assert_eq!(contents(&open(torn.path()).expect("open again")), then, "cut at {cut}");
    }
}

#[test]
fn no_flipped_byte_goes_unnoticed() {
    let directory = tempfile::tempdir().expect("directory");
    history(directory.path());
    let path = directory.path().join("journal");
    let whole = fs::read(&path).expect("journal");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).expect("write");
        match open(directory.path()) {
            Err(JournalError::Damaged { .. }) => {}
            Err(JournalError::Foreign { .. }) if at < 8 => {}
            other => panic!("byte {at} of {} was flipped: {other:?}", whole.len()),
        }
        assert_eq!(fs::read(&path).expect("journal"), flipped, "a damaged journal is left as it is");
    }
}

#[test]
fn a_journal_is_begun_anew_when_most_of_it_is_stale() {
    const FLOOR_BYTES: u64 = 4096;
    let settings = MemorySettings { journal_bytes: FLOOR_BYTES, partition_bytes: 1024, ..MemorySettings::default() };
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("journal");
    for restart in 0..3 {
        let memory = Memory::open(topics(1, 1), settings, directory.path()).expect("open");
        let mut producer = memory.producer("lane").expect("producer");
        for number in 0..500 {
            memory.produce(record("input-0", "user", &number.to_string())).expect("produce");
            let mut transaction = producer.begin().expect("begin");
            record("changelog", "a", &format!("{restart}/{number}")).lend(|it| transaction.send(it)).expect("send");
            // A plain record between a transaction's record and its commit: the frames are out of offset order.
            memory.produce(record("changelog", "b", &number.to_string())).expect("produce");
            transaction.commit().expect("commit");
            let size = fs::metadata(&path).expect("journal").len();
            assert!(size < 4 * FLOOR_BYTES, "{size} bytes after {number}");
        }
        let before = contents(&memory);
        drop((producer, memory));
        let memory = Memory::open(topics(1, 1), settings, directory.path()).expect("open again");
        assert_eq!(memory.dropped(), Dropped::default(), "what was dropped before is not counted again");
        memory.compact("changelog").expect("compact");
        let after = contents(&memory);
        assert_eq!((&after.input, after.watermarks), (&before.input, before.watermarks));
        assert_eq!(after.changelog, [format!("{restart}/499"), "499".to_owned()]);
    }
}

#[test]
fn a_journal_of_other_topics_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    drop(open(directory.path()).expect("open"));
    let refused = Memory::open(topics(1, 2), MemorySettings::default(), directory.path());
    assert!(matches!(refused, Err(JournalError::OtherTopics { .. })), "{refused:?}");
}

#[test]
fn a_journal_in_use_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let _holder = open(directory.path()).expect("open");
    let refused = open(directory.path());
    assert!(matches!(refused, Err(JournalError::InUse { .. })), "{refused:?}");
}
