//! Every type of the input contract, in every shape: the same event.

use serde_json::{Value, json};
use tideline::domain::{
    Body, Channel, Event, EventId, EventType, MessageEvent, Origin, Source, Timestamp, Token, UserId,
};
use tideline::ingest::{Decoded, Format};

use super::{TestMessage, decode, shapes};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn token(text: &str) -> Option<Token> {
    Some(Token::of(text))
}

const TIME: &str = "2026-03-01T08:15:30.2509+08:00";

/// A type, its data, and the body that must come of it.
fn table() -> Vec<(&'static str, Value, Body)> {
    let (coupon, amount, expires) = (Token::of("c9"), Some(500), Some(at("2026-04-01T00:00:00Z")));
    let coupon_data = json!({"coupon": "c9", "amount": 500, "expires": "2026-04-01T00:00:00Z"});
    let money = json!({"amount": 1200, "product": "p1", "loan_id": "l1", "auto": true});
    let (product, loan) = (token("p1"), token("l1"));
    let message = |event| Body::Message { event, campaign: token("24"), channel: Some(Channel::Phone) };
    let message_data = json!({"campaign": "24", "channel": "phone"});
    vec![
        ("app.downloaded", json!({}), Body::AppDownloaded),
        ("user.registered", json!({}), Body::UserRegistered),
        ("app.login", json!({"device": {"os": ["x", 1, null]}}), Body::AppLogin),
        ("app.viewed", json!({"category": "funds"}), Body::AppViewed { category: token("funds") }),
        ("app.uninstalled", json!({}), Body::AppUninstalled),
        ("card.bound", json!({"kind": "credit"}), Body::CardBound { credit: Some(true) }),
        ("card.bound", json!({"kind": "debit"}), Body::CardBound { credit: Some(false) }),
        ("card.bound", json!({}), Body::CardBound { credit: None }),
        (
            "payment.completed",
            json!({"amount": 0, "scene": "交通", "merchant": "m\"1\"\n", "coupon": "c9", "auto": true}),
            Body::PaymentCompleted {
                amount: 0,
                scene: token("交通"),
                merchant: token("m\"1\"\n"),
                coupon: token("c9"),
                auto: true,
            },
        ),
        (
            "payment.completed",
            json!({"amount": 1_000_000_000_000_000_i64, "scene": "", "auto": null}),
            Body::PaymentCompleted {
                amount: 1_000_000_000_000_000,
                scene: None,
                merchant: None,
                coupon: None,
                auto: false,
            },
        ),
        (
            "payment.refunded",
            json!({
                "original_id": "p1", "original_time": "2026-03-02T00:15:30Z", "amount": 9, "full": true, "auto": true,
            }),
            Body::PaymentRefunded {
                original: Some(EventId::refunded("p1")),
                original_time: at("2026-03-02T00:15:30Z"),
                amount: 9,
                full: true,
                auto: true,
            },
        ),
        (
            "payment.refunded",
            json!({"original_time": 1_700_000_000_000_i64, "amount": 9}),
            Body::PaymentRefunded {
                original: None,
                original_time: Timestamp::of_millis(1_700_000_000_000),
                amount: 9,
                full: false,
                auto: false,
            },
        ),
        ("wealth.bought", money.clone(), Body::WealthBought { amount: 1200, product, auto: true }),
        ("wealth.redeemed", money.clone(), Body::WealthRedeemed { amount: Some(1200), product }),
        ("wealth.redeemed", json!({}), Body::WealthRedeemed { amount: None, product: None }),
        ("loan.drawn", money.clone(), Body::LoanDrawn { amount: 1200, product, loan, auto: true }),
        ("loan.repaid", money.clone(), Body::LoanRepaid { amount: 1200, product, loan, auto: true }),
        ("bill.paid", money, Body::BillPaid { amount: 1200, product, auto: true }),
        (
            "loan.due_scheduled",
            json!({"due": "2036-03-02T00:15:30Z", "loan_id": ""}),
            Body::LoanDueScheduled { loan: None, due: at("2036-03-02T00:15:30Z") },
        ),
        ("coupon.issued", coupon_data.clone(), Body::CouponIssued { coupon, amount, expires }),
        ("coupon.redeemed", coupon_data.clone(), Body::CouponRedeemed { coupon, amount, expires }),
        ("coupon.expired", coupon_data, Body::CouponExpired { coupon, amount, expires }),
        ("checkin.done", json!({}), Body::CheckinDone),
        ("redpacket.opened", json!({"inviter": "u2"}), Body::RedpacketOpened { inviter: token("u2") }),
        ("course.joined", json!({}), Body::CourseJoined),
        ("course.completed", json!({}), Body::CourseCompleted),
        ("group.joined", json!({}), Body::GroupJoined),
        ("adviser.added", json!({}), Body::AdviserAdded),
        ("push.opened", json!({}), Body::PushOpened),
        ("push.permission_changed", json!({"granted": false}), Body::PushPermissionChanged { granted: false }),
        ("consent.changed", json!({"granted": true}), Body::ConsentChanged { granted: true }),
        (
            "survey.answered",
            json!({"max_per_month": u32::MAX, "preferred_channel": "carrier pigeon", "interests": ["travel"]}),
            Body::SurveyAnswered {
                max_per_month: Some(u32::MAX),
                preferred_channel: Some(Channel::Unknown),
                interests: token("travel"),
            },
        ),
        ("message.sent", message_data.clone(), message(MessageEvent::Sent)),
        ("message.delivered", message_data.clone(), message(MessageEvent::Delivered)),
        ("message.failed", message_data.clone(), message(MessageEvent::Failed)),
        ("message.clicked", message_data.clone(), message(MessageEvent::Clicked)),
        ("message.replied", message_data.clone(), message(MessageEvent::Replied)),
        ("message.opted_out", message_data, message(MessageEvent::OptedOut)),
        ("branch.visited", json!({}), Body::BranchVisited),
        ("telecom.package_subscribed", json!({}), Body::TelecomPackageSubscribed),
        ("telecom.package_cancelled", json!({}), Body::TelecomPackageCancelled),
        ("rebate.credited", json!({"amount": 3}), Body::RebateCredited { amount: Some(3) }),
        ("complaint.opened", json!({}), Body::ComplaintOpened),
        ("complaint.closed", json!({}), Body::ComplaintClosed),
        ("user.erased", json!({}), Body::UserErased),
        ("weather.changed", json!({"amount": "plenty", "granted": 7}), Body::Unknown),
    ]
}

