//! The configuration: its defaults, its example, and that every fault is named at once with its path.

use tideline::broker::{KafkaSettings, TopicSettings};
use tideline::config::{Config, ConfigError, reference};
use tideline::domain::Source;
use tideline::emit::Output;
use tideline::runtime::{LaneSettings, Mode};

const EXAMPLE: &str = include_str!("../../deploy/config.example.toml");

/// The faults of a text; empty if it is sound.
fn faults(text: &str) -> Vec<String> {
    match Config::parse("test.toml", text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Faulty { faults, .. }) => {
            faults.iter().map(|fault| format!("{}: {}", fault.path, fault.what)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// `text` has exactly one fault, and it starts so.
fn check(text: &str, start: &str) {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
    assert!(faults[0].starts_with(start), "{text}: {:?} does not start with {start:?}", faults[0]);
}

#[test]
fn the_defaults_are_sound() {
    assert_eq!(Config::default().validate(), []);
    assert_eq!(Config::parse("empty", "").unwrap(), Config::default());
    let topics: Vec<_> = Config::default().inputs.into_iter().map(|input| input.topic).collect();
    assert_eq!(topics, ["app.events", "sms.events", "branch.events", "merchant.events"]);
}

/// What is printed from the declarations of the parts, and where it is committed. In a file with other text it is between two
/// marks, which stay.
fn printed() -> [(&'static str, Option<[&'static str; 2]>, String); 3] {
    let marks = ["<!-- keys: printed by the test `config` -->\n\n", "\n<!-- end of keys -->"];
    [
        ("deploy/config.example.toml", None, reference::example()),
        ("README.md", Some(marks), reference::readme()),
        ("docs/configuration.md", None, reference::page()),
    ]
}

/// A file's text with its printed part replaced.
fn with_printed(file: &str, marks: Option<[&str; 2]>, printed: String) -> String {
    let Some([begin, end]) = marks else { return printed };
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{file} has no mark {begin:?}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("{file} has no mark {end:?}"));
    format!("{before}{begin}{printed}{end}{after}")
}

fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_printed_files_are_those_that_the_declarations_give() {
    for (file, marks, printed) in printed() {
        let committed = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let expected = with_printed(file, marks, printed);
        let differs = committed.lines().zip(expected.lines()).find(|(committed, expected)| committed != expected);
        assert!(
            committed == expected,
            "{file} is not what the declarations print ({differs:?}): print it anew, as the README says"
        );
    }
}

#[test]
#[ignore = "writes the printed files; for whoever has changed a key"]
fn print_the_files() {
    for (file, marks, printed) in printed() {
        let text = with_printed(file, marks, printed);
        std::fs::write(root().join(file), text).unwrap();
    }
}

#[test]
fn the_example_states_the_defaults() {
    assert_eq!(Config::parse("example", EXAMPLE).unwrap(), Config::default());
}

#[test]
fn the_example_names_every_key() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let example: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let mut missing = Vec::new();
    compare(&defaults, &example, "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
    for optional in ["# silent_after = ", "# emit_from = ", "# partitions = "] {
        assert!(EXAMPLE.contains(optional), "{optional}");
    }
}

/// Of a list the first element is compared: it shows the keys for all.
fn compare(defaults: &toml::Table, example: &toml::Table, path: &str, missing: &mut Vec<String>) {
    for (key, value) in defaults {
        let path = format!("{path}.{key}");
        match (value, example.get(key)) {
            (_, None) => missing.push(path),
            (toml::Value::Table(inner), Some(toml::Value::Table(example))) => compare(inner, example, &path, missing),
            (toml::Value::Array(inner), Some(toml::Value::Array(example))) => {
                compare(inner[0].as_table().unwrap(), example[0].as_table().unwrap(), &path, missing);
            }
            _ => {}
        }
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_path() {
    for (text, start) in [
        ("colour = 1", "colour: unknown key"),
        ("[colours]\na = 1\nb = 2", "colours: unknown key"),
        ("kafka = 3", "kafka: invalid type"),
        ("stream = 5", "stream: invalid type: integer `5`, expected a table of keys ([stream])"),
        ("inputs = [1]", "inputs[0]: invalid type: integer `1`, expected a table of keys ([[inputs]])"),
        ("inputs = 1", "inputs: invalid type: integer `1`, expected a list"),
        ("[application]\nlanes = 99999999999999999999", "application.lanes: the number is out of range"),
        ("[stream]\nlateness = 3600", "stream.lateness: invalid type"),
        ("[stream]\nlateness = \"1 hour\"", "stream.lateness: \"1 hour\" is no duration"),
        ("[stream]\nlateness.hours = 1", "stream.lateness: invalid type"),
        ("[stream]\nmax_value = \"1MB\"", "stream.max_record: \"1MB\" is no size"),
        ("[stream]\nmax_effects = -1", "stream.max_effects: invalid value"),
        ("[stream]\nemit_from = \"yesterday\"", "stream.emit_from: not an RFC 3339 time"),
        ("[kafka]\ngroup_protocol = \"eager\"", "kafka.group_protocol: \"eager\" is none of classic, consumer"),
        (
            "[kafka.client]\n\"socket.keepalive.enable\" = true",
            "kafka.client.socket.keepalive.enable: expected a value in quotes",
        ),
        (
            "[[inputs]]\ntopic = \"a\"\nsource = \"fax\"",
            "inputs[0].source: \"fax\" is none of app, sms, branch, merchant",
        ),
        ("[[inputs]]\ntopic = \"a\"\nsource = \"app\"\n[[inputs]]\ntopic = \"b\"", "inputs[1]: missing key `source`"),
        ("[[inputs]]\ntopic = \"a\"\nsource = \"app\"\nsilent = \"1h\"", "inputs[0].silent: unknown key"),
        ("[[rules.rungs]]\nname = \"low\"", "rules.rungs[0]: missing key `active_days`"),
        ("[rules.model]\nbeta = 1.0", "rules.model.beta: unknown key"),
        ("[telemetry]\nlisten = \"everywhere\"", "telemetry.listen: "),
        ("[output]\nformat = \"avro\"", "output.format: \"avro\" is none of json, protobuf"),
    ] {
        check(text, start);
    }
}

#[test]
fn a_coupling_that_does_not_hold_is_named_with_its_path() {
    let input = |more: &str| format!("[[inputs]]\ntopic = \"a\"\nsource = \"app\"\n{more}");
    for (text, start) in [
        ("[application]\nid = \"\"", "application.id: "),
        ("[application]\ninstance = \"a b\"", "application.instance: "),
        ("[application]\nlanes = 0", "application.lanes: must be 1"),
        ("[application]\nlanes = 9", "application.lanes: 9 lanes, but only 8 partitions"),
        ("inputs = []", "inputs: there must be"),
        (&input("retention = \"0s\""), "inputs[0].retention: "),
        (&input("keyed = false\npartitions = 9"), "inputs[0].partitions: must be 1 to topics.partitions, 8, not 9"),
        (&input("keyed = false\npartitions = 0"), "inputs[0].partitions: must be 1 to topics.partitions, 8, not 0"),
        (&input("partitions = 4"), "inputs[0].partitions: a keyed input has 8 partitions as the others"),
        (&input("silent_after = \"1h\""), "inputs[0].silent_after: 1h must exceed stream.lateness, 1h"),
        (
            &input("[[inputs]]\ntopic = \"a\"\nsource = \"sms\""),
            "inputs[1].topic: \"a\" is the topic of inputs[0].topic too",
        ),
        (
            "[topics]\nrekey = \"dead-letters\"",
            "topics.rekey: \"dead-letters\" is the topic of topics.dead_letters too",
        ),
        (
            "[topics]\nchangelog = \"sms.events\"",
            "topics.changelog: \"sms.events\" is the topic of inputs[1].topic too",
        ),
        ("[topics]\nchangelog = \"a/b\"", "topics.changelog: \"a/b\" is no topic"),
        ("[topics]\npartitions = 0", "topics.partitions: must be 1"),
        ("[topics]\nchangelog_segment = \"1KiB\"", "topics.changelog_segment: "),
        ("[stream]\nlateness = \"180d\"", "stream.lateness: 180d must be shorter"),
        ("[stream]\ncommit_interval = \"0s\"", "stream.commit_interval: must be longer"),
        (
            "[stream]\ncommit_interval = \"15s\"",
            "stream.commit_interval: 15s must be shorter than kafka.transaction_timeout",
        ),
        ("[stream]\nmerge_wait = \"5m\"", "stream.merge_wait: 5m must be shorter than kafka.max_poll_interval"),
        ("[stream]\nmax_effects = 0", "stream.max_effects: must be 1"),
        ("[stream]\nbatch_records = 0", "stream.batch_records: must be 1"),
        ("[topics]\ndead_letter_retention = \"0s\"", "topics.dead_letter_retention: must be longer"),
        ("[stream]\nbatch_bytes = \"1MiB\"", "stream.batch_bytes: 1MiB can't hold one dead letter"),
        ("[stream]\nturn_records = 0", "stream.turn_records: must be 1"),
        ("[stream]\npoll_timeout = \"5m\"", "stream.poll_timeout: 5m must be shorter than kafka.max_poll_interval"),
        ("[kafka]\nfetch_bytes = \"0B\"", "kafka.fetch_bytes: must be at least 1KiB"),
        ("[kafka]\nretry_pause = \"0s\"", "kafka.retry_pause: must be longer"),
        ("[kafka]\nsend_queue_records = 0", "kafka.send_queue_records: must be 1"),
        ("[stream]\npatience = \"0s\"", "stream.patience: must be longer"),
        ("[stream]\nbuffer_bytes = \"1KiB\"", "stream.buffer_bytes: 1KiB can't hold one record"),
        ("[stream]\nmax_record = \"2MiB\"", "stream.dead_letter_limit: 2MiB must exceed"),
        ("[stream]\nmax_value = \"2MiB\"", "stream.dead_letter_limit: 2MiB must exceed"),
        ("[stream]\nmax_value = \"0B\"", "stream.max_record: must be more than 0B"),
        ("[stream]\nmax_value = \"1MiB\"\nmax_record = \"1MiB\"", "stream.max_value: the old name of max_record"),
        ("[kafka]\npoll_bytes = \"0B\"", "kafka.poll_bytes: must be at least 1KiB"),
        ("[stream]\ndead_letter_limit = \"4MiB\"", "kafka.max_message: 4MiB must exceed"),
        ("[kafka]\nbootstrap = \"localhost\"", "kafka.bootstrap: \"localhost\" is not host:port"),
        ("[kafka]\nheartbeat_interval = \"4s\"", "kafka.heartbeat_interval: "),
        ("[kafka]\nsession_timeout = \"30s\"", "kafka.session_timeout: 30s must be shorter than kafka.retry_bound"),
        ("[kafka]\nmax_poll_interval = \"12s\"", "kafka.transaction_timeout: 15s must be shorter"),
        ("[kafka]\nlinger = \"15s\"", "kafka.linger: "),
        ("[telemetry]\nmax_connections = 0", "telemetry.max_connections: must be 2 to 1000, not 0"),
        ("[telemetry]\nheader_timeout = \"0s\"", "telemetry.header_timeout: must be longer"),
        ("[telemetry]\nidle_timeout = \"0s\"", "telemetry.idle_timeout: must be longer"),
        ("[kafka]\npoll_records = 0", "kafka.poll_records: "),
        ("[rules]\nconfidence = 1.0", "rules.confidence: "),
        ("[rules]\nconfidence = nan", "rules.confidence: "),
        ("[rules]\nlost_days = 60", "rules.lost_days: "),
        ("[rules]\nhold_days = 100", "rules.rungs[3].windows: "),
        ("[rules]\nzone = \"Mars/Olympus\"", "rules.zone: unknown time zone"),
        ("[[rules.rungs]]\nname = \"new\"\nactive_days = 1", "rules.rungs[0].name: \"new\" is taken"),
        ("[[rules.rungs]]\nname = \"low\"\nactive_days = 1\nwindows = 6", "rules.rungs[0].windows: "),
    ] {
        check(text, start);
    }
}

/// Kinds beside ranges beside couplings, each on its line; nothing is said of what rests on a value that can't be read.
#[test]
fn faults_of_every_sort_are_named_at_once_with_their_lines() {
    let text = "[application]\nlanes = \"two\"\n\n[stream]\nlateness = \"10\"\nmax_effects = 0\nlatenes = \"1h\"\n\n\
                [[inputs]]\ntopic = \"a.b\"\nsource = \"app\"\nsilent_after = \"1m\"\n\n\
                [[inputs]]\ntopic = \"a_b\"\nretention = \"0s\"\n\n[rules]\nlost_days = 60\nhold_days = -1\n\
                [stream.emit_from]\n[kafka]\nmax_message = \"1MiB\"\n";
    let Err(ConfigError::Faulty { faults, .. }) = Config::parse("test.toml", text) else { panic!("accepted") };
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let expected = [
        "line 2: application.lanes: invalid type: string \"two\", expected a whole number, 0 or more, without quotes",
        "line 5: stream.lateness: \"10\" is no duration: write it as 250ms, 60s, 1h30m or 7d",
        "line 6: stream.max_effects: must be 1 to 10000000, not 0",
        "line 7: stream.latenes: unknown key; did you mean `lateness`?",
        "line 14: inputs[1]: missing key `source`",
        "line 15: inputs[1].topic: \"a_b\" and \"a.b\" (inputs[0].topic) are one name to Kafka's metrics",
        "line 16: inputs[1].retention: must be longer than 0s",
        "line 19: rules.lost_days: 60 is before dormant_days, 90",
        "line 20: rules.hold_days: invalid value: integer `-1`, expected a whole number, 0 or more, without quotes",
        "line 21: stream.emit_from: invalid type: map, expected ",
        "line 23: kafka.max_message: 1MiB must exceed stream.dead_letter_limit, 2MiB",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told:?} does not start with {expected:?}");
    }
}

/// Configurations with a fault that rests on another key than its own.
const COUPLED: [&str; 24] = [
    "[application]\nlanes = 9",
    "[[inputs]]\ntopic = \"a\"\nsource = \"app\"\nkeyed = false\npartitions = 9",
    "[[inputs]]\ntopic = \"a\"\nsource = \"app\"\npartitions = 4",
    "[[inputs]]\ntopic = \"a\"\nsource = \"app\"\nsilent_after = \"1h\"",
    "[[inputs]]\ntopic = \"a\"\nsource = \"app\"\n[[inputs]]\ntopic = \"a\"\nsource = \"sms\"",
    "[[inputs]]\ntopic = \"a.b\"\nsource = \"app\"\n[[inputs]]\ntopic = \"a_b\"\nsource = \"sms\"",
    "[topics]\nrekey = \"dead-letters\"",
    "[topics]\nchangelog = \"app.events\"",
    "[stream]\nretry_backoff_max = \"1ms\"",
    "[stream]\nbuffer_bytes = \"1KiB\"",
    "[stream]\nbatch_bytes = \"1MiB\"",
    "[stream]\nmax_record = \"2MiB\"",
    "[stream]\ndead_letter_limit = \"4MiB\"",
    "[stream]\ncommit_interval = \"15s\"",
    "[stream]\nmerge_wait = \"5m\"",
    "[stream]\npoll_timeout = \"5m\"",
    "[kafka]\nheartbeat_interval = \"4s\"",
    "[kafka]\nsession_timeout = \"30s\"",
    "[kafka]\nsession_timeout = \"5m\"\nretry_bound = \"1h\"",
    "[kafka]\nmax_poll_interval = \"12s\"",
    "[kafka]\nlinger = \"15s\"",
    "[rules]\nlost_days = 60",
    "[rules]\nhold_days = 100",
    "[[rules.rungs]]\nname = \"low\"\nactive_days = 1\n[[rules.rungs]]\nname = \"low\"\nactive_days = 2",
];

/// On which keys a fault rests is found by trying: another value of theirs makes it go away.
#[test]
fn no_fault_is_told_while_a_key_that_it_rests_on_cannot_be_read() {
    for text in COUPLED {
        let config: Config = toml::from_str(text).unwrap();
        let value = toml::Value::try_from(&config).unwrap();
        let mut keys = Vec::new();
        leaves(&value, "", &mut keys);
        let mut coupled = 0;
        for fault in config.validate() {
            for (key, found) in keys.iter().filter(|(key, _)| *key != fault.path) {
                let goes_away = |other| {
                    let changed = with(&value, key, other).try_into::<Config>();
                    changed.is_ok_and(|changed| changed.validate().iter().all(|it| it.path != fault.path))
                };
                if !others(found).into_iter().any(goes_away) {
                    continue;
                }
                coupled += 1;
                let unreadable = with(&value, key, toml::Value::Table(toml::Table::new()));
                let told = faults(&toml::to_string(&unreadable).unwrap());
                assert!(told.iter().any(|told| told.starts_with(&format!("{key}: "))), "{key} can be read: {told:#?}");
                let own = format!("{}: ", fault.path);
                assert!(!told.iter().any(|told| told.starts_with(&own)), "{fault} rests on {key}: {told:#?}");
            }
        }
        assert!(coupled > 0, "{text} couples nothing");
    }
}

/// Every value that is no table and no list, by its path.
fn leaves(value: &toml::Value, path: &str, keys: &mut Vec<(String, toml::Value)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                leaves(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, keys);
            }
        }
        toml::Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(item, &format!("{path}[{at}]"), keys));
        }
        leaf => keys.push((path.to_owned(), leaf.clone())),
    }
}

