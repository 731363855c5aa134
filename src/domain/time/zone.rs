//! A time zone: which calendar day an instant lies on, and when a day begins.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::civil::{civil_from_days, days_from_civil, days_in_month};
use super::{DAY_MS, Day, Timestamp};

/// A time zone: divides time into days and months.
///
/// A day begins at the first instant whose local date is that day or later, and never ends before the next begins:
/// where a clock is set back over midnight the new day goes on. So days follow one another as instants do, whatever a
/// clock does.
#[derive(Clone)]
pub struct Zone {
    name: String,
    /// In order of time.
    stretches: Vec<Stretch>,
}

/// From one change of a zone's clock to the next.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from_ms: i64,
    offset_ms: i64,
    /// The latest local date before it: a day that has begun. In order, too.
    begun: i32,
}

/// The database of zones has none of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {0:?}: expected an IANA name such as Asia/Shanghai")]
pub struct UnknownZone(pub String);

impl Zone {
    /// Offsets are tabulated up to this year; later ones keep the last.
    const TABLE_UNTIL: i64 = 4_102_444_800_000; // 2100-01-01T00:00:00Z

    /// A zone of the bundled IANA database.
    ///
    /// # Errors
    ///
    /// The name, where the database has none of it.
    pub fn new(name: &str) -> Result<Self, UnknownZone> {
        let rules = TimeZoneDatabase::bundled().get(name).map_err(|_| UnknownZone(name.to_owned()))?;
        let start = jiff::Timestamp::UNIX_EPOCH;
        let offset_ms = |tz: &TimeZone, at| i64::from(tz.to_offset(at).seconds()) * 1000;
        let changes = rules
            .following(start)
            .map(|change| (change.timestamp().as_millisecond(), i64::from(change.offset().seconds()) * 1000))
            .take_while(|(at, _)| *at <= Self::TABLE_UNTIL);
        // A name is found in any case of its letters; the database's own spelling stands for all of them.
        Ok(Self::with_changes(rules.iana_name().unwrap_or(name), offset_ms(&rules, start), changes))
    }

    /// `first_ms`: the offset before the first change. `changes`: from when on (ms) there is which offset (ms), in
    /// order.
    fn with_changes(name: &str, first_ms: i64, changes: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut last = Stretch { from_ms: i64::MIN, offset_ms: first_ms, begun: i32::MIN };
        let mut stretches = vec![last];
        for (from_ms, offset_ms) in changes {
            last = Stretch { from_ms, offset_ms, begun: last.day(from_ms - 1) };
            stretches.push(last);
        }
        Self { name: name.to_owned(), stretches }
    }

    /// The IANA name, as the database spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn stretch(&self, at_ms: i64) -> Stretch {
        // The first holds from the beginning of time. Zones that keep changing have some 150 changes still to come.
        let since = self.stretches.partition_point(|stretch| stretch.from_ms <= at_ms);
        self.stretches[since.saturating_sub(1)]
    }

    /// The calendar day on which `at` lies. A later instant never lies on an earlier day.
    pub fn day(&self, at: Timestamp) -> Day {
        Day(self.stretch(at.millis()).day(at.millis()))
    }

    /// The first instant of a day; of one that a clock jumped over, that of the day after it.
    pub fn day_start(&self, day: Day) -> Timestamp {
        // It begins in the last stretch before which it hadn't.
        let before = self.stretches.partition_point(|stretch| stretch.begun < day.0);
        let Stretch { from_ms, offset_ms, .. } = self.stretches[before.saturating_sub(1)];
        Timestamp::of_millis((i64::from(day.0) * DAY_MS - offset_ms).max(from_ms))
    }

    /// The same local time `months` calendar months later; on the month's last day where the month is shorter. Of a
    /// time that comes twice that day the earlier; one that is skipped is later by what is skipped, never on the day
    /// before.
    pub fn months_later(&self, at: Timestamp, months: u32) -> Timestamp {
        let local_ms = at.millis() + self.stretch(at.millis()).offset_ms;
        let (year, month, day) = civil_from_days(local_ms.div_euclid(DAY_MS));
        let total = year * 12 + (month - 1) + i64::from(months);
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        let day = day.min(days_in_month(year, month));
        self.instant(days_from_civil(year, month, day) * DAY_MS + local_ms.rem_euclid(DAY_MS))
    }

    /// The instant of a local time, which is given in milliseconds as if it were UTC. By the offset before a change of
    /// the clock where that change skips the time or brings it again.
    fn instant(&self, local_ms: i64) -> Timestamp {
        // No offset is two days.
        let since = self.stretches.partition_point(|stretch| stretch.from_ms <= local_ms - 2 * DAY_MS);
        let near = &self.stretches[since.saturating_sub(1)..];
        let mut offset_ms = near[0].offset_ms;
        for next in &near[1..] {
            if local_ms - next.offset_ms.max(offset_ms) < next.from_ms {
                break;
            }
            offset_ms = next.offset_ms;
        }
        Timestamp::of_millis(local_ms - offset_ms)
    }
}

