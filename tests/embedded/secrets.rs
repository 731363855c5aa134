//! What `[kafka.client]` holds may be a password: none of its values is ever shown, however it was mistyped.

use std::process::Command;

use tideline::config::{Config, ConfigError};

const SECRET: &str = "hunter2-is-no-word";

/// All that can be said of a configuration: its error with all causes and each fault, or itself.
fn said(text: &str) -> String {
    match Config::parse("test.toml", text) {
        Ok(config) => format!("{config:?} {:?}", config.kafka.client),
        Err(error) => {
            let faults = match &error {
                ConfigError::Faulty { faults, .. } => faults.iter().map(|fault| format!("{fault}\n")).collect(),
                _ => String::new(),
            };
            format!("{error}\n{error:?}\n{faults}")
        }
    }
}

#[test]
fn no_mistake_in_the_file_shows_a_value() {
    for text in [
        "[kafka.client]\n\"sasl.password\" = \"SECRET\"",
        "[kafka.client]\n\"sasl.pasword\" = \"SECRET\"",
        "[kafka.client]\n\"sasl.password\" = [\"SECRET\"]",
        "[kafka.client]\n\"sasl.password\" = { a = \"SECRET\" }",
        "[kafka.client]\nsasl.password = \"SECRET\"",
        "[kafka]\nclient = \"SECRET\"",
        "[kafka]\nclient = [\"SECRET\"]",
        "[[kafka.client]]\n\"sasl.password\" = \"SECRET\"",
        "[kafka]\n\"sasl.password\" = \"SECRET\"",
        "[kafka]\nsasl.password = \"SECRET\"",
        "[kafka.cleint]\n\"sasl.password\" = \"SECRET\"",
        "[client]\n\"sasl.password\" = \"SECRET\"",
        "\"sasl.password\" = \"SECRET\"",
        "[kafka.client]\n\"sasl.password\" = SECRET",
        "[kafka.client]\n\"sasl.password\" = \"SECRET",
        "[kafka.client]\n\"sasl.password\" = 'SECRET\nx = 1",
        "[kafka.client]\n\"sasl.password\" \"SECRET\"",
        "[kafka.client]\n\"sasl.password\" = \"SECRET\" \"SECRET\"",
        "[kafka.client]\n\"sasl.password\" = \"\\qSECRET\"",
        "[kafka.client]\n\"sasl.password\" = \"a\"\n\"sasl.password\" = \"SECRET\"",
        "[kafka.client]\n\"sasl.password\" = \"SECRET\\u0000\"",
        "[kafka.client\n\"sasl.password\" = \"SECRET\"",
        "[stream]\nlateness = 1\n[kafka.client]\n\"sasl.password\" = \"SECRET\"",
    ] {
        let said = said(&text.replace("SECRET", SECRET));
        assert!(!said.is_empty() && !said.contains("hunter2"), "{text}: {said}");
    }
    // A value that no string would be mistaken for.
    for value in ["48151623", "4815.1623", "4815-01-23", "[48151623]"] {
        let said = said(&format!("[kafka.client]\n\"sasl.password\" = {value}"));
        assert!(said.contains("expected a value in quotes") && !said.contains("4815"), "{value}: {said}");
    }
}

/// Every property that librdkafka has, and some that it hasn't: whatever is said of them, the value isn't in it.
#[cfg(feature = "kafka")]
#[test]
fn no_property_of_the_client_shows_its_value() {
    use tideline::broker::kafka::{KafkaSettings, dry_run};

    let names: Vec<_> = include_str!("../corpora/client_properties.txt").lines().collect();
    assert!(names.len() > 150, "{}", names.len());
    let mut accepted = 0;
    for name in names.into_iter().chain(["sasl.pasword", "no.such.property", "SASL.PASSWORD"]) {
        let text = format!("[kafka.client]\n\"{name}\" = \"{SECRET}\"");
        assert!(!said(&text).contains("hunter2"), "{name}: {}", said(&text));
        let Ok(config) = Config::parse("test.toml", &text) else { continue };
        accepted += 1;
        let settings: KafkaSettings = config.kafka_settings();
        let connecting = Config::parse_to_connect("test.toml", &text);
        let said = format!("{:?} {settings:?} {connecting:?}", dry_run(&settings));
        assert!(!said.contains("hunter2"), "{name}: {said}");
    }
    assert!(accepted > 5, "{accepted}");
}

#[test]
fn check_and_run_end_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for property in ["sasl.password", "sasl.pasword", "sasl.mechanisms", "ssl.key.pem", "socket.timeout.ms", "debug"] {
        let protocol = "[kafka.client]\n\"security.protocol\" = \"sasl_plaintext\"\n";
        std::fs::write(&path, format!("{protocol}\"{property}\" = \"{SECRET}\"\n")).unwrap();
        for command in ["check", "run", "topics"] {
            let program = env!("CARGO_BIN_EXE_tideline");
            let output = Command::new(program).args([command, "--config"]).arg(&path).output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(2), "{command} {property}: {text}");
            assert!(text.contains(path.to_str().unwrap()) && text.contains("line "), "{command} {property}: {text}");
            assert!(!text.contains("hunter2"), "{command} {property}: {text}");
        }
    }
}
