//! The facts about a user: a file, a tag and a row of the table below each.
//!
//! A fact folds events into what it keeps, made of the ways in [`super::keep`], so that any interleaving of the same
//! events within the horizon leaves the same. It says what it affected ([`Affected`]). Its bytes are a section of the
//! user's value, written only where the fact is not empty: a user of whom it says nothing pays nothing for it.
//!
//! A new fact is its file and its row. Tags are never used again, nor given another meaning; a program that doesn't
//! know a section refuses the value by its tag.
//!
//! Must not know: rules, what was announced, each other.

mod activity;
mod first_seen;
mod loans;
mod registered;

pub use activity::{DayBucket, History};
pub use first_seen::FirstSeen;
pub use loans::{Loan, Loans};
pub use registered::Registered;

use super::varint::Reader;
use super::{Affected, StateError};
use crate::domain::{Day, Event, Texts, Timestamp, Zone};

/// What is kept of some kind of events.
trait Fact {
    /// Folds an event that was not seen before.
    fn fold(&mut self, event: &Event, moment: &Moment<'_>) -> Affected;

    /// Lets go of what lies on days up to and including `edge`, which have left the user's history. After each event.
    fn leave(&mut self, _edge: Day) {}

    /// Whether it says nothing: then it has no section.
    fn is_empty(&self) -> bool;

    /// Appends its section, where it is not empty. Times relative to `base` (ms), the user's newest event time.
    fn put(&self, out: &mut Vec<u8>, base: i64);

    /// Reads what [`Self::put`] wrote with the same `base`, in place of what is there, whose memory it uses again.
    ///
    /// # Errors
    /// The bytes end early, or are none that a fold can leave.
    fn read(&mut self, from: &mut Reader<'_>, base: i64) -> Result<(), StateError>;

    /// Makes it empty.
    fn clear(&mut self);
}

/// The facts with their tags, in order of tag. Of each row follow a field of [`Facts`], its fold and its section.
macro_rules! facts {
    ($($(#[$doc:meta])* $tag:literal $name:ident: $fact:ty,)+) => {
        /// All facts about a user.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Facts {
            $($(#[$doc])* pub $name: $fact,)+
        }

        impl Facts {
            /// The tags that are known, as [`Self::sections`] has them.
            pub(super) const KNOWN: u64 = $(1 << $tag)|+;

            /// Folds an event into every fact.
            pub(super) fn fold(&mut self, event: &Event, moment: &Moment<'_>) -> Affected {
                let mut affected = Affected::NONE;
                $(affected |= self.$name.fold(event, moment);)+
                $(self.$name.leave(moment.edge);)+
                affected
            }

            /// The tags of the facts that are not empty, a bit each.
            #[inline]
            pub(super) fn sections(&self) -> u64 {
                $(u64::from(!self.$name.is_empty()) << $tag)|+
            }

            /// Appends the sections that there are, in order of tag.
            #[inline]
            pub(super) fn put(&self, sections: u64, out: &mut Vec<u8>, base: i64) {
                $(if sections >> $tag & 1 != 0 {
                    self.$name.put(out, base);
                })+
            }

            /// Reads those sections; facts without one become empty.
            #[inline]
            pub(super) fn read(
                &mut self,
                sections: u64,
                from: &mut Reader<'_>,
                base: i64,
            ) -> Result<(), StateError> {
                $(if sections >> $tag & 1 != 0 {
                    self.$name.read(from, base)?;
                } else {
                    self.$name.clear();
                })+
                Ok(())
            }
        }

        #[cfg(test)]
        const TAGS: &[u32] = &[$($tag),+];
    };
}

facts! {
    /// The first registration.
    0 registered: Registered,
    /// The first event other than `message.*`.
    1 first_seen: FirstSeen,
    /// What was done on which day.
    2 history: History,
    /// The loans, with their schedules and repayments.
    3 loans: Loans,
}

/// What facts fold an event with: days, and the texts of its record.
pub struct Moment<'a> {
    /// Days up to and including this one have left the user's history.
    pub edge: Day,
    newest: Timestamp,
    newest_day: Day,
    zone: &'a Zone,
    /// What the event does not hold: its record's texts.
    pub texts: &'a dyn Texts,
}

impl<'a> Moment<'a> {
    /// `newest`: the user's newest event time, with the event. `texts`: of the event's record.
    pub fn new(newest: Timestamp, zone: &'a Zone, texts: &'a dyn Texts) -> Self {
        let newest_day = zone.day(newest);
        Self { edge: newest_day.minus(History::HORIZON_DAYS), newest, newest_day, zone, texts }
    }

    /// The calendar day of an instant.
    #[inline]
    pub fn day(&self, at: Timestamp) -> Day {
        // Nearly every event is its user's newest.
        if at == self.newest { self.newest_day } else { self.zone.day(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Body, EventId, MessageEvent, Origin, Source, TextField, Token, UserId};

    /// As a fact of the profile will keep it: the text of the latest campaign.
    #[derive(Debug, Default)]
    struct LastCampaign(Option<(Timestamp, String)>);

    impl Fact for LastCampaign {
        fn fold(&mut self, event: &Event, moment: &Moment<'_>) -> Affected {
            if let Body::Message { campaign: Some(_), .. } = event.body {
                moment.texts.each(TextField::Campaign, &mut |text| {
                    self.0 = self.0.take().max(Some((event.time, text.to_owned())));
                });
            }
            Affected::NONE
        }

        fn is_empty(&self) -> bool {
            self.0.is_none()
        }

        fn put(&self, _out: &mut Vec<u8>, _base: i64) {}

        fn read(&mut self, _from: &mut Reader<'_>, _base: i64) -> Result<(), StateError> {
            Ok(())
        }

        fn clear(&mut self) {
            self.0 = None;
        }
    }

    /// A record of that campaign.
    struct Campaign(Option<&'static str>);

    impl Texts for Campaign {
        fn each(&self, _field: TextField, visit: &mut dyn FnMut(&str)) {
            visit(self.0.expect("an event without a text asks for none"));
        }
    }

    #[test]
    fn a_fact_reads_the_texts_of_a_record_and_of_one_without_any_nothing() {
        let zone = Zone::new("UTC").unwrap();
        let event = |millis, campaign| Event {
            id: EventId(1),
            user: UserId::new("u").unwrap(),
            source: Source::Sms,
            time: Timestamp::of_millis(millis),
            channel: Source::Sms.channel(),
            origin: Origin::Own,
            body: Body::Message { event: MessageEvent::Sent, campaign, channel: None },
        };
        let mut fact = LastCampaign::default();
        for (millis, campaign) in [(5, Some("spring")), (3, Some("winter")), (9, None)] {
            let event = event(millis, campaign.map(Token::of));
            fact.fold(&event, &Moment::new(event.time, &zone, &Campaign(campaign)));
        }
        assert_eq!(fact.0, Some((Timestamp::of_millis(5), "spring".to_owned())));
    }

    #[test]
    fn tags_are_in_order_and_have_room_in_a_word() {
        assert!(TAGS.is_sorted_by(|a, b| a < b), "{TAGS:?}");
        assert!(TAGS.iter().all(|tag| *tag < 63));
    }
}
