//! What every broker behind the seam must hold, one function a law. The embedded log and the real broker run the same
//! laws; each shows as a `#[test]` of its own by [`conformance_suite`].
//!
//! A law never sleeps: it polls until what it waits for is there, or fails at [`Harness::PATIENCE`]. It makes its own
//! topics and group, so laws may run side by side on one broker.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use tideline::broker::Isolation;
use tideline::broker::{
    Broker, BrokerError, CommitMetadata, Committed, ForwardProgress, ForwardWatermark, OffsetCommit, TransactionError,
};
use tideline::domain::{Input, PartitionId, Timestamp};
use tideline::record::{Offset, Outgoing};

pub mod group;
mod member;
pub mod reading;
pub mod topics;
pub mod transactions;

pub use member::{Member, wait_for};

/// Makes every law a test of `$harness`. `tests/embedded/house.rs` finds a law that is not listed here.
#[macro_export]
macro_rules! conformance_suite {
    ($harness:ty) => {
        $crate::conformance_suite! { @each $harness;
            transactions::records_and_offsets_of_a_transaction_appear_together,
            transactions::an_abort_leaves_nothing,
            transactions::a_dropped_transaction_is_aborted,
            transactions::taking_an_id_again_fences_the_earlier_holder,
            transactions::a_fenced_holder_that_begins_anew_still_fails,
            transactions::each_commit_burns_an_offset,
            transactions::committed_offsets_carry_their_note,
            transactions::committed_offsets_carry_the_front_of_their_partition,
            transactions::a_generation_from_before_a_partition_was_lost_is_refused,
            transactions::committed_offsets_wait_for_an_open_transaction,
            transactions::who_has_something_open_is_named_until_it_is_fenced,
            transactions::what_hangs_is_ended_beside_a_living_member_and_no_offset_changes,
            transactions::a_member_that_left_commits_no_offsets,
            transactions::transactions_side_by_side_in_a_partition_are_each_whole,
            transactions::a_record_without_a_partition_goes_where_its_key_belongs,
            reading::a_reader_stops_at_an_open_transaction_and_goes_on_when_it_ends,
            reading::aborted_records_never_reach_a_reader,
            reading::the_end_is_told_after_the_last_record_and_again_after_more,
            reading::an_end_offset_is_a_position_to_go_on_from,
            reading::start_rewinds,
            reading::pausing_one_input_holds_it_and_loses_nothing,
            reading::a_message_keeps_its_key_value_headers_and_time,
            reading::a_changelog_is_read_to_the_high_watermark_it_had,
            reading::compaction_keeps_the_last_committed_value,
            reading::an_untouched_input_is_earliest_at_zero,
            reading::an_input_ends_where_a_reader_of_committed_records_would_stop_and_rekey_behind_what_is_open,
            topics::every_topic_has_an_id_of_its_own_and_its_partitions,
            topics::a_topic_that_is_made_anew_has_another_id,
            topics::partitions_that_are_added_are_counted,
            topics::a_position_before_the_first_record_is_told_as_out_of_range_and_nothing_is_passed_over,
            topics::a_position_beyond_the_end_is_told_as_out_of_range,
            group::a_lone_member_reads_every_input_of_every_partition,
            group::two_members_share_all_partitions_and_each_has_whole_ones,
            group::a_joining_member_has_partitions_revoked_and_most_given_back,
            group::a_leaving_member_leaves_its_partitions_to_the_other,
            group::the_next_owner_goes_on_from_what_was_committed,
        }
    };
    (@each $harness:ty; $($suite:ident::$law:ident),* $(,)?) => {
        $(
            #[test]
            fn $law() {
                $crate::conformance::$suite::$law::<$harness>();
            }
        )*
    };
}

/// A broker under test, with one application of its own.
pub trait Harness: Sized {
    type Broker: Broker;

    /// How long a law waits for what must come, before it fails.
    const PATIENCE: Duration;
    /// The timeout of one poll.
    const POLL: Duration;

    /// Fresh topics and a fresh group: `inputs` inputs (the last is `rekey`), every topic with `partitions` partitions.
    fn fresh(inputs: usize, partitions: i32) -> Self;

