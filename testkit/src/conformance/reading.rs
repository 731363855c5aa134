//! Laws of reading: what a reader is shown, where it stands, how it is moved.

use std::ops::ControlFlow;

use std::collections::BTreeMap;
use tideline::broker::ReadProgress;

use tideline::broker::{Broker, ChangelogReader, Producer, Source, Transaction};
use tideline::record::text_header;

use super::*;

pub fn a_reader_stops_at_an_open_transaction_and_goes_on_when_it_ends<H: Harness>() {
    let harness = H::fresh(2, 1);
    let rekey = harness.broker().topics().rekey().clone();
    let mut member = Member::alone(&harness);
    let mut producer = producer(&harness, "neighbour");
    let mut transaction = producer.begin().expect("begin");
    record(&rekey, P0, "k", "open").lend(|it| transaction.send(it)).expect("send");
    wait_until_stored(&harness, &rekey, 1);
    feed(&harness, I1, P0, &["behind it"]);
    let elsewhere = feed(&harness, I0, P0, &["elsewhere"])[0];

    member.takes(&["elsewhere"]);
    member.reaches(I0, P0, elsewhere + 1);
    assert_eq!(member.seen, []);
    assert_eq!(harness.read(&rekey, P0, Isolation::ReadCommitted), []);
    assert_eq!(values(&harness.read(&rekey, P0, Isolation::ReadUncommitted)), ["open", "behind it"]);

    transaction.commit().expect("commit");
    member.takes(&["open", "behind it"]);
}

/// `send` is not an acknowledgement: the order of two writers is only known once the first is in the log.
pub fn wait_until_stored<H: Harness>(harness: &H, topic: &str, count: usize) {
    let deadline = Instant::now() + H::PATIENCE;
    while harness.read(topic, P0, Isolation::ReadUncommitted).len() < count {
        assert!(Instant::now() < deadline, "{count} records were never stored in {topic}");
    }
}

pub fn aborted_records_never_reach_a_reader<H: Harness>() {
    let harness = H::fresh(2, 1);
    let rekey = harness.broker().topics().rekey().clone();
    let mut member = Member::alone(&harness);
    let mut producer = producer(&harness, "neighbour");
    let mut transaction = producer.begin().expect("begin");
    record(&rekey, P0, "k", "aborted").lend(|it| transaction.send(it)).expect("send");
    wait_until_stored(&harness, &rekey, 1);
    transaction.abort().expect("abort");
    let plain = feed(&harness, I1, P0, &["plain"])[0];
    let seen = member.takes(&["plain"]);
    assert_eq!(seen[0].offset, plain);
    // The marker may be written a little after the abort returns.
    assert!(plain >= 1, "the aborted record keeps its offset: {plain}");
}

pub fn the_end_is_told_after_the_last_record_and_again_after_more<H: Harness>() {
    let harness = H::fresh(2, 1);
    let mut member = Member::alone(&harness);
    member.reaches(I0, P0, 0);
    for value in ["a", "b"] {
        let offset = feed(&harness, I0, P0, &[value])[0];
        member.takes(&[value]);
        member.reaches(I0, P0, offset + 1);
        assert!(harness.broker().ends(P0).expect("ends").contains(&(I0, offset + 1)));
    }
    let rekey = harness.broker().topics().rekey().clone();
    let mut producer = producer(&harness, "neighbour");
    let mut transaction = producer.begin().expect("begin");
    record(&rekey, P0, "k", "committed").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit");
    let committed = member.takes(&["committed"])[0].offset;
    member.reaches(I1, P0, committed + 2);
    assert!(harness.broker().ends(P0).expect("ends").contains(&(I1, committed + 2)));
}

pub fn an_end_offset_is_a_position_to_go_on_from<H: Harness>() {
    let harness = H::fresh(2, 1);
    let rekey = harness.broker().topics().rekey().clone();
    let mut member = Member::alone(&harness);
    let mut producer = producer(&harness, "neighbour");
    let mut transaction = producer.begin().expect("begin");
    record(&rekey, P0, "k", "before").lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit");
    let end = member.takes(&["before"])[0].offset + 2;
    member.reaches(I1, P0, end);

    member.source.start(P0, &[(I0, 0), (I1, end)]).expect("start");
    feed(&harness, I1, P0, &["after"]);
    member.takes(&["after"]);
}

