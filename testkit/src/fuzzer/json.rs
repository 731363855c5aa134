//! Changes of a JSON object that leave it one: other members, other values.

use rand::RngExt;
use serde_json::{Map, Value, json};
use tideline::domain::Timestamp;

use super::record::{CHANNELS, ORIGINS, TYPES, id, time, user};
use super::{Random, bytes, pick};

const ROOT: [&str; 10] =
    ["id", "user_id", "subject", "type", "time", "channel", "origin", "data", "specversion", "datacontenttype"];

const DATA: [&str; 22] = [
    "amount",
    "scene",
    "merchant",
    "coupon",
    "auto",
    "product",
    "loan_id",
    "original_id",
    "original_time",
    "full",
    "due",
    "kind",
    "expires",
    "campaign",
    "channel",
    "granted",
    "max_per_month",
    "preferred_channel",
    "interests",
    "inviter",
    "category",
    "",
];

/// One change of the object or of its `data`; nothing where there is no object. `is_data`: the value is the data alone.
pub fn change(value: &mut Vec<u8>, is_data: bool, now: Timestamp, random: &mut Random) {
    let Ok(mut object) = serde_json::from_slice::<Map<String, Value>>(value) else { return };
    match random.random_range(0..10u8) {
        0..5 if is_data => give_data(&mut object, now, random),
        0..5 => retell(&mut object, now, random),
        5 => {
            *value = tell_twice(&object, now, random);
            return;
        }
        _ => {
            let inner = object.get_mut("data").filter(|_| random.random_ratio(2, 3)).and_then(Value::as_object_mut);
            let names = if is_data || inner.is_some() { &DATA[..] } else { &ROOT[..] };
            match inner {
                Some(inner) => spoil(inner, names, now, random),
                None => spoil(&mut object, names, now, random),
            }
        }
    }
    *value = Value::Object(object).to_string().into_bytes();
}

/// Another event that is as good: another user, id, time, type, with what the type asks for.
fn retell(object: &mut Map<String, Value>, now: Timestamp, random: &mut Random) {
    let user_name = if object.contains_key("subject") { "subject" } else { "user_id" };
    object.insert(user_name.to_owned(), json!(user(random)));
    object.insert("id".to_owned(), json!(id(random)));
    object.insert("time".to_owned(), instant(now, random));
    if random.random_ratio(1, 2) {
        object.insert("type".to_owned(), json!(pick(random, &TYPES)));
    }
    if random.random_ratio(1, 8) {
        object.insert("channel".to_owned(), json!(pick(random, &CHANNELS)));
        object.insert("origin".to_owned(), json!(pick(random, &ORIGINS)));
    }
    let data = object.entry("data").or_insert_with(|| json!({}));
    if let Some(data) = data.as_object_mut() {
        give_data(data, now, random);
    }
}

/// What any type may ask for.
fn give_data(data: &mut Map<String, Value>, now: Timestamp, random: &mut Random) {
    for (name, value) in [
        ("amount", json!(random.random_range(0..100_000))),
        ("scene", json!(format!("s{}", random.random_range(0..99)))),
        ("coupon", json!("c")),
        ("original_time", instant(now, random)),
        ("original_id", json!(id(random))),
        ("full", json!(random.random::<bool>())),
        ("due", json!(time(now, random).plus_millis(random.random_range(0..10_000_000_000)).to_string())),
        ("loan_id", json!(format!("l{}", random.random_range(0..12)))),
        ("granted", json!(random.random::<bool>())),
        ("auto", json!(random.random_ratio(1, 8))),
    ] {
        data.insert(name.to_owned(), value);
    }
}

fn instant(now: Timestamp, random: &mut Random) -> Value {
    let time = time(now, random);
    if random.random() { json!(time) } else { json!(time.millis()) }
}

/// Takes a member away, or puts in another value, under this or another name.
fn spoil(object: &mut Map<String, Value>, names: &[&str], now: Timestamp, random: &mut Random) {
    let known: Vec<String> = object.keys().cloned().collect();
    let name = if known.is_empty() || random.random_ratio(1, 4) {
        (*pick(random, names)).to_owned()
    } else {
        pick(random, &known).clone()
    };
    if random.random_ratio(1, 4) {
        object.remove(&name);
    } else {
        object.insert(name, any_value(now, random));
    }
}

fn any_value(now: Timestamp, random: &mut Random) -> Value {
    match random.random_range(0..14u8) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!("x".repeat(*pick(random, &[63, 64, 65, 128, 129, 300]))),
        3 => json!(pick(random, &bytes::TIMES)),
        4 => json!(random.random::<bool>()),
        5 => json!([]),
        6 => json!(["a", "", null, 1, ["b"], {"c": 1}]),
        7 => json!({}),
        8 => json!({"amount": {"amount": 1}}),
        9 => json!("\u{0}\u{1f30a}\"\\\n"),
        10 => instant(now, random),
        11 => json!(random.random::<f64>()),
        _ => {
            let number = *pick(random, &bytes::NUMBERS);
            serde_json::from_str(number).unwrap_or(json!(i64::MIN))
        }
    }
}

/// The object with one of its names given once more, before or after.
fn tell_twice(object: &Map<String, Value>, now: Timestamp, random: &mut Random) -> Vec<u8> {
    let text = Value::Object(object.clone()).to_string();
    let names: Vec<&String> = object.keys().collect();
    if names.is_empty() {
        return text.into_bytes();
    }
    let again = format!("{}:{}", json!(pick(random, &names)), any_value(now, random));
    let members = &text[1..text.len() - 1];
    let (first, second) = if random.random() { (members, again.as_str()) } else { (again.as_str(), members) };
    format!("{{{first},{second}}}").into_bytes()
}
