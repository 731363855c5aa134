//! State version 1: a user as the bytes that stand in the changelog and in memory.
//!
//! ```text
//! header, 16 bytes:  version 1 | kind 1 | tier 1 (255: none) | stage 1 | rules generation 4 LE | next deadline 8 LE (ms; MAX: none)
//! body of a user:    flags 1 | the fields below, as varints (LEB128; zigzag where they may be negative), times relative to the newest;
//!                    numbers have 64 bits, a day's amount 128 (of one within 64 bits the bytes are the same)
//! sections:          (tag varint | length varint | bytes) to the end
//! ```
//!
//! A field that comes later is a section with a new tag: this version keeps sections that it does not know as they are.
//! Anything else that changes needs a new version; an unknown version is an error, never a guess.

use super::varint::{Reader, put_signed, put_unsigned, put_wide};
use super::{Deadlines, History, Loan, Loans, Remembered, StateError, User, event_time, instant};
use crate::domain::{DAY_MS, Day, EventId, Stage, Tier, Timestamp, Token};

pub const VERSION: u8 = 1;
const HEADER_BYTES: usize = 16;
const NO_TIER: u8 = u8::MAX;
const NO_DEADLINE: i64 = Timestamp::NEVER.millis();
/// A history has at most 180 days and a few that a refund names ahead of its time.
const MAX_DAYS: u64 = 256;
/// The days of event times: a zone moves them by one at most, a refund names one ahead.
const MAX_DAY: i64 = Timestamp::MAX.millis() / DAY_MS + 2;

/// What a value is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    User = 0,
    /// Only that a user was erased, and when.
    Erasure = 1,
}

/// What can be read without decoding the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub tier: Option<Tier>,
    pub stage: Stage,
    pub rules_generation: u32,
    pub deadline: Option<Timestamp>,
}

