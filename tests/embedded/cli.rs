//! The command line as its user meets it: by running the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the binary with nothing on its standard input.
fn tideline(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tideline")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A file with that text in a folder that lives as long as the test.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn flags_that_are_not_understood_exit_with_2() {
    for args in [&["sail"][..], &["check", "--colour"], &["check", "--config"], &[]] {
        let output = tideline(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for args in [["--help"], ["--version"]] {
        let output = tideline(&args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(stdout(&output).contains("tideline"), "{args:?}");
    }
}

#[test]
fn the_help_of_demo_says_what_it_does_not_take_from_the_configuration() {
    let output = tideline(&["demo", "--help"]);
    assert!(stdout(&output).contains("telemetry.listen has no effect"), "{}", stdout(&output));
}

#[test]
fn a_sound_configuration_is_said_to_be_sound() {
    for args in [&["check"][..], &["check", "--config", "deploy/config.example.toml"]] {
        let output = tideline(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let sound = format!(": sound. Instance {host} of tideline, 4 inputs on 8 partitions");
        assert!(stdout(&output).contains(&sound), "{}", stdout(&output));
    }
}

#[test]
fn a_bad_configuration_exits_with_2_and_names_every_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "bad.toml",
        "[stream]\nmax_effects = 0\n[rules]\nconfidence = 2.0\n[topics]\npartitions = 0",
    );
    let output = tideline(&["check", "--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for fault in ["stream.max_effects: ", "rules.confidence: ", "topics.partitions: ", "bad.toml has "] {
        assert!(text.contains(fault), "{fault:?} is missing in {text}");
    }
}

#[test]
fn a_configuration_that_is_not_there_exits_with_2_and_is_named() {
    let output = tideline(&["check", "--config", "no/such.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: cannot read the configuration no/such.toml: "), "{}", stderr(&output));
}

#[cfg(feature = "kafka")]
#[test]
fn a_cluster_that_does_not_answer_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing listens where a listener has just been.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "[kafka]\nbootstrap = \"127.0.0.1:{port}\"\ncall_timeout = \"1s\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\n"
    );
    let config = file(folder.path(), "tideline.toml", &text);
    for args in [&["run"][..], &["topics"], &["check", "--online"], &["reset"], &["redrive"]] {
        let output = tideline(&[args, &["--config", &config]].concat());
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        let said = [format!("127.0.0.1:{port}"), "is the broker running, and kafka.bootstrap right?".to_owned()];
        assert!(said.iter().all(|part| error.contains(part)), "{args:?}: {error}");
    }
}

#[test]
fn a_run_with_a_bad_configuration_or_flags_that_make_no_sense_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let bad = file(folder.path(), "bad.toml", "[kafka]\nbootstrap = \"nowhere\"");
    for (args, part) in [
        (&["run", "--config", &bad][..], "kafka.bootstrap: \"nowhere\" is not host:port"),
        (&["topics", "--config", &bad], "kafka.bootstrap: "),
        (&["generate", "--kafka", "--config", &bad], "kafka.bootstrap: "),
        (&["demo", "--config", &bad], "kafka.bootstrap: "),
        (&["run", "--until", "2026-01-01T00:00:00Z"], "--until-end"),
        (&["run", "--until-end", "--until", "soon"], "not an RFC 3339 time"),
    ] {
        let output = tideline(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{args:?}: {}", stderr(&output));
    }
}
