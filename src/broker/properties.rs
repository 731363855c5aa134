//! Further properties of the client, as the configuration's `[kafka.client]` has them. A value may be a secret: it is
//! shown nowhere, and [`ClientProperties::without_values`] takes it out of what the client itself says.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// By name, as librdkafka has it. `Debug` shows the names only.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientProperties(BTreeMap<String, String>);

/// Stands where a value stood.
const HIDDEN: &str = "[hidden]";

/// Values that say nothing of anybody: those of librdkafka's own vocabulary. What the client logs is full of these
/// words.
const VOCABULARY: [&str; 33] = [
    "all",
    "broker",
    "cgrp",
    "consumer",
    "debug",
    "eos",
    "error",
    "false",
    "fetch",
    "gssapi",
    "http",
    "https",
    "msg",
    "none",
    "oauthbearer",
    "plain",
    "plaintext",
    "probe",
    "producer",
    "protocol",
    "queue",
    "sasl",
    "sasl_plaintext",
    "sasl_ssl",
    "scram-sha-256",
    "scram-sha-512",
    "security",
    "ssl",
    "telemetry",
    "topic",
    "true",
    "v4",
    "v6",
];

impl ClientProperties {
    /// Names and values, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a property; `None` where it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A text of the client's with every value taken out that could tell something: all but numbers and words of the
    /// client's own vocabulary; of a property whose name speaks of a secret those, too.
    pub fn without_values(&self, text: &str) -> String {
        let mut values: Vec<_> =
            self.iter().filter(|(name, value)| tells(name, value)).map(|(_, value)| value).collect();
        // The longest first: one may be part of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, value| without(&text, value))
    }
}

/// A short value is taken out where it stands alone: its letters are everywhere.
fn without(text: &str, value: &str) -> String {
    const SHORT: usize = 5;
    if value.len() > SHORT {
        return text.replace(value, HIDDEN);
    }
    let (mut left, mut from) = (String::new(), 0);
    for (start, found) in text.match_indices(value) {
        let end = start + found.len();
        let is_alone =
            !text[..start].ends_with(char::is_alphanumeric) && !text[end..].starts_with(char::is_alphanumeric);
        left.push_str(&text[from..start]);
        left.push_str(if is_alone { HIDDEN } else { found });
        from = end;
    }
    left + &text[from..]
}

fn tells(name: &str, value: &str) -> bool {
    let value = value.trim();
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let is_word = || value.split(',').all(|word| VOCABULARY.contains(&word.trim().to_ascii_lowercase().as_str()));
    !value.is_empty() && (is_secret(name) || !(is_number || is_word()))
}

/// Whether the name speaks of a secret.
fn is_secret(name: &str) -> bool {
    ["password", "secret", "username", ".pem", "token", "sasl.jaas"].iter().any(|part| name.contains(part))
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for ClientProperties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(properties: I) -> Self {
        Self(properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, HIDDEN))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_out_of_a_text_but_not_the_words_of_the_client() {
        let properties: ClientProperties = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.username", "tideline"),
            ("sasl.password", "1234"),
            ("ssl.key.location", "/etc/keys/tideline.key"),
            ("socket.timeout.ms", "6000"),
        ]
        .into_iter()
        .collect();
        let text = "sasl_ssl://b:9092: 6000: /etc/keys/tideline.key: no such file (tideline, 1234, not 12345)";
        assert_eq!(
            properties.without_values(text),
            "sasl_ssl://b:9092: 6000: [hidden]: no such file ([hidden], [hidden], not 12345)"
        );
        assert_eq!(
            format!("{properties:?}"),
            "{\"sasl.password\": \"[hidden]\", \"sasl.username\": \"[hidden]\", \"security.protocol\": \"[hidden]\", \
             \"socket.timeout.ms\": \"[hidden]\", \"ssl.key.location\": \"[hidden]\"}"
        );
    }
}
