//! Who may know the world: which files may name clocks, threads, sockets, the client, the environment, randomness.

use super::offence::Offence;
use super::paths::Named;
use super::source::Source;

/// The pure half: these top-level modules take time as a value and return effects as data.
pub const PURE: [&str; 13] = [
    "domain", "emit", "engine", "generate", "guard", "ingest", "merge", "nearest", "pipeline", "record", "rules",
    "settings", "state",
];
/// What a pure file must not name.
const WORLD: [&str; 32] = [
    "axum",
    "crossterm",
    "dashmap",
    "foldhash::fast::RandomState",
    "foldhash::quality::RandomState",
    "getrandom",
    "hyper",
    "hyper_util",
    "indicatif",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "jiff::tz::TimeZone::system",
    "metrics",
    "metrics_exporter_prometheus",
    "rand",
    "rand_chacha",
    "ratatui",
    "rdkafka",
    "rdkafka_sys",
    "rustix",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map::RandomState",
    "std::env",
    "std::fs",
    "std::hash::RandomState",
    "std::net",
    "std::process",
    "std::thread",
    "tokio",
    "tracing",
    "tracing_subscriber",
];
const CLOCKS: [&str; 3] = ["std::time::Instant", "std::time::SystemTime", "std::time::UNIX_EPOCH"];

/// Modules that are called pure and are not there: what was held to the ban has moved.
pub fn missing(sources: &[Source]) -> Vec<&'static str> {
    let is_there = |name: &&str| sources.iter().filter_map(|it| it.module.as_ref()?.first()).any(|top| top == name);
    PURE.into_iter().filter(|name| !is_there(name)).collect()
}

/// What the pure half names of the world, or of the modules that know it.
pub fn half(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (source, top) in sources.iter().filter_map(|source| Some((source, source.module.as_ref()?.first()?))) {
        if !PURE.contains(&top.as_str()) {
            continue;
        }
        for named in &source.named {
            // Generated users are drawn from a seed that is given: no randomness, and the one use of a generator.
            let is_drawn = source.path == "src/generate/draw.rs" && named.starts_with("rand_chacha");
            let other = named.path.get(1).filter(|_| named.path[0] == "crate");
            let is_known = other.is_none_or(|other| PURE.contains(&other.as_str()) || is_item_of_root(sources, other));
            if (is_world(named) && !is_drawn) || !is_known {
                let advice = "the pure half takes time as a value and gives effects as data: take what it needs as an \
                    argument";
                offences.push(offence(source, named, advice));
            }
        }
    }
    offences
}

/// Files elsewhere that call themselves pure in their header.
pub fn claims(sources: &[Source]) -> Vec<&Source> {
    sources.iter().filter(|source| source.is_in("src") && claims_to_be_pure(&source.header().join(" "))).collect()
}

/// What a file names of the world, although it calls itself pure.
pub fn claimed(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in claims(sources) {
        for named in &source.named {
            // What judges the client's errors must name them.
            let is_client = source.is_in("src/broker/kafka") && named.starts_with("rdkafka");
            if is_world(named) && !is_client {
                offences.push(offence(source, named, "its header calls it pure: take what it needs as an argument"));
            }
        }
    }
    offences
}

/// What the embedded log names of clocks and threads: it keeps no time but what it is given.
pub fn timeless(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src/broker/memory")) {
        let banned =
            |named: &&Named| is_any(named, &CLOCKS) || is_any(named, &["std::thread", "std::env", "tokio", "rand"]);
        let found = source.named.iter().filter(banned);
        offences.extend(found.map(|named| {
            offence(
                source,
                named,
                "the embedded log keeps no time: take it as a \
            value",
            )
        }));
    }
    offences
}

/// Who names the client of Kafka outside of its folder.
pub fn client(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src") && !source.is_in("src/broker/kafka")) {
        let found = source.named.iter().filter(|named| is_any(named, &["rdkafka", "rdkafka_sys"]));
        offences.extend(found.map(|named| {
            offence(
                source,
                named,
                "the client lives in src/broker/kafka: go by the \
            seam",
            )
        }));
    }
    offences
}