impl Stretch {
    fn day(self, at_ms: i64) -> i32 {
        ((at_ms + self.offset_ms).div_euclid(DAY_MS) as i32).max(self.begun)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HOUR_MS, MINUTE_MS};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn days_and_months_are_those_of_the_zone() {
        let shanghai = Zone::new("Asia/Shanghai").unwrap();
        assert_eq!(shanghai.day(at("2026-03-01T15:59:59.999Z")), shanghai.day(at("2026-02-28T16:00:00Z")));
        let day = shanghai.day(at("2026-03-01T16:00:00Z"));
        assert_eq!(shanghai.day_start(day), at("2026-03-01T16:00:00Z"));
        assert_eq!(shanghai.months_later(at("2025-08-31T09:00:00+08:00"), 6), at("2026-02-28T09:00:00+08:00"));

        let berlin = Zone::new("Europe/Berlin").unwrap();
        let changeover = berlin.day(at("2026-10-25T10:00:00Z"));
        assert_eq!(berlin.day_start(changeover), at("2026-10-24T22:00:00Z"));
        assert_eq!(berlin.day_start(changeover.plus(1)), at("2026-10-25T23:00:00Z"));
        assert!(Zone::new("Asia/Atlantis").is_err());
    }

    #[test]
    fn a_day_that_has_no_midnight_starts_after_the_gap() {
        let zone = Zone::new("America/Sao_Paulo").unwrap(); // 2018-11-04 began at 01:00
        let day = zone.day(at("2018-11-04T12:00:00Z"));
        assert_eq!(zone.day_start(day), at("2018-11-04T03:00:00Z"));
        assert_eq!(zone.day(at("2018-11-04T02:59:59.999Z")), day.minus(1));
    }

    /// Zones whose clocks jump at midnight, by half an hour, over a whole day, or not at all.
    const ZONES: [&str; 9] = [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/Havana",
        "America/Sao_Paulo",
        "Asia/Amman",
        "Asia/Beirut",
        "Atlantic/Azores",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];

    #[test]
    fn a_day_starts_with_its_first_instant_in_every_zone() {
        for zone in ZONES.map(|name| Zone::new(name).unwrap()) {
            let mut day = zone.day(at("1995-01-01T12:00:00Z"));
            while day < zone.day(at("2040-01-01T12:00:00Z")) {
                let start = zone.day_start(day);
                assert!(zone.day(start.minus_millis(1)) < day, "{zone:?} {start}");
                // Samoa had no 30 December 2011: what would start then starts with the day after it.
                let started = zone.day(start);
                assert!(started == day || zone.name() == "Pacific/Apia" && started == day.plus(1), "{zone:?} {start}");
                day = day.plus(1);
            }
        }
    }

    #[test]
    fn a_day_that_has_begun_does_not_end_where_a_clock_is_set_back_over_midnight() {
        // 7 November 2010 began at 02:30Z, gave way to the 6th at 02:31Z, and began again at 03:30Z.
        let zone = Zone::new("America/St_Johns").unwrap();
        let day = zone.day(at("2010-11-07T12:00:00Z"));
        assert_eq!(zone.day(at("2010-11-07T02:29:59.999Z")), day.minus(1));
        for time in ["2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z", "2010-11-07T03:29:59Z", "2010-11-07T03:30:00Z"] {
            assert_eq!(zone.day(at(time)), day, "{time}");
        }
        assert_eq!(zone.day_start(day), at("2010-11-07T02:30:00Z"));
        assert_eq!(zone.day_start(day.plus(1)), at("2010-11-08T03:30:00Z"));
    }

    /// Instants around each change of a zone's clock: to a day before and after it, and at the midnights near it.
    fn around(zone: &Zone) -> Vec<Timestamp> {
        const NEAR: [i64; 9] = [0, 1, 1000, MINUTE_MS, HOUR_MS / 2, HOUR_MS, 3 * HOUR_MS, DAY_MS - 1, DAY_MS];
        let mut instants = Vec::new();
        for (index, change) in zone.stretches.iter().enumerate().skip(1) {
            let before = zone.stretches[index - 1].offset_ms;
            let midnights = [before, change.offset_ms].into_iter().flat_map(|offset_ms| {
                let midnight = (change.from_ms + offset_ms).div_euclid(DAY_MS) * DAY_MS - offset_ms;
                [midnight, midnight + DAY_MS]
            });
            for at in midnights.chain([change.from_ms]) {
                instants.extend(NEAR.into_iter().flat_map(|ms| [at - ms, at + ms]).map(Timestamp::of_millis));
            }
        }
        instants.sort_unstable();
        instants.dedup();
        instants
    }

