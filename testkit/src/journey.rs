//! A realistic year (`tests/journey`): its events, and the outputs that any way of running them must give.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;

use crate::places::root;

/// The sources that the year has events of.
pub const SOURCES: [&str; 3] = ["app", "sms", "merchant"];
/// All events, each of which must be applied.
pub const EVENTS: u64 = 164_061;
/// Where the watermark moves at the end.
pub const UNTIL: &str = "2018-01-02T04:01:20+08:00";

pub fn file(name: &str) -> PathBuf {
    root().join("tests/journey").join(name)
}

/// The events of a source, one a line, in order of time.
pub fn events(source: &str) -> String {
    text(&format!("{source}.jsonl.gz"))
}

/// Panics unless these are the expected outputs, in the expected order for each user.
pub fn check_outputs(outputs: impl IntoIterator<Item = Value>) {
    let expected = by_user(expected());
    let got = by_user(outputs);
    for (user, expected) in &expected {
        let got = got.get(user).map(Vec::as_slice).unwrap_or_default();
        let compared: Vec<_> = got.iter().zip(expected).map(|(got, expected)| as_expected(got, expected)).collect();
        assert_eq!(&compared, expected, "{user}");
        assert_eq!(got.len(), expected.len(), "{user} has more outputs than expected");
    }
    assert_eq!(got.len(), expected.len(), "users of whom nothing was expected");
}

/// The outputs that any way of running it must give.
pub fn expected() -> Vec<Value> {
    text("outputs.jsonl.gz").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The fields that an expected output has, in its words.
pub fn as_expected(output: &Value, expected: &Value) -> Value {
    let fields = expected.as_object().unwrap().keys().map(|key| {
        let value = match (key.as_str(), &output[key]) {
            ("type", Value::String(name)) => name.trim_start_matches("tideline.").into(),
            (_, value) => value.clone(),
        };
        (key.clone(), value)
    });
    Value::Object(fields.collect())
}

/// In order of sequence, over all topics.
pub fn by_user(outputs: impl IntoIterator<Item = Value>) -> BTreeMap<String, Vec<Value>> {
    let mut users = BTreeMap::<_, Vec<_>>::new();
    for output in outputs {
        users.entry(output["user_id"].as_str().unwrap().to_owned()).or_default().push(output);
    }
    for outputs in users.values_mut() {
        outputs.sort_by_key(|output| output["sequence"].as_u64());
    }
    users
}

fn text(name: &str) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(file(name)).unwrap()).read_to_string(&mut text).unwrap();
    text
}
