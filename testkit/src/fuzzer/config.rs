//! The text of a configuration: sound, or refused with every fault named.

use rand::RngExt;
use tideline::config::{Config, ConfigError};
use tideline::engine::Engine;

use super::corpus::Corpus;
use super::{Random, Target, bytes, pick};
use crate::message::TestMessage;

const VALUES: [&str; 26] = [
    "",
    "0",
    "-1",
    "1",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "nan",
    "inf",
    "true",
    "\"\"",
    "\"0s\"",
    "\"18446744073709551615d\"",
    "\"36525d\"",
    "\"1023GiB\"",
    "\"app\"",
    "\"Europe/London\"",
    "\"\\u0000\"",
    "2026-03-01T00:00:00Z",
    "[]",
    "[[]]",
    "{}",
    "{ a = { b = [1] } }",
    "[{ name = \"x\", active_days = 1, windows = 4294967295 }]",
];

pub struct Text;

impl Target for Text {
    /// By lines; or anywhere.
    fn change(&self, input: &mut TestMessage, corpus: &Corpus, random: &mut Random) {
        let other = pick(random, &corpus.samples).value.as_deref().unwrap_or_default();
        let value = input.value.get_or_insert_default();
        for _ in 0..*pick(random, &[1, 1, 2, 3]) {
            let text = String::from_utf8_lossy(value).into_owned();
            let mut lines: Vec<&str> = text.lines().collect();
            if lines.is_empty() || random.random_ratio(1, 3) {
                bytes::change(value, other, random);
                continue;
            }
            let (at, to) = (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
            let changed;
            match random.random_range(0..6u8) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(to, lines[at]),
                2 => lines.swap(at, to),
                _ => {
                    let (name, _) = lines[at].split_once('=').unwrap_or((lines[at], ""));
                    changed = format!("{name}= {}", pick(random, &VALUES));
                    lines[at] = &changed;
                }
            }
            *value = lines.join("\n").into_bytes();
        }
    }

    fn check(&mut self, input: &TestMessage) -> Result<&'static str, String> {
        let Ok(text) = std::str::from_utf8(input.value.as_deref().unwrap_or_default()) else { return Ok("not UTF-8") };
        match Config::parse("fuzzed.toml", text) {
            Ok(config) => sound(&config),
            Err(ConfigError::NotToml { message, .. }) if !message.is_empty() => Ok("not TOML"),
            Err(ConfigError::Faulty { faults, .. })
                if faults.iter().any(|fault| fault.path.is_empty() || fault.what.is_empty()) =>
            {
                Err("a fault that says nothing".to_owned())
            }
            Err(ConfigError::Faulty { faults, .. }) if !faults.is_empty() => Ok("faulty"),
            Err(error) => Err(format!("refused without a reason: {error:?}")),
        }
    }
}

/// What is accepted can be run, and reads back as it was.
fn sound(config: &Config) -> Result<&'static str, String> {
    Engine::new(config.engine_settings()).map_err(|faults| format!("accepted, but {faults}"))?;
    config.input_specs();
    config.topic_names();
    let text = toml::to_string(config).map_err(|error| format!("accepted, but can't be written: {error}"))?;
    match Config::parse("again.toml", &text) {
        Ok(again) if again == *config => Ok("sound"),
        other => Err(format!("written and read again: {other:?}")),
    }
}