    fn broker(&self) -> &Self::Broker;

    /// A plain record, outside of any transaction; its offset, once it is acknowledged.
    fn produce(&self, record: Outgoing) -> Offset;

    /// All records of a partition, from its start to its end as it is now. With [`Isolation::ReadCommitted`] the end is
    /// the last stable offset.
    fn read(&self, topic: &str, partition: PartitionId, isolation: Isolation) -> Vec<Stored>;

    /// Compacts a topic, if that can be forced, and says whether it was.
    fn compact(&self, topic: &str) -> bool;

    /// Deletes a topic and makes it anew, with as many partitions.
    fn recreate(&self, topic: &str);

    fn add_partitions(&self, topic: &str, count: i32);

    /// Deletes the records of a partition before an offset.
    fn delete_before(&self, topic: &str, partition: PartitionId, offset: Offset);

    /// Lets what was sent and never acknowledged arrive, before a law claims that it is not there.
    fn settle(&self) {}
}

/// A record as it stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub offset: Offset,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// The values of `records`, as text.
pub fn values(records: &[Stored]) -> Vec<String> {
    records.iter().map(|record| text(record.value.as_deref())).collect()
}

pub fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("(none)".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

pub const P0: PartitionId = PartitionId(0);
pub const P1: PartitionId = PartitionId(1);
pub const I0: Input = Input(0);
pub const I1: Input = Input(1);

/// A record of `topic` with a key and a value.
pub fn record(topic: &Arc<str>, partition: PartitionId, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        partition: Some(partition),
        key: Some(key.into()),
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp: None,
    }
}

/// Plain records of an input, named by their values.
pub fn feed<H: Harness>(harness: &H, input: Input, partition: PartitionId, values: &[&str]) -> Vec<Offset> {
    let topic = harness.broker().topics().input(input).clone();
    values.iter().map(|value| harness.produce(record(&topic, partition, "k", value))).collect()
}

/// A transactional id that no other law uses.
pub fn id<H: Harness>(harness: &H, name: &str) -> String {
    format!("{}-{name}", harness.broker().topics().changelog)
}

pub fn producer<H: Harness>(harness: &H, name: &str) -> <H::Broker as Broker>::Producer {
    patiently::<H, _>("a producer", || harness.broker().producer(&id(harness, name)))
}

/// Asks until it is given, or the law's patience ends.
pub fn patiently<H: Harness, T>(what: &str, mut ask: impl FnMut() -> Result<T, BrokerError>) -> T {
    let deadline = Instant::now() + H::PATIENCE;
    loop {
        match ask() {
            Ok(given) => return given,
            Err(error) => assert!(Instant::now() < deadline, "{what} was not given: {error}"),
        }
    }
}

/// The group's offset of one input, once it can be told.
pub fn committed<H: Harness>(harness: &H, input: Input, partition: PartitionId) -> Option<Committed> {
    let all = patiently::<H, _>("committed offsets", || harness.broker().committed(partition));
    all.into_iter().find(|committed| committed.input == input)
}

pub fn commit_of(input: Input, partition: PartitionId, offset: Offset, number: u64) -> OffsetCommit {
    OffsetCommit { input, partition, offset, note: note(number), front: front(number) }
}

pub fn front(number: u64) -> ForwardProgress {
    ForwardProgress { watermark: ForwardWatermark::Through(Timestamp::of_millis(-5)), forwarded: number }
}

pub fn note(number: u64) -> CommitMetadata {
    CommitMetadata { transactional_id: "law#lane".into(), number }
}

pub fn assert_fatal<T: Debug>(outcome: Result<T, TransactionError>) {
    assert!(
        matches!(outcome, Err(TransactionError::Fenced { .. } | TransactionError::Fatal { .. })),
        "must be fatal: {outcome:?}"
    );
}

pub fn assert_abortable<T: Debug>(outcome: Result<T, TransactionError>) {
    assert!(matches!(outcome, Err(TransactionError::Abortable { .. })), "must be abortable: {outcome:?}");
}
