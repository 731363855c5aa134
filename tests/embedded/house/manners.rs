//! Small rules of single files: `unsafe`, shared code, clients, laws of the conformance suite, dependencies.

use std::fs;

use super::offence::Offence;
use super::root;
use super::source::Source;

/// `unsafe` outside of the client's edge.
pub fn unsafe_code(sources: &[Source]) -> Vec<Offence> {
    const NATIVE: &str = "src/broker/kafka/native";
    // What counts allocations, and what the client is measured against, by its own calls.
    const BENCHES: [&str; 3] = ["benches/end_to_end/bare.rs", "benches/end_to_end/calls.rs", "benches/instructions.rs"];
    let mut offences = Vec::new();
    let others = sources.iter().filter(|source| !source.path.starts_with(NATIVE));
    for source in others.filter(|source| !BENCHES.contains(&&*source.path)) {
        if let Some((_, line)) = source.facts.names.iter().find(|(name, _)| name == "unsafe") {
            let text = format!("`unsafe` lives in {NATIVE} alone: call what is there");
            offences.push(Offence::of_file(&source.path, *line, text));
        }
    }
    offences
}

/// Files that are compiled twice, and code that nobody calls.
pub fn shared_code(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.path != "tests/embedded/house/manners.rs") {
        for (line, number) in source.text.lines().zip(1..) {
            let line: String = line.split_whitespace().collect();
            let text = if line.starts_with("#[path=") {
                "a module lies where its name says; what tests share lies in testkit/"
            } else if line.contains("allow(dead_code") {
                "strike what nobody calls; what tests share lies in testkit/"
            } else {
                continue;
            };
            offences.push(Offence::of_file(&source.path, number, text.to_owned()));
        }
    }
    offences
}

/// Ways to make a client that would log its properties, one of which may be a password.
pub fn talkative_clients(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src/broker/kafka")) {
        let code = source.code().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in code {
            for banned in [".create()", "Context::default()", "ProducerWatch::default()", "from_config("] {
                if line.contains(banned) {
                    let text = format!("`{banned}` shows the properties of a client: use `of(settings)`");
                    offences.push(Offence::of_file(&source.path, number, text));
                }
            }
        }
    }
    offences
}

/// Laws of the conformance suite that no broker is held to.
pub fn unlisted_laws(sources: &[Source]) -> Vec<Offence> {
    let Some(suite) = sources.iter().find(|source| source.path == "testkit/src/conformance.rs") else {
        return Vec::new();
    };
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("testkit/src/conformance")) {
        let name = source.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
        for law in source.facts.functions.iter().filter(|law| law.is_public && law.takes_nothing) {
            let listed = format!("{name}::{},", law.name);
            if !suite.text.lines().any(|line| line.trim() == listed) {
                let text = format!("a law that no broker is held to: add `{listed}` to conformance_suite");
                offences.push(Offence::of_file(&source.path, law.line, text));
            }
        }
    }
    offences
}

#[test]
fn the_program_is_built_without_the_testkit() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let of_section = |name: &str| {
        let sections = manifest.split("\n[").filter(|section| section.starts_with(&format!("{name}]")));
        sections.collect::<String>()
    };
    assert!(of_section("dev-dependencies").contains("tideline-testkit"));
    assert!(!of_section("dependencies").contains("testkit"), "the program would be built with what tests need");
}

/// Dependencies of the pure half that know the world.
fn worldly_dependencies(manifest: &str) -> Vec<&str> {
    const WORLD: [&str; 14] = [
        "axum",
        "crossterm",
        "dashmap",
        "hyper",
        "hyper-util",
        "metrics",
        "metrics-exporter-prometheus",
        "rand",
        "ratatui",
        "rdkafka",
        "rdkafka-sys",
        "rustix",
        "tokio",
        "tracing",
    ];
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let needed = section.lines().filter(|line| !line.contains("optional = true"));
    needed.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).filter(|name| WORLD.contains(name)).collect()
}

#[test]
fn the_pure_half_is_built_without_the_world() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert_eq!(worldly_dependencies(&manifest), [""; 0], "make them optional, and name them in the feature `shell`");
    let bad = "[dependencies]\naxum = { version = \"1\", optional = true }\ntokio = \"1\"\n";
    assert_eq!(worldly_dependencies(&format!("[features]\n\n{bad}")), ["tokio"]);
}

#[test]
fn bad_manners_are_found() {
    let of = |path: &str, text: &str| vec![Source::of(path, text)];
    assert_eq!(unsafe_code(&of("src/a.rs", "// unsafe\nfn f() { m!(unsafe { x }); }"))[0].line, 2);
    assert_eq!(unsafe_code(&of("src/a.rs", "// unsafe\nconst UNSAFE: &str = \"unsafe\";")), []);
    assert_eq!(unsafe_code(&of("src/broker/kafka/native.rs", "unsafe fn f() {}")), []);
    assert_eq!(
        shared_code(&of(
            "tests/a.rs",
            "#[path = \"b.rs\"]\nmod b;\n#[allow(dead_code, reason = \"\")]\nmod \
        c;"
        ))
        .len(),
        2
    );
    assert_eq!(talkative_clients(&of("src/broker/kafka/a.rs", "fn f() { config.create(); }")).len(), 1);
    let suite = Source::of("testkit/src/conformance.rs", "suite! {\n    topics::a,\n}");
    let laws = Source::of(
        "testkit/src/conformance/topics.rs",
        "pub fn a<H>() {}\npub fn b<H>() {}\npub fn help(n: u8) \
        {}",
    );
    let found: Vec<_> = unlisted_laws(&[suite, laws]).into_iter().map(|offence| offence.line).collect();
    assert_eq!(found, [2]);
}
