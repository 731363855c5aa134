//! Every user reads back as it was, and no bytes do harm.

use proptest::prelude::*;

use super::header::{HEADER_BYTES, VERSION_1};
use super::*;
use crate::domain::{DAY_MS, Day, EventId, Stage, Tier, Timestamp, Token};
use crate::state::facts::{FirstSeen, Registered};
use crate::state::keep::{Earliest, Latest, Ranked as _, TopK};
use crate::state::varint::put_unsigned;
use crate::state::{DayBucket, Deadlines, Facts, History, Loan, Loans, Remembered, StateError, User, UserDeadline};

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..Timestamp::MAX.millis()).prop_map(Timestamp::of_millis)
}

fn bucket() -> impl Strategy<Value = DayBucket> {
    (0..2_000_000i32, any::<i32>(), (any::<i128>(), 0..127u32), prop::option::of(0..DAY_MS), any::<u64>()).prop_map(
        |(day, transactions, (amount, shift), within, scenes)| DayBucket {
            day: Day(day),
            transactions,
            amount: amount >> shift,
            latest: within.map(|ms| Timestamp::of_millis(i64::from(day) * DAY_MS + ms)),
            scenes,
        },
    )
}

fn earliest<T: crate::state::keep::Kept>(value: Option<T>) -> Earliest<T> {
    let mut earliest = Earliest::default();
    value.into_iter().for_each(|value| _ = earliest.add(value));
    earliest
}

fn latest<T: crate::state::keep::Kept>(value: Option<T>) -> Latest<T> {
    let mut latest = Latest::default();
    value.into_iter().for_each(|value| _ = latest.add(value));
    latest
}

fn history() -> impl Strategy<Value = History> {
    let days = prop::collection::vec(bucket(), 0..20).prop_map(|mut days| {
        days.sort_by_key(|bucket| bucket.day);
        days.dedup_by_key(|bucket| bucket.day);
        days
    });
    let scenes = prop::collection::vec(any::<u32>(), 0..History::MAX_SCENES);
    (days, scenes, prop::option::of(0..100_000i32), any::<u32>(), prop::option::of(instant())).prop_map(
        |(days, scenes, first, left_days, left_latest)| History {
            days,
            scenes,
            first_day: earliest(first.map(Day)),
            left_days,
            left_latest: latest(left_latest),
        },
    )
}

