//! The configuration in print, from what the parts declare: the example file, the table of the README, the reference
//! page.
//!
//! Nothing is said of a key here; only which of them the README shows. A test holds the printed files to this.

use std::fmt::Write as _;

use toml::Value;

use super::keys::{TableDoc, tables};
use super::load::{Step, as_value, with_one};
use super::suggest;
use super::tree::Config;
use crate::settings::KeyDoc;

/// The keys that nearly everybody has to think about.
const OF_README: [&str; 27] = [
    "application.id",
    "application.instance",
    "application.lanes",
    "kafka.bootstrap",
    "kafka.client",
    "kafka.group_protocol",
    "kafka.session_timeout",
    "inputs.keyed",
    "inputs.silent_after",
    "topics.partitions",
    "topics.partitioner",
    "topics.changelog_compaction_lag",
    "topics.changelog_tombstone_retention",
    "stream.lateness",
    "stream.commit_interval",
    "stream.idle_after",
    "stream.idle_reach",
    "stream.clock_check",
    "stream.topic_check",
    "stream.stall_after",
    "rules.zone",
    "rules.rungs",
    "rules.hold_days",
    "rules.confidence",
    "rules.generation",
    "rules.quiet",
    "telemetry.listen",
];

const HEAD: &str = "\
# tideline: every key with its default. What is left out of a configuration has the value that is shown here; an empty
# file is sound. `tideline check --config FILE` names every fault at once.
#
# Durations: 250ms, 60s, 1h30m, 7d (of 24 h). Sizes: 512B, 64KiB, 1MiB, 2GiB.
#
# Printed from what the parts of the program declare: a test compares.
";

const PAGE_HEAD: &str = "\
# Configuration

Every key, as the parts of the program declare it; `deploy/config.example.toml` has the same as a file. Printed: a test
compares.

Durations are written `250ms`, `60s`, `1h30m`, `7d` (of 24 h), sizes `512B`, `64KiB`, `1MiB`, `2GiB`.
";

/// Of a comment in the example.
const WIDTH: usize = 118;

/// `deploy/config.example.toml`: a configuration that says what an empty one means, with all docs.
pub fn example() -> String {
    let defaults = as_value(&Config::default());
    tables().iter().fold(HEAD.to_owned(), |mut text, table| {
        let found = at(&defaults, table.path);
        text.push('\n');
        comment(&mut text, table.about);
        match found {
            Some(Value::Array(items)) => elements(&mut text, table, items),
            found => {
                let _ = writeln!(text, "[{}]", table.path);
                keys(&mut text, table, found);
            }
        }
        text
    })
}

/// The elements of a list: the first with all its keys, of the others what is different.
fn elements(text: &mut String, table: &TableDoc, items: &[Value]) {
    for (index, item) in items.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{separator}[[{}]]", table.path);
        if index == 0 {
            keys(text, table, Some(item));
            continue;
        }
        for key in &table.keys {
            if let Some(value) = item.get(key.name).filter(|value| Some(*value) != items[0].get(key.name)) {
                let _ = writeln!(text, "{} = {value}", key.name);
            }
        }
    }
}

/// The keys of a table, each under its doc; those of tables within it have a table of their own.
fn keys(text: &mut String, table: &TableDoc, values: Option<&Value>) {
    let mut within = String::new();
    for key in &table.keys {
        match (values.and_then(|values| values.get(key.name)), key.example) {
            (None, None) => {}
            (None, Some(example)) => {
                comment(text, key.doc);
                let _ = writeln!(text, "# {} = {example}", key.name);
            }
            (Some(Value::Table(_)), Some(example)) => {
                within.push('\n');
                comment(&mut within, key.doc);
                let _ = writeln!(within, "[{}.{}]\n# {example}", table.path, key.name);
            }
            (Some(value), _) if has_table(table, key, value) => {}
            (Some(value), _) => {
                comment(text, key.doc);
                let _ = writeln!(text, "{} = {value}", key.name);
            }
        }
    }
    text.push_str(&within);
}

/// Whether the key is described as a table of its own.
fn has_table(table: &TableDoc, key: &KeyDoc, value: &Value) -> bool {
    (value.is_table() || value.is_array()) && tables().iter().any(|other| other.path == path_of(table, key))
}