pub fn start_rewinds<H: Harness>() {
    let harness = H::fresh(2, 1);
    let offsets = feed(&harness, I0, P0, &["a", "b", "c"]);
    feed(&harness, I1, P0, &["x"]);
    let mut member = Member::alone(&harness);
    member.until("all four", |member| member.seen.len() == 4);
    member.seen.clear();

    member.source.start(P0, &[(I0, offsets[1]), (I1, 1)]).expect("start");
    member.takes(&["b", "c"]);
    member.source.start(P0, &[(I0, 0), (I1, 1)]).expect("start");
    member.takes(&["a", "b", "c"]);

    member.ends.clear();
    member.source.start(P0, &[(I0, 3), (I1, 1)]).expect("start");
    member.reaches(I0, P0, 3);
    member.reaches(I1, P0, 1);
    assert_eq!(member.seen, []);
}

pub fn pausing_one_input_holds_it_and_loses_nothing<H: Harness>() {
    let harness = H::fresh(2, 1);
    let mut member = Member::alone(&harness);
    feed(&harness, I0, P0, &["a"]);
    member.takes(&["a"]);

    member.source.pause(I0, P0).expect("pause");
    feed(&harness, I0, P0, &["b", "c"]);
    let other = feed(&harness, I1, P0, &["x"])[0];
    member.takes(&["x"]);
    member.reaches(I1, P0, other + 1);
    assert_eq!(member.seen, []);

    member.source.resume(I0, P0).expect("resume");
    member.takes(&["b", "c"]);
    feed(&harness, I0, P0, &["d"]);
    member.takes(&["d"]);
}

pub fn a_message_keeps_its_key_value_headers_and_time<H: Harness>() {
    let harness = H::fresh(1, 1);
    let topic = harness.broker().topics().input(I0).clone();
    let headers = vec![
        text_header("twice", b"1"),
        text_header("twice", b"\xff\x00"),
        text_header("", b""),
        (b"null".to_vec(), None),
        (b"\xc3\x28 no UTF-8".to_vec(), Some(b"1".to_vec())),
    ];
    harness.produce(Outgoing {
        headers: headers.clone(),
        timestamp: Some(1_770_256_800_123),
        ..record(&topic, P0, "key", "value")
    });
    harness.produce(Outgoing { key: None, value: None, ..record(&topic, P0, "", "") });
    let mut member = Member::alone(&harness);
    let seen = member.takes(&["value", "(none)"]);
    assert_eq!(seen[0].key, "key");
    assert_eq!(seen[0].headers, headers);
    assert_eq!(seen[0].timestamp, Some(1_770_256_800_123));
    assert_eq!(seen[1].key, "(none)");
}

pub fn a_changelog_is_read_to_the_high_watermark_it_had<H: Harness>() {
    let harness = H::fresh(1, 2);
    let changelog = harness.broker().topics().changelog.clone();
    assert_eq!(restored(&harness, P0), BTreeMap::new(), "an empty changelog has an end, too");

    let mut producer = producer(&harness, "lane");
    let mut transaction = producer.begin().expect("begin");
    for key in 0..100 {
        record(&changelog, P0, &format!("k{key}"), "state").lend(|it| transaction.send(it)).expect("send");
    }
    transaction.commit().expect("commit");
    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "k0", "aborted").lend(|it| transaction.send(it)).expect("send");
    wait_until_stored(&harness, &changelog, 101);
    transaction.abort().expect("abort");

    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "k100", "state").lend(|it| transaction.send(it)).expect("send");
    wait_until_stored(&harness, &changelog, 102);
    let opened_before = patiently::<H, _>("a changelog", || harness.broker().changelog(P0));
    transaction.commit().expect("commit");

    let state = read_to_end::<H>(opened_before);
    assert_eq!(state.len(), 101, "what was open when it was opened belongs to it");
    assert!(state.values().all(|value| value == "state"), "{state:?}");
    assert_eq!(restored(&harness, P1), BTreeMap::new());
}