#[test]
fn every_type_is_the_same_event_in_every_shape_and_from_every_source_that_may_send_it() {
    for (name, data, body) in table() {
        let sources = Source::ALL
            .into_iter()
            .filter(|source| EventType::parse(name).is_none_or(|event_type| event_type.allowed_from(*source)));
        for source in sources {
            let event = json!({"id": "e1", "user_id": "u1", "type": name, "time": TIME, "data": data});
            let expected = Event {
                id: EventId::new(source, "e1"),
                user: UserId::new("u1").unwrap(),
                source,
                time: at("2026-03-01T00:15:30.250Z"),
                channel: source.channel(),
                origin: Origin::Telecom,
                body,
            };
            for (shape, record, format) in shapes(&event) {
                let mut expected = expected;
                if shape.contains("cloudevents") || shape.contains("binary") {
                    expected.id = expected.id.within(Token::of("/somewhere/else"));
                }
                let decoded = decode(&record, source, format);
                assert_eq!(decoded, Decoded::Event { event: expected, origin: None }, "{name} as {shape}");
            }
        }
    }
}

#[test]
fn the_table_holds_every_type() {
    let names: std::collections::BTreeSet<_> = table().into_iter().map(|(name, ..)| name).collect();
    // The types of the contract, and an unknown one.
    assert_eq!(names.len(), 40 + 1);
}