fn with(value: &toml::Value, path: &str, leaf: toml::Value) -> toml::Value {
    let mut root = value.clone();
    let steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    *steps.fold(&mut root, |place, step| match place {
        toml::Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        table => &mut table[step],
    }) = leaf;
    root
}

/// Values of the same kind.
fn others(value: &toml::Value) -> Vec<toml::Value> {
    let texts: &[&str] = &["1ms", "20s", "1h", "1KiB", "3MiB", "1GiB", "other"];
    match value {
        toml::Value::String(_) => texts.iter().map(|&text| text.into()).collect(),
        toml::Value::Boolean(is_so) => vec![(!is_so).into()],
        _ => [1, 3, 8, 5_000].map(toml::Value::Integer).into(),
    }
}

#[test]
fn a_coupling_has_the_line_of_the_key_that_is_in_the_file() {
    let Err(ConfigError::Faulty { faults, .. }) =
        Config::parse("test.toml", "\n[stream]\ndead_letter_limit = \"5MiB\"")
    else {
        panic!("accepted")
    };
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((fault.path.as_str(), fault.line), ("kafka.max_message", Some(3)), "{fault}");
}

#[test]
fn an_unknown_key_comes_with_what_was_probably_meant() {
    for (text, what) in [
        ("[stream]\nlatness = \"1h\"", "stream.latness: unknown key; did you mean `lateness`?"),
        ("[steam]\nlateness = \"1h\"", "steam: unknown key; did you mean `stream`?"),
        ("[kafka]\nlanes = 2", "kafka.lanes: unknown key; did you mean `application.lanes`?"),
        ("[kafka]\n\"sasl.password\" = \"x\"", "kafka.sasl.password: unknown key; did you mean `kafka.client`?"),
        ("[output]\ncolour = \"red\"", "output.colour: unknown key; the keys here are format"),
        ("[output]\nformat = \"jsn\"", "output.format: \"jsn\" is none of json, protobuf; did you mean `json`?"),
    ] {
        check(text, what);
    }
}

