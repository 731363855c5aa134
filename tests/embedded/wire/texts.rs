//! From a record to the fold: the texts that an event does not hold are read from its record when they are asked for.

use serde_json::{Value, json};
use tideline::domain::{Body, EventWithTexts, Input, Source, TextField, Texts};
use tideline::engine::{Disposition, Handled};
use tideline::ingest::{Decoded, Decoder};
use tideline::rules::Rules;

use super::{MAX_SKEW_MS, coordinates, decode, input, shapes};

/// What a field of an event's record holds, in every shape.
fn texts(event: &Value, source: Source, field: TextField) -> Vec<(&'static str, Vec<String>)> {
    let each = |(shape, record, format)| {
        let decoded = decode(&record, source, format);
        assert!(matches!(decoded, Decoded::Event { .. }), "{shape}: {decoded:?}");
        let decoder = Decoder::new(input(source, format), 1, MAX_SKEW_MS);
        let mut found = Vec::new();
        decoder.texts(&record).each(field, &mut |text| found.push(text.to_owned()));
        (shape, found)
    };
    shapes(event).into_iter().map(each).collect()
}

fn event(name: &str, data: Value) -> Value {
    json!({"id": "e1", "user_id": "u1", "type": name, "time": "2026-03-01T00:00:00Z", "data": data})
}

#[test]
fn a_campaign_is_read_from_its_record_in_every_shape() {
    for campaign in ["spring", "\"Frühling\"\n 春", ""] {
        let sent = event("message.sent", json!({"campaign": campaign, "channel": "sms"}));
        let expected: Vec<_> = [campaign].into_iter().filter(|text| !text.is_empty()).collect();
        for (shape, found) in texts(&sent, Source::Sms, TextField::Campaign) {
            assert_eq!(found, expected, "{shape}");
        }
    }
}

#[test]
fn interests_are_read_from_their_record_one_or_several() {
    for (interests, expected) in [
        (json!(["travel", "funds"]), vec!["travel", "funds"]),
        (json!(["travel"]), vec!["travel"]),
        (json!([]), vec![]),
    ] {
        let answer = event("survey.answered", json!({"interests": interests, "max_per_month": 4}));
        for (shape, found) in texts(&answer, Source::App, TextField::Interests) {
            assert_eq!(found, expected, "{shape}");
        }
    }
}

/// Texts that nobody may ask for.
struct Unread;

impl Texts for Unread {
    fn each(&self, field: TextField, _visit: &mut dyn FnMut(&str)) {
        panic!("{field:?} is asked for");
    }
}

#[test]
fn an_event_without_texts_is_folded_without_a_look_at_its_record() {
    let mut partition = super::super::core::partition(super::super::core::settings(Rules::default()));
    for (shape, record, format) in shapes(&event("payment.completed", json!({"amount": 5, "scene": "food"}))) {
        let Decoded::Event { event, .. } = decode(&record, Source::App, format) else { panic!("{shape}") };
        assert!(matches!(event.body, Body::PaymentCompleted { .. }), "{shape}");
        let told = EventWithTexts { event: &event, texts: &Unread };
        let at = coordinates("events", 0, 0);
        let handled = partition.handle_event(Input(0), told, &at, &mut Vec::new()).unwrap();
        assert!(
            matches!(handled, Handled::Done(Disposition::Applied | Disposition::Duplicate)),
            "{shape}: {handled:?}"
        );
    }
}