fn loans() -> impl Strategy<Value = Loans> {
    let name = || prop::option::of(any::<u64>().prop_map(Token));
    let loan = (name(), prop::option::of((instant(), instant())), prop::option::of(instant()));
    prop::collection::vec(loan, 0..8).prop_map(|loans| {
        let mut top = TopK::<Loan, { Loans::MAX }>::default();
        for (name, scheduled, repaid) in loans {
            top.change(name, |loan| {
                *loan = Loan { scheduled: latest(scheduled), repaid: latest(repaid), ..Loan::new(name) }
            });
        }
        Loans(top)
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let optional = || prop::option::of(instant());
    (optional(), optional(), history(), loans()).prop_map(|(registered, first_seen, history, loans)| Facts {
        registered: Registered(earliest(registered)),
        first_seen: FirstSeen(earliest(first_seen)),
        history,
        loans,
    })
}

fn deadlines() -> impl Strategy<Value = Deadlines> {
    // As far apart as a fold can leave them.
    (prop::option::of(instant()), prop::option::of(instant())).prop_map(|(tier, stage)| {
        let mut deadlines = Deadlines::default();
        deadlines.set(UserDeadline::Tier, tier);
        deadlines.set(UserDeadline::Stage, stage);
        deadlines
    })
}

fn user() -> impl Strategy<Value = User> {
    let announced = (prop::option::of(0..9u8), 0..4usize, any::<u64>(), 0..Timestamp::MAX.millis());
    let remembered = prop::collection::vec((any::<u64>(), instant()), 0..32);
    (announced, prop::option::of(instant()), facts(), remembered, deadlines()).prop_map(
        |((tier, stage, sequence, incarnation), newest, facts, ids, deadlines)| User {
            incarnation,
            sequence,
            announced: tier.map(Tier),
            stage: Stage::ALL[stage],
            newest,
            facts,
            remembered: Remembered(ids.into_iter().map(|(id, at)| (EventId(id), at)).collect()),
            deadlines,
        },
    )
}

proptest! {
    #[test]
    fn a_user_reads_back_as_it_was(user in user(), generation: u32) {
        let mut bytes = Vec::new();
        encode_user(&user, generation, &mut bytes);
        let mut read = User::default();
        let header = decode_user(&bytes, &mut read).unwrap();
        prop_assert_eq!(&read, &user);
        prop_assert_eq!(header.rules_generation, generation);
        prop_assert_eq!(header.deadline, user.deadlines.next());
    }

    #[test]
    fn damaged_bytes_never_panic(user in user(), cut: usize, at: usize, flip in 1..=255u8) {
        let mut bytes = Vec::new();
        encode_user(&user, 1, &mut bytes);
        let mut into = User::default();
        let _ = decode_user(&bytes[..cut % bytes.len()], &mut into);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let _ = decode_user(&bytes, &mut into);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_user(&bytes, &mut User::default());
        let _ = decode_erasure(&bytes);
        for version in [VERSION_1, VERSION] {
            let versioned = [&[version, 0, 0, 0], bytes.as_slice()].concat();
            let _ = decode_user(&versioned, &mut User::default());
        }
    }
}

fn encoded(user: &User) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_user(user, 1, &mut bytes);
    bytes
}

#[test]
fn an_unknown_version_and_an_unknown_section_are_refused_by_name() {
    let mut bytes = encoded(&User::default());
    bytes[0] = VERSION + 1;
    assert_eq!(decode_user(&bytes, &mut User::default()), Err(StateError::UnknownVersion(3)));
    bytes[0] = VERSION;
    for section in [4, 40, 63] {
        let mut sections = Vec::new();
        put_unsigned(&mut sections, 1 << section);
        let bytes = [&bytes[..HEADER_BYTES], &sections, &bytes[HEADER_BYTES + 1..]].concat();
        let refusal = StateError::UnknownSection(section);
        assert!(refusal.to_string().contains(&format!("section {section}")));
        assert_eq!(Header::read(&bytes), Err(refusal.clone()), "before anything is decoded");
        assert_eq!(decode_user(&bytes, &mut User::default()), Err(refusal));
    }
}

/// A user without a fact pays nothing for it; with all of today's as much as in version 1, or less.
#[test]
fn a_fact_that_says_nothing_has_no_bytes() {
    assert_eq!(encoded(&User::default()).len(), HEADER_BYTES + 4, "sections, flags, sequence, ids remembered");
    let registered = Registered(earliest(Some(Timestamp::of_millis(5))));
    let user = User { facts: Facts { registered, ..Facts::default() }, ..User::default() };
    assert_eq!(encoded(&user).len(), HEADER_BYTES + 5);
}

/// Each would overflow, or misplace a timer, where the fold reckons with it.
#[test]
fn what_no_fold_leaves_is_damage() {
    let far = Timestamp::of_millis(i64::MAX);
    let bucket = |day| DayBucket { day: Day(day), transactions: 1, amount: 1, latest: None, scenes: 0 };
    let with = |facts| User { facts, ..User::default() };
    let history = |days| with(Facts { history: History { days, ..History::default() }, ..Facts::default() });
    let seen = FirstSeen(earliest(Some(Timestamp::of_millis(i64::MIN + 1))));
    let cases = [
        (User { newest: Some(far), ..User::default() }, "a time out of range"),
        (User { incarnation: i64::MIN, ..User::default() }, "a time out of range"),
        (with(Facts { first_seen: seen, ..Facts::default() }), "a time out of range"),
        (history(vec![bucket(i32::MAX)]), "a day out of range"),
        (history(vec![bucket(2), bucket(2)]), "days out of order"),
    ];
    for (user, damage) in cases {
        let read = decode_user(&encoded(&user), &mut User::default());
        assert_eq!(read, Err(StateError::Damaged(damage)), "{user:?}");
    }
    let mut bytes = encoded(&User::default());
    bytes[8..HEADER_BYTES].fill(0);
    let damage = Err(StateError::Damaged("another deadline than in the header"));
    assert_eq!(decode_user(&bytes, &mut User::default()), damage);
    let more = [encoded(&User::default()), vec![0]].concat();
    let damage = Err(StateError::Damaged("bytes behind the last section"));
    assert_eq!(decode_user(&more, &mut User::default()), damage);
}

#[test]
fn an_erasure_reads_back() {
    let mut bytes = Vec::new();
    encode_erasure(Timestamp::of_millis(5), Timestamp::of_millis(9), 1, &mut bytes);
    assert_eq!(decode_erasure(&bytes), Ok(Timestamp::of_millis(5)));
    assert_eq!(Header::read(&bytes).unwrap().deadline, Some(Timestamp::of_millis(9)));
}