#[test]
fn a_rung_has_a_name_that_needs_no_escape_and_is_not_taken() {
    let named = |name: &str| format!("[[rules.rungs]]\nname = \"{name}\"\nactive_days = 1");
    let long = "n".repeat(65);
    for name in ["", &long, "a\\u0007", "a\\\"b", "it's", "a\\\\b", "a\\nb"] {
        check(&named(name), "rules.rungs[0].name: ");
    }
    for name in ["inactive", "new", "retired"] {
        check(&named(name), &format!("rules.rungs[0].name: {name:?} is taken"));
    }
    for name in [&"n".repeat(64), "普通", "very loyal"] {
        assert_eq!(faults(&named(name)), Vec::<String>::new(), "{name}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn a_property_of_the_client_that_exactly_once_depends_on_is_refused() {
    for name in ["isolation.level", "transactional.id", "enable.auto.commit"] {
        check(&format!("[kafka.client]\n\"{name}\" = \"x\""), &format!("kafka.client.{name}: can't be set"));
    }
    for alias in ["metadata.broker.list", "acks", "retries", "linger.ms", "delivery.timeout.ms", "auto.commit.enable"] {
        check(&format!("[kafka.client]\n\"{alias}\" = \"1\""), &format!("kafka.client.{alias}: can't be set"));
    }
    check(
        "[kafka.client]\n\"sasl.pasword\" = \"x\"",
        "kafka.client.sasl.pasword: the client (librdkafka) has no property",
    );
    assert_eq!(faults("[kafka.client]\n\"sasl.password\" = \"x\""), Vec::<String>::new());
    #[cfg(not(feature = "tls"))]
    check(
        "[kafka.client]\n\"security.protocol\" = \"ssl\"",
        "kafka.client.security.protocol: needs a build with the feature",
    );
}

/// What only making the client shows, beside all else, with its line; nothing that rests on a property which is faulty.
#[cfg(feature = "kafka")]
#[test]
fn a_fault_that_only_the_client_shows_is_named_with_the_others_and_its_line() {
    let told = |text: &str| match Config::parse_to_connect("test.toml", text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Faulty { path, faults }) => {
            assert_eq!(path, "test.toml");
            faults.iter().map(ToString::to_string).collect()
        }
        Err(other) => panic!("{other}"),
    };
    let check = |text: &str, starts: &[&str]| {
        let told: Vec<String> = told(text);
        assert_eq!(told.len(), starts.len(), "{text}: {told:#?}");
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told:?} does not start with {start:?}");
        }
    };
    let plain = "[kafka.client]\n\"security.protocol\" = \"sasl_plaintext\"\n\"sasl.mechanism\" = \"PLAIN\"\n";
    let lacking = "line 3: kafka.client.sasl.mechanism: Client creation error: ";
    check(plain, &[lacking]);
    check(&format!("{plain}[stream]\nlateness = 1"), &[lacking, "line 5: stream.lateness: "]);
    check(&format!("{plain}[kafka]\nlinger = 1\npoll_records = 0"), &[lacking, "line 5: ", "line 6: "]);
    check(&format!("{plain}\"socket.timeout.ms\" = \"5\""), &[lacking, "line 4: kafka.client.socket.timeout.ms: "]);
    let kerberos = "[kafka.client]\n\"security.protocol\" = \"sasl_plaintext\"";
    check(kerberos, &["line 2: kafka.client.security.protocol: Client creation error: "]);
    check(
        &format!("{plain}\"sasl.usrname\" = \"u\""),
        &["line 4: kafka.client.sasl.usrname: the client (librdkafka) has"],
    );
    check(&format!("{plain}\"sasl.username\" = 5"), &["line 4: kafka.client.sasl.username: expected a value"]);
    check("[kafka]\nclient = 5", &["line 2: kafka.client: expected a table"]);
    let range = "kafka.max_message: 1MiB must exceed";
    check("[kafka]\nmax_message = \"1MiB\"", &[&format!("line 2: {range}")]);
    check(
        "[kafka]\nsession_timeout = \"2h\"\nmax_poll_interval = \"3h\"\nretry_bound = \"3h\"",
        &["line 2: kafka.session_timeout: "],
    );
    // Who makes no client needs none.
    assert_eq!(faults(plain), Vec::<String>::new());
}