impl Header {
    pub fn read(bytes: &[u8]) -> Result<Self, StateError> {
        let version = *bytes.first().ok_or(StateError::Damaged("empty value"))?;
        if version != VERSION {
            return Err(StateError::UnknownVersion(version));
        }
        let [_, kind, tier, stage, rest @ ..] =
            bytes.first_chunk::<HEADER_BYTES>().ok_or(StateError::Damaged("header cut short"))?;
        let [g0, g1, g2, g3, deadline @ ..] = rest;
        let kind = match kind {
            0 => Kind::User,
            1 => Kind::Erasure,
            _ => return Err(StateError::Damaged("unknown kind")),
        };
        let deadline = i64::from_le_bytes(*deadline);
        Ok(Self {
            kind,
            tier: (*tier != NO_TIER).then_some(Tier(*tier)),
            stage: Stage::from_code(*stage).ok_or(StateError::Damaged("unknown stage"))?,
            rules_generation: u32::from_le_bytes([*g0, *g1, *g2, *g3]),
            deadline: if deadline == NO_DEADLINE { None } else { Some(instant(deadline)?) },
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        let tier = self.tier.map_or(NO_TIER, |tier| tier.0);
        out.extend([VERSION, self.kind as u8, tier, self.stage as u8]);
        out.extend(self.rules_generation.to_le_bytes());
        out.extend(self.deadline.map_or(NO_DEADLINE, Timestamp::millis).to_le_bytes());
    }
}

const REGISTERED: u8 = 1;
const FIRST_SEEN: u8 = 1 << 1;
const NEWEST: u8 = 1 << 2;
const FIRST_DAY: u8 = 1 << 3;
const LEFT_LATEST: u8 = 1 << 4;
const INCARNATION: u8 = 1 << 5;
const TIER_DEADLINE: u8 = 1 << 6;
const STAGE_DEADLINE: u8 = 1 << 7;

/// Appends the value of a user. The same user gives the same bytes.
pub fn encode_user(user: &User, rules_generation: u32, out: &mut Vec<u8>) {
    let header = Header {
        kind: Kind::User,
        tier: user.announced,
        stage: user.stage,
        rules_generation,
        deadline: user.deadlines.next(),
    };
    header.put(out);
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let history = &user.history;
    out.push(
        flag(user.registered.is_some(), REGISTERED)
            | flag(user.first_seen.is_some(), FIRST_SEEN)
            | flag(user.newest.is_some(), NEWEST)
            | flag(history.first_day.is_some(), FIRST_DAY)
            | flag(history.left_latest.is_some(), LEFT_LATEST)
            | flag(user.incarnation != 0, INCARNATION)
            | flag(user.deadlines.tier.is_some(), TIER_DEADLINE)
            | flag(user.deadlines.stage.is_some(), STAGE_DEADLINE),
    );
    let base = user.newest.map_or(0, Timestamp::millis);
    let put_time = |out: &mut Vec<u8>, at: Option<Timestamp>| {
        if let Some(at) = at {
            put_signed(out, base - at.millis());
        }
    };
    put_unsigned(out, user.sequence);
    if user.newest.is_some() {
        put_signed(out, base);
    }
    if user.incarnation != 0 {
        put_signed(out, user.incarnation);
    }
    put_time(out, user.registered);
    put_time(out, user.first_seen);
    put_time(out, user.deadlines.tier);
    if let Some((at, stage)) = user.deadlines.stage {
        out.push(stage as u8);
        put_time(out, Some(at));
    }
    if let Some(day) = history.first_day {
        put_signed(out, i64::from(day.0));
    }
    put_unsigned(out, u64::from(history.left_days));
    put_time(out, history.left_latest);
    put_days(out, history);
    put_remembered(out, &user.remembered, base);
    put_loans(out, &user.loans, base);
    out.extend(&user.later_sections);
}

/// Reads a user into one that is there already, whose memory it takes over.
pub fn decode_user(bytes: &[u8], user: &mut User) -> Result<Header, StateError> {
    let header = Header::read(bytes)?;
    if header.kind != Kind::User {
        return Err(StateError::Damaged("not a user"));
    }
    let mut from = Reader::new(&bytes[HEADER_BYTES..]);
    let flags = from.byte()?;
    let has = |bit: u8| flags & bit != 0;
    user.announced = header.tier;
    user.stage = header.stage;
    user.sequence = from.unsigned()?;
    user.newest = if has(NEWEST) { Some(event_time(from.signed()?)?) } else { None };
    let base = user.newest.map_or(0, Timestamp::millis);
    user.incarnation = if has(INCARNATION) { event_time(from.signed()?)?.millis() } else { 0 };
    user.registered = time_if(has(REGISTERED), &mut from, base)?;
    user.first_seen = time_if(has(FIRST_SEEN), &mut from, base)?;
    let tier = if has(TIER_DEADLINE) { Some(deadline(&mut from, base)?) } else { None };
    let stage = if has(STAGE_DEADLINE) {
        let stage = Stage::from_code(from.byte()?).ok_or(StateError::Damaged("unknown stage"))?;
        if stage <= user.stage {
            return Err(StateError::Damaged("a stage that does not go on"));
        }
        Some((deadline(&mut from, base)?, stage))
    } else {
        None
    };
    user.deadlines = Deadlines { tier, stage };
    if user.deadlines.next() != header.deadline {
        return Err(StateError::Damaged("another deadline than in the header"));
    }
    let history = &mut user.history;
    history.first_day = if has(FIRST_DAY) { Some(day(from.signed()?)?) } else { None };
    history.left_days = u32::try_from(from.unsigned()?).map_err(|_| StateError::Damaged("too many days"))?;
    history.left_latest = time_if(has(LEFT_LATEST), &mut from, base)?;
    read_days(&mut from, history)?;
    read_remembered(&mut from, &mut user.remembered, base)?;
    read_loans(&mut from, &mut user.loans, base)?;
    user.later_sections.clear();
    user.later_sections.extend(from.sections()?);
    Ok(header)
}

/// Appends the value that remembers an erasure until `forget_at`.
pub fn encode_erasure(erased_at: Timestamp, forget_at: Timestamp, rules_generation: u32, out: &mut Vec<u8>) {
    let header =
        Header { kind: Kind::Erasure, tier: None, stage: Stage::Active, rules_generation, deadline: Some(forget_at) };
    header.put(out);
    put_signed(out, erased_at.millis());
}

pub fn decode_erasure(bytes: &[u8]) -> Result<Timestamp, StateError> {
    if Header::read(bytes)?.kind != Kind::Erasure {
        return Err(StateError::Damaged("not an erasure"));
    }
    event_time(Reader::new(&bytes[HEADER_BYTES..]).signed()?)
}

fn put_days(out: &mut Vec<u8>, history: &History) {
    put_unsigned(out, history.days.len() as u64);
    let mut previous = 0;
    for bucket in &history.days {
        put_signed(out, i64::from(bucket.day.0) - previous);
        previous = i64::from(bucket.day.0);
        put_signed(out, i64::from(bucket.transactions));
        put_wide(out, bucket.amount);
        // In the day's own terms a time is small: local midnight is within 14 h of the day number's.
        put_signed(out, bucket.latest.map_or(i64::MIN, |at| at.millis() - previous * DAY_MS));
        put_unsigned(out, bucket.scenes);
    }
    put_unsigned(out, history.scenes.len() as u64);
    history.scenes.iter().for_each(|scene| out.extend(scene.to_le_bytes()));
}

fn read_days(from: &mut Reader<'_>, history: &mut History) -> Result<(), StateError> {
    let count = from.count(MAX_DAYS)?;
    history.days.clear();
    let mut number = 0i64;
    for place in 0..count {
        let step = from.signed()?;
        if place > 0 && step <= 0 {
            return Err(StateError::Damaged("days out of order"));
        }
        number = number.saturating_add(step);
        let transactions = i32::try_from(from.signed()?).map_err(|_| StateError::Damaged("too many transactions"))?;
        let amount = from.wide()?;
        let day = day(number)?;
        let within = from.signed()?;
        let latest = if within == i64::MIN { None } else { Some(event_time(within.saturating_add(number * DAY_MS))?) };
        history.days.push(super::DayBucket { day, transactions, amount, latest, scenes: from.unsigned()? });
    }
    let scenes = from.count(History::MAX_SCENES as u64)?;
    history.scenes.clear();
    for _ in 0..scenes {
        history.scenes.push(u32::from_le_bytes(from.fixed()?));
    }
    Ok(())
}

fn put_remembered(out: &mut Vec<u8>, remembered: &Remembered, base: i64) {
    put_unsigned(out, remembered.0.len() as u64);
    for (id, came) in &remembered.0 {
        out.extend(id.0.to_le_bytes());
        put_signed(out, base - came.millis());
    }
}

fn read_remembered(from: &mut Reader<'_>, remembered: &mut Remembered, base: i64) -> Result<(), StateError> {
    let count = from.count(Remembered::MAX as u64)?;
    remembered.0.clear();
    for _ in 0..count {
        let id = EventId(u64::from_le_bytes(from.fixed()?));
        remembered.0.push((id, time(from, base)?));
    }
    Ok(())
}

const LOAN_NAMED: u8 = 1;
const LOAN_SCHEDULED: u8 = 1 << 1;
const LOAN_REPAID: u8 = 1 << 2;

fn put_loans(out: &mut Vec<u8>, loans: &Loans, base: i64) {
    put_unsigned(out, loans.0.len() as u64);
    for loan in &loans.0 {
        let named = if loan.name.is_some() { LOAN_NAMED } else { 0 };
        let scheduled = if loan.scheduled.is_some() { LOAN_SCHEDULED } else { 0 };
        let repaid = if loan.repaid.is_some() { LOAN_REPAID } else { 0 };
        out.push(named | scheduled | repaid);
        if let Some(name) = loan.name {
            out.extend(name.0.to_le_bytes());
        }
        if let Some((at, due)) = loan.scheduled {
            put_signed(out, base - at.millis());
            put_signed(out, base - due.millis());
        }
        if let Some(at) = loan.repaid {
            put_signed(out, base - at.millis());
        }
    }
}

fn read_loans(from: &mut Reader<'_>, loans: &mut Loans, base: i64) -> Result<(), StateError> {
    let count = from.count(Loans::MAX as u64)?;
    loans.0.clear();
    for _ in 0..count {
        let flags = from.byte()?;
        let name = if flags & LOAN_NAMED != 0 { Some(Token(u64::from_le_bytes(from.fixed()?))) } else { None };
        let scheduled = if flags & LOAN_SCHEDULED != 0 { Some((time(from, base)?, time(from, base)?)) } else { None };
        let repaid = time_if(flags & LOAN_REPAID != 0, from, base)?;
        loans.0.push(Loan { name, scheduled, repaid });
    }
    Ok(())
}

fn time(from: &mut Reader<'_>, base: i64) -> Result<Timestamp, StateError> {
    event_time(base.saturating_sub(from.signed()?))
}

fn deadline(from: &mut Reader<'_>, base: i64) -> Result<Timestamp, StateError> {
    instant(base.saturating_sub(from.signed()?))
}

fn time_if(present: bool, from: &mut Reader<'_>, base: i64) -> Result<Option<Timestamp>, StateError> {
    if present { time(from, base).map(Some) } else { Ok(None) }
}

fn day(number: i64) -> Result<Day, StateError> {
    let known = (-2..=MAX_DAY).contains(&number);
    if known { Ok(Day(number as i32)) } else { Err(StateError::Damaged("a day out of range")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::DayBucket;

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
                first_day: first.map(Day),
                left_days,
                left_latest,
            },
        )
    }

    fn loan() -> impl Strategy<Value = Loan> {
        let name = prop::option::of(any::<u64>().prop_map(Token));
        (name, prop::option::of((instant(), instant())), prop::option::of(instant()))
            .prop_map(|(name, scheduled, repaid)| Loan { name, scheduled, repaid })
    }

    fn user() -> impl Strategy<Value = User> {
        let optional = || prop::option::of(instant());
        let announced = (prop::option::of(0..9u8), 0..4u8, any::<u64>(), 0..Timestamp::MAX.millis());
        let deadlines = (optional(), prop::option::of((instant(), 1..4u8)));
        let remembered = prop::collection::vec((any::<u64>(), instant()), 0..32);
        let loans = prop::collection::vec(loan(), 0..8);
        let later = prop::collection::vec((1..9u64, prop::collection::vec(any::<u8>(), 0..9)), 0..3);
        (announced, (optional(), optional(), optional()), history(), loans, remembered, deadlines, later).prop_map(
            |((tier, stage, sequence, incarnation), times, history, loans, ids, deadlines, later)| {
                let mut later_sections = Vec::new();
                for (tag, bytes) in later {
                    put_unsigned(&mut later_sections, tag);
                    put_unsigned(&mut later_sections, bytes.len() as u64);
                    later_sections.extend(bytes);
                }
                User {
                    incarnation,
                    sequence,
                    announced: tier.map(Tier),
                    stage: Stage::ALL[usize::from(stage)],
                    registered: times.0,
                    first_seen: times.1,
                    newest: times.2,
                    history,
                    loans: Loans(loans),
                    remembered: Remembered(ids.into_iter().map(|(id, at)| (EventId(id), at)).collect()),
                    deadlines: Deadlines {
                        tier: deadlines.0,
                        stage: deadlines
                            .1
                            .filter(|(_, next)| *next > stage)
                            .map(|(at, next)| (at, Stage::ALL[usize::from(next)])),
                    },
                    later_sections,
                }
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
            let mut versioned = vec![VERSION];
            versioned.extend(bytes);
            let _ = decode_user(&versioned, &mut User::default());
        }
    }

    #[test]
    fn an_unknown_version_is_an_error() {
        let mut bytes = Vec::new();
        encode_user(&User::default(), 1, &mut bytes);
        bytes[0] = 2;
        assert_eq!(decode_user(&bytes, &mut User::default()), Err(StateError::UnknownVersion(2)));
    }

    /// Each would overflow, or misplace a timer, where the fold reckons with it.
    #[test]
    fn what_no_fold_leaves_is_damage() {
        let far = Timestamp::of_millis(i64::MAX);
        let bucket = |day| DayBucket { day: Day(day), transactions: 1, amount: 1, latest: None, scenes: 0 };
        let history = |days| History { days, ..History::default() };
        let stage = |stage| Deadlines { stage: Some((Timestamp::MIN, stage)), ..Deadlines::default() };
        let cases = [
            (User { newest: Some(far), ..User::default() }, "a time out of range"),
            (User { incarnation: i64::MIN, ..User::default() }, "a time out of range"),
            (User { first_seen: Some(Timestamp::of_millis(i64::MIN + 1)), ..User::default() }, "a time out of range"),
            (User { history: history(vec![bucket(i32::MAX)]), ..User::default() }, "a day out of range"),
            (User { history: history(vec![bucket(2), bucket(2)]), ..User::default() }, "days out of order"),
            (
                User { stage: Stage::Lost, deadlines: stage(Stage::AtRisk), ..User::default() },
                "a stage that does not go on",
            ),
        ];
        for (user, damage) in cases {
            let mut bytes = Vec::new();
            encode_user(&user, 1, &mut bytes);
            assert_eq!(decode_user(&bytes, &mut User::default()), Err(StateError::Damaged(damage)), "{user:?}");
        }
        let mut bytes = Vec::new();
        encode_user(&User::default(), 1, &mut bytes);
        bytes[8..HEADER_BYTES].fill(0);
        let damage = Err(StateError::Damaged("another deadline than in the header"));
        assert_eq!(decode_user(&bytes, &mut User::default()), damage);
    }

    #[test]
    fn an_erasure_reads_back() {
        let mut bytes = Vec::new();
        encode_erasure(Timestamp::of_millis(5), Timestamp::of_millis(9), 1, &mut bytes);
        assert_eq!(decode_erasure(&bytes), Ok(Timestamp::of_millis(5)));
        assert_eq!(Header::read(&bytes).unwrap().deadline, Some(Timestamp::of_millis(9)));
    }
}