/// The rows of the README's table.
pub fn readme() -> String {
    let (defaults, tables) = (as_value(&Config::default()), tables());
    let all = || tables.iter().flat_map(|table| table.keys.iter().map(move |key| (table, key)));
    OF_README.iter().fold("| key | default | |\n|---|---|---|\n".to_owned(), |mut text, path| {
        if let Some((table, key)) = all().find(|(table, key)| path_of(table, key) == *path) {
            let (path, default) = (shown_path(&defaults, table, key), shown_default(&defaults, table, key));
            let _ = writeln!(text, "| `{path}` | {default} | {} |", cell(first_paragraph(key.doc)));
        }
        text
    })
}

/// `docs/configuration.md`: every key with its default, what it may be, and its doc.
pub fn page() -> String {
    let defaults = as_value(&Config::default());
    tables().iter().fold(PAGE_HEAD.to_owned(), |mut text, table| {
        let is_list = at(&defaults, table.path).is_some_and(Value::is_array);
        let header = if is_list { format!("[[{}]]", table.path) } else { format!("[{}]", table.path) };
        let _ = writeln!(text, "\n## `{header}`\n\n{}\n", cell(table.about));
        text.push_str("| key | default | may be | meaning |\n|---|---|---|---|\n");
        for key in table.keys.iter().filter(|key| is_key(&defaults, table, key)) {
            let (default, kind) = (shown_default(&defaults, table, key), kind(&defaults, table, key));
            let _ = writeln!(text, "| `{}` | {default} | {} | {} |", key.name, cell(&kind), cell(key.doc));
        }
        text
    })
}

/// Whether a file may set it.
fn is_key(defaults: &Value, table: &TableDoc, key: &KeyDoc) -> bool {
    key.example.is_some() || default_of(defaults, table, key).is_some()
}

/// What a value of the key may be, as the deserializer says it of one that can't be.
fn kind(defaults: &Value, table: &TableDoc, key: &KeyDoc) -> String {
    let mut steps: Vec<Step> = Vec::new();
    for name in table.path.split('.') {
        steps.push(Step::Key(name.to_owned()));
    }
    if at(defaults, table.path).is_some_and(Value::is_array) {
        steps.push(Step::Index(0));
    }
    steps.push(Step::Key(key.name.to_owned()));
    let refused = |value: Value| {
        let error = with_one(defaults, &steps, &value).try_into::<Config>().err()?;
        Some(suggest::explained(error.message(), "", defaults))
    };
    let names = refused(Value::String("?".to_owned())).and_then(|text| {
        let names = text.strip_prefix("\"?\" is none of ")?.split("; ").next()?.to_owned();
        Some(names.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
    });
    let expected = || refused(Value::Boolean(true)).or_else(|| refused(Value::Integer(1)));
    let expected = || expected().and_then(|text| Some(text.rsplit_once(", expected ")?.1.to_owned()));
    let is_table = default_of(defaults, table, key).is_some_and(|value| value.is_table() || value.is_array());
    if is_table { "see below".to_owned() } else { names.or_else(expected).unwrap_or_default() }
}

/// In the tree of the defaults; of a list its first element.
fn at<'a>(defaults: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(defaults, |value, name| value.get(name))
}

fn default_of<'a>(defaults: &'a Value, table: &TableDoc, key: &KeyDoc) -> Option<&'a Value> {
    match at(defaults, table.path)? {
        Value::Array(items) => items.first()?.get(key.name),
        values => values.get(key.name),
    }
}

fn path_of(table: &TableDoc, key: &KeyDoc) -> String {
    format!("{}.{}", table.path, key.name)
}

/// As one would name it: `inputs[].keyed`.
fn shown_path(defaults: &Value, table: &TableDoc, key: &KeyDoc) -> String {
    let list = if at(defaults, table.path).is_some_and(Value::is_array) { "[]" } else { "" };
    format!("{}{list}.{}", table.path, key.name)
}

fn shown_default(defaults: &Value, table: &TableDoc, key: &KeyDoc) -> String {
    match default_of(defaults, table, key) {
        None => "absent".to_owned(),
        Some(Value::Table(values)) if values.is_empty() => "none".to_owned(),
        Some(Value::Table(_)) => "see below".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Array(items)) => {
            let names = items.iter().filter_map(|item| item.get("name").and_then(Value::as_str));
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        }
        Some(value) => format!("`{value}`"),
    }
}

fn first_paragraph(doc: &str) -> &str {
    doc.split("\n\n").next().unwrap_or(doc)
}

/// On one line, with nothing that ends a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A doc as the lines of a comment.
fn comment(text: &mut String, doc: &str) {
    for paragraph in doc.split("\n\n") {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(text, "{line}");
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(text, "{line}");
    }
}