#[test]
fn all_faults_are_named_at_once() {
    let kinds = faults("x = 1\n[stream]\nlateness = 1\nmax_skew = 2\n[[inputs]]\ntopic = 3\n[rules]\nzone = 4");
    assert_eq!(kinds.len(), 6, "{kinds:#?}"); // five of the wrong kind, and an input without its source
    let couplings = faults(
        "[application]\nlanes = 0\n[stream]\nmax_effects = 0\nmerge_wait = \"0s\"\n[rules]\nconfidence = \
            0.0\ngeneration = 0",
    );
    assert_eq!(couplings.len(), 5, "{couplings:#?}");
}

#[test]
fn a_text_that_is_no_toml_is_shown_with_its_line() {
    let error = Config::parse("broken.toml", "[stream\nlateness = 1").unwrap_err().to_string();
    assert!(error.starts_with("the configuration broken.toml is not TOML") && error.contains("line 1"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Some("no/such/file.toml".as_ref())).unwrap_err().to_string();
    assert_eq!(error, "cannot read the configuration no/such/file.toml");
}

#[test]
fn the_hosts_name_stands_for_an_instance_that_is_not_given_and_for_no_other() {
    let of = |text: &str, host: &str| Config::parse("test.toml", text).unwrap().on_host(host);
    assert_eq!(of("", "web-1.example").unwrap().name(), "tideline-web-1.example");
    assert_eq!(of("application.instance = \"b\"", "web-1").unwrap().lane_settings(Mode::Endless).name, "tideline-b");
    assert_eq!(of("application.instance = \"b\"", "no name").unwrap().name(), "tideline-b");
    let Err(ConfigError::Faulty { faults, .. }) = of("", "no name") else { panic!("it can't be one") };
    assert_eq!(faults[0].path, "application.instance");
    assert!(faults[0].what.starts_with("the host's name, \"no name\""), "{faults:?}");
}

/// What a part is given from other tables has a default there and, for the part's own tests, in the part: one and the same.
#[test]
fn the_defaults_of_what_parts_are_given_are_those_of_the_tables_that_say_it() {
    let config = Config::default();
    assert_eq!(config.lane_settings(Mode::Endless), LaneSettings::default());
    assert_eq!(config.kafka_settings(), KafkaSettings::default());
    assert_eq!(config.topic_settings(), TopicSettings::default());
    assert_eq!(config.output_settings(), Output::default());
}

#[test]
fn the_parts_are_told_what_is_configured() {
    let text = "[[inputs]]\ntopic = \"m\"\nsource = \"merchant\"\nsilent_after = \"1d\"\nretention = \"14d\"\n\
                [[inputs]]\ntopic = \"a\"\nsource = \"app\"\nkeyed = false\n[stream]\nlateness = \"30m\"\nmax_value = \
                \"64KiB\"";
    let config = Config::parse("test.toml", text).unwrap();
    let settings = config.engine_settings();
    assert_eq!(settings.lateness.millis(), 1_800_000);
    assert_eq!(settings.silent_after_ms, [Some(86_400_000), None, None]);
    // An erasure outlives what may be read late (the longest input), die, and be sent again (the dead letters).
    assert_eq!(settings.retention_ms, (14 + 14) * 86_400_000);
    let specs = config.input_specs();
    let seen: Vec<_> = specs.iter().map(|spec| (&*spec.topic, spec.source, spec.keyed, spec.max_record)).collect();
    assert_eq!(
        seen,
        [
            ("m", Some(Source::Merchant), true, 65_536),
            ("a", Some(Source::App), false, 65_536),
            ("tideline.rekey", None, true, 65_536)
        ]
    );
    let topics = config.topic_names();
    assert_eq!(topics.inputs.len(), 3);
    assert_eq!(&**topics.rekey(), "tideline.rekey");
}