    /// Any day is followed by a later one, and begins when it says.
    fn check_days(zone: &Zone, instants: &[Timestamp]) {
        let mut last = Day(i32::MIN);
        for &at in instants {
            let day = zone.day(at);
            assert!(day >= last, "{zone:?}: the day runs backwards at {at}");
            assert!(
                zone.day_start(day) <= at && at < zone.day_start(day.plus(1)),
                "{zone:?}: {at} is not within its day"
            );
            last = day;
        }
    }

    #[test]
    fn days_follow_one_another_in_every_zone_at_every_change_of_its_clock() {
        let (from, until) = (at("1990-01-01T00:00:00Z"), at("2038-01-01T00:00:00Z"));
        let mut zones = 0;
        let mut set_back_over_midnight = 0;
        for name in TimeZoneDatabase::bundled().available() {
            let zone = Zone::new(name.as_str()).unwrap();
            let mut instants = around(&zone);
            instants.retain(|at| (from..until).contains(at));
            check_days(&zone, &instants);
            let local = |stretch: &Stretch| (stretch.from_ms + stretch.offset_ms).div_euclid(DAY_MS) as i32;
            set_back_over_midnight +=
                usize::from(zone.stretches[1..].iter().any(|stretch| local(stretch) < stretch.begun));
            zones += 1;
        }
        assert!(zones > 400 && set_back_over_midnight >= 5, "{set_back_over_midnight} of {zones} zones");
    }

    proptest::proptest! {
        #[test]
        fn days_follow_one_another_whatever_a_clock_does(
            changes in proptest::collection::vec((1..40 * HOUR_MS, -26 * HOUR_MS..26 * HOUR_MS), 0..12),
        ) {
            let mut from_ms = 0;
            let changes = changes.into_iter().map(|(after, offset_ms)| {
                from_ms += after;
                (from_ms, offset_ms)
            });
            let zone = Zone::with_changes("any", 0, changes);
            let hours = (-50..600).map(|hours| Timestamp::of_millis(hours * HOUR_MS));
            let mut instants: Vec<_> = hours.chain(around(&zone)).collect();
            instants.sort_unstable();
            check_days(&zone, &instants);
        }
    }

    #[test]
    fn a_zone_bears_the_databases_spelling_of_its_name() {
        for (name, spelt) in [("asia/shanghai", "Asia/Shanghai"), ("EUROPE/BERLIN", "Europe/Berlin"), ("utc", "UTC")] {
            assert_eq!(Zone::new(name).unwrap().name(), spelt);
        }
        for name in TimeZoneDatabase::bundled().available() {
            assert_eq!(Zone::new(&name.as_str().to_lowercase()).unwrap().name(), name.as_str());
        }
    }

    #[test]
    fn months_later_is_never_on_the_day_before_where_a_clock_skips_that_time() {
        let cases = [
            // Midnight to one: ten past one of the same day.
            ("America/Sao_Paulo", "2018-05-04T00:10:00-03:00", "2018-11-04T03:10:00Z"),
            ("Europe/Berlin", "2025-09-29T02:30:00+02:00", "2026-03-29T01:30:00Z"),
            // Samoa had no 30 December 2011.
            ("Pacific/Apia", "2011-06-30T00:10:00-11:00", "2011-12-30T10:10:00Z"),
            ("Pacific/Apia", "2011-06-30T23:50:00-11:00", "2011-12-31T09:50:00Z"),
            // One that comes twice: the earlier.
            ("Europe/Berlin", "2026-04-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),
        ];
        for (zone, from, later) in cases {
            let zone = Zone::new(zone).unwrap();
            assert_eq!(zone.months_later(at(from), 6), at(later), "{zone:?} {from}");
        }
    }

    #[test]
    fn months_later_is_the_calendars_own() {
        for zone in ZONES.map(|name| Zone::new(name).unwrap()) {
            let rules = TimeZoneDatabase::bundled().get(zone.name()).unwrap();
            for n in 0..20_000i64 {
                // 19 h 7 min 13 s apart, so that every hour and every day of a month has its turn.
                let from = Timestamp::of_millis(n * 68_833_000);
                let local = |at: Timestamp| rules.to_datetime(jiff::Timestamp::from_millisecond(at.millis()).unwrap());
                let later = local(from).checked_add(jiff::Span::new().months(6)).unwrap();
                let instant = rules.to_timestamp(later).unwrap().as_millisecond();
                assert_eq!(zone.months_later(from, 6), Timestamp::of_millis(instant), "{zone:?} {from}");
            }
        }
    }
}