#[test]
fn channel_and_origin_are_the_events_own_where_it_names_them() {
    let cases = [
        (json!({"channel": "wechat"}), Channel::Wechat, Origin::Telecom),
        (json!({"channel": "partner", "origin": "partner"}), Channel::Partner, Origin::Partner),
        (json!({"channel": "smoke signals", "origin": "own"}), Channel::Unknown, Origin::Own),
        (json!({"channel": "unknown"}), Channel::Unknown, Origin::Telecom),
    ];
    for (named, channel, origin) in cases {
        let mut event = json!({"id": "e1", "user_id": "u1", "type": "app.login", "time": 1_772_324_130_250_i64});
        event.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
        for (shape, record, format) in shapes(&event) {
            let Decoded::Event { event, .. } = decode(&record, Source::App, format) else {
                panic!("{named} as {shape}: not an event");
            };
            assert_eq!((event.channel, event.origin), (channel, origin), "{named} as {shape}");
            assert_eq!(event.time, at("2026-03-01T00:15:30.250Z"), "{shape}");
        }
    }
}

#[test]
fn members_come_in_any_order_and_of_a_name_given_twice_the_last_counts() {
    let plain = r#"{"id":"e1","user_id":"u1","type":"payment.completed","time":1772324130250,"data":{"amount":5}}"#;
    let same = [
        r#"{"data":{"amount":5},"time":1772324130250,"type":"payment.completed","user_id":"u1","id":"e1"}"#,
        r#" { "id" : "e0" , "id" : "e1", "user_id":"u1","type":"payment.completed","time":1772324130250,"data":{"amount":5}}"#,
        r#"{"data":{"amount":-1,"scene":"x"},"id":"e1","user_id":"u1","type":"payment.completed","time":1772324130250,"data":{"amount":5}}"#,
        r#"{"id":"e1","user_id":"u1","type":"payment.completed","time":1772324130250,"data":{"amount":"x","amount":5}}"#,
        r#"{"\u0069d":"\u00651","user_id":"\u0075\u0031","type":"payment\u002ecompleted","time":1772324130250,"data":{"am\u006funt":5}}"#,
        r#"{"id":"e1","user_id":"u1","type":"payment.completed","time":1772324130250,"data":{"amount":5},"more":[{"a":[1e999,-0.5,"\ud83d\ude00"]}]}"#,
        r#"{"id":"e1","user_id":"u1","channel":null,"origin":null,"type":"payment.completed","time":1772324130250,"data":{"amount":5,"scene":null}}"#,
    ];
    let expected = decode(&TestMessage::of_value(plain), Source::App, Format::Json);
    assert!(matches!(expected, Decoded::Event { .. }), "{expected:?}");
    for text in same {
        assert_eq!(decode(&TestMessage::of_value(text), Source::App, Format::Json), expected, "{text}");
    }
}

#[test]
fn interests_are_a_text_or_a_set_of_texts() {
    let body = |interests: Value| {
        let data = json!({"interests": interests});
        let event = json!({"id": "e1", "user_id": "u1", "type": "survey.answered", "time": TIME, "data": data});
        match decode(&TestMessage::of_value(event.to_string()), Source::App, Format::Json) {
            Decoded::Event { event, .. } => event.body,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(body(json!("travel")), body(json!(["travel"])));
    assert_eq!(body(json!(["a", "b"])), body(json!(["b", "a", "", null])));
    assert_ne!(body(json!(["a", "b"])), body(json!(["a", "c"])));
    assert_eq!(body(json!([])), body(json!(null)));
}

#[test]
fn ids_and_users_may_be_as_long_as_the_contract_says() {
    let event = json!({"id": "i".repeat(128), "user_id": "é".repeat(32), "type": "app.login", "time": TIME});
    for (shape, record, format) in shapes(&event) {
        let decoded = decode(&record, Source::App, format);
        let Decoded::Event { event, .. } = decoded else { panic!("{shape}: {decoded:?}") };
        assert_eq!(event.user.as_str(), "é".repeat(32), "{shape}");
    }
}