pub fn compaction_keeps_the_last_committed_value<H: Harness>() {
    let harness = H::fresh(1, 1);
    let changelog = harness.broker().topics().changelog.clone();
    let mut producer = producer(&harness, "lane");
    for round in 0..5 {
        let mut transaction = producer.begin().expect("begin");
        for key in ["a", "b", "gone"] {
            record(&changelog, P0, key, &format!("{key}{round}")).lend(|it| transaction.send(it)).expect("send");
        }
        transaction.commit().expect("commit");
    }
    let mut transaction = producer.begin().expect("begin");
    Outgoing { value: None, ..record(&changelog, P0, "gone", "") }.lend(|it| transaction.send(it)).expect("send");
    transaction.commit().expect("commit");
    let mut transaction = producer.begin().expect("begin");
    record(&changelog, P0, "a", "aborted").lend(|it| transaction.send(it)).expect("send");
    wait_until_stored(&harness, &changelog, 17);
    transaction.abort().expect("abort");

    let expected: BTreeMap<_, _> = [("a", "a4"), ("b", "b4")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!(restored(&harness, P0), expected);
    if harness.compact(&changelog) {
        assert_eq!(restored(&harness, P0), expected);
        let left = harness.read(&changelog, P0, Isolation::ReadCommitted).len();
        assert!(left <= 3, "{left} records are left of two values and a tombstone");
    }
}

/// What a restore makes of a changelog partition: the last value of each key.
fn restored<H: Harness>(harness: &H, partition: PartitionId) -> BTreeMap<String, String> {
    read_to_end::<H>(patiently::<H, _>("a changelog", || harness.broker().changelog(partition)))
}

fn read_to_end<H: Harness>(mut reader: <H::Broker as Broker>::Changelog) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    let deadline = Instant::now() + H::PATIENCE;
    loop {
        let progress = reader
            .read(H::POLL, &mut |record| {
                match record.value {
                    Some(value) => state.insert(text(Some(record.key)), text(Some(value))),
                    None => state.remove(&text(Some(record.key))),
                };
                ControlFlow::Continue(())
            })
            .expect("read");
        if progress == ReadProgress::Done {
            assert_eq!(progress.remaining(), 0);
            return state;
        }
        assert!(Instant::now() < deadline, "the changelog never ended: {progress:?}");
    }
}

pub fn an_untouched_input_is_earliest_at_zero<H: Harness>() {
    let harness = H::fresh(3, 2);
    feed(&harness, I0, P1, &["a"]);
    for partition in [P0, P1] {
        let mut earliest = patiently::<H, _>("earliest offsets", || harness.broker().earliest(partition));
        earliest.sort();
        assert_eq!(earliest, [(Input(0), 0), (Input(1), 0), (Input(2), 0)]);
    }
}

pub fn an_input_ends_where_a_reader_of_committed_records_would_stop_and_rekey_behind_what_is_open<H: Harness>() {
    let harness = H::fresh(2, 2);
    let topics = harness.broker().topics().clone();
    let ends = || {
        let mut ends = patiently::<H, _>("ends", || harness.broker().ends(P0));
        ends.sort();
        ends
    };
    assert_eq!(ends(), [(I0, 0), (I1, 0)]);
    feed(&harness, I0, P0, &["a", "b"]);
    feed(&harness, I0, P1, &["elsewhere"]);
    assert_eq!(ends(), [(I0, 2), (I1, 0)]);

    let mut producer = producer(&harness, "neighbour");
    let mut transaction = producer.begin().expect("begin");
    record(topics.input(I0), P0, "k", "open").lend(|it| transaction.send(it)).expect("send");
    record(topics.rekey(), P0, "k", "open").lend(|it| transaction.send(it)).expect("send");
    wait_until_stored(&harness, topics.input(I0), 3);
    wait_until_stored(&harness, topics.rekey(), 1);
    assert_eq!(ends(), [(I0, 2), (I1, 1)]);
    assert_eq!(patiently::<H, _>("rekey's end", || harness.broker().rekey_end(P0)), 1);
    transaction.commit().expect("commit");
    // A commit returns before its marker has reached every partition.
    let deadline = Instant::now() + H::PATIENCE;
    while ends() != [(I0, 4), (I1, 2)] {
        assert!(Instant::now() < deadline, "the commit never showed: {:?}", ends());
    }
}