fn offence(source: &Source, named: &Named, advice: &str) -> Offence {
    let name = named.text();
    Offence {
        file: source.path.clone(),
        line: named.line,
        keys: vec![source.path.clone(), format!("{} {name}", source.path)],
        text: format!("names `{name}`; {advice}"),
    }
}

fn is_world(named: &Named) -> bool {
    is_any(named, &WORLD) || is_any(named, &CLOCKS)
}

fn is_any(named: &Named, banned: &[&str]) -> bool {
    // A single name that is not imported is a variable, or an item of the file.
    (named.path.len() > 1 || named.alias.is_some()) && banned.iter().any(|banned| named.starts_with(banned))
}

/// What `crate::` names is an item of `lib.rs`, such as an exported macro, and no module.
fn is_item_of_root(sources: &[Source], name: &str) -> bool {
    !sources.iter().filter_map(|source| source.module.as_ref()?.first()).any(|module| module == name)
}

/// "Pure" as a sentence, or as what a sentence says of the file; not of something else that it mentions.
fn claims_to_be_pure(header: &str) -> bool {
    let header = header.to_lowercase();
    header.match_indices("pure").any(|(at, word)| {
        let (before, after) = (header[..at].trim_end(), &header[at + word.len()..]);
        (before.is_empty() || before.ends_with(['.', ':']))
            && ([":", ".", ","].iter().any(|end| after.starts_with(end)) || after.starts_with(" judgement"))
    })
}

#[test]
fn the_world_is_found_in_a_pure_file() {
    let of = |text: &str| {
        let root = ("src/lib.rs", "mod engine; mod runtime; mod domain;");
        half(&Source::crate_of(&[
            root,
            ("src/engine/mod.rs", text),
            ("src/runtime/mod.rs", ""),
            ("src/domain/mod.rs", ""),
        ]))
    };
    for bad in [
        "use std::time::{Duration, Instant};",
        "fn f() { let t = std::time::SystemTime::now(); }",
        "use std::time; fn f() { time::Instant::now(); }",
        "fn f() { tracing::info!(\"x\"); }",
        "fn f() { assert!(std::env::var(\"X\").is_ok()); }",
        "#[cfg(test)]\nfn before() {}\nuse tokio::sync::Mutex;",
        "use crate::runtime::Board;",
        "use super::runtime;",
        "use rand::RngExt;",
        "use metrics::counter;",
        "use std::collections::HashMap;",
    ] {
        assert_eq!(of(bad).len(), 1, "{bad}: {:?}", of(bad));
    }
    for good in [
        "use crate::domain::Timestamp; use std::time::Duration;",
        "#[cfg(test)]\nmod tests { use std::time::Instant; }",
        "fn f(metrics: u8) -> u8 { metrics }",
        "// std::time::Instant\nconst A: &str = \"tokio\";",
    ] {
        assert_eq!(of(good), [], "{good}");
    }
}

#[test]
fn a_claim_to_be_pure_is_held_to() {
    let of = |path: &str, text: &str| claimed(&[Source::of(path, text)]).len();
    assert_eq!(of("src/runtime/a.rs", "//! Judges. Pure: time comes in.\nuse std::time::Instant;"), 1);
    assert_eq!(of("src/runtime/a.rs", "//! Who may go on: pure judgements.\nuse std::thread;"), 1);
    assert_eq!(of("src/runtime/a.rs", "//! `a` (pure judgements) and `b`.\nuse std::thread;"), 0);
    assert_eq!(of("src/broker/kafka/a.rs", "//! Pure.\nuse rdkafka::error::KafkaError;"), 0);
    assert_eq!(timeless(&[Source::of("src/broker/memory/a.rs", "use std::time::Instant;")]).len(), 1);
    assert_eq!(client(&[Source::of("src/runtime/a.rs", "fn f() -> rdkafka::X { todo!() }")]).len(), 1);
}
