//! Text to a [`Config`], with every fault at once.
//!
//! A deserializer stops at its first error. So each value of the file is first judged by itself: put into the defaults
//! at its place, alone. What is wrong then is that value's fault, and has its path.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::tree::Config;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}")]
    Unreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration {path} is not TOML: {message}")]
    NotToml { path: String, message: String },
    /// Each with its path: `inputs[1].source: …`.
    #[error("the configuration {path} has {} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" })]
    Faulty { path: String, faults: Vec<String> },
}

impl Config {
    /// Reads a file and validates it. Without one, the defaults.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text),
            Err(source) => Err(ConfigError::Unreadable { path: name, source }),
        }
    }

    /// Reads TOML and validates it; `name` stands for it in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let faulty = |faults| ConfigError::Faulty { path: name.to_owned(), faults };
        let table: Table = toml::from_str(text)
            .map_err(|error| ConfigError::NotToml { path: name.to_owned(), message: error.to_string() })?;
        let mut faults = Vec::new();
        judge_table(&mut Vec::new(), &table, &mut faults);
        let defaults = Self::default();
        judge_elements("inputs", table.get("inputs"), &defaults.inputs[0], &mut faults);
        let rungs = table.get("rules").and_then(|rules| rules.get("rungs"));
        judge_elements("rules.rungs", rungs, &defaults.rules.rungs[0], &mut faults);
        match table.try_into::<Self>() {
            // Values of the wrong kind have no couplings to check.
            _ if !faults.is_empty() => Err(faulty(faults)),
            Err(error) => Err(faulty(vec![error.message().to_owned()])),
            Ok(config) => match config.validate() {
                faults if faults.is_empty() => Ok(config),
                faults => Err(faulty(faults)),
            },
        }
    }
}

/// One step towards a value.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

fn judge_table(path: &mut Vec<Step>, table: &Table, faults: &mut Vec<String>) {
    for (key, value) in table {
        path.push(Step::Key(key.clone()));
        judge(path, value, faults);
        path.pop();
    }
}

/// Goes down to the values; a table or list where the defaults have none is judged whole.
fn judge(path: &mut Vec<Step>, value: &Value, faults: &mut Vec<String>) {
    let defaults = as_value(&Config::default());
    match (value, at(&defaults, path)) {
        (Value::Table(table), Some(Value::Table(_))) => judge_table(path, table, faults),
        (Value::Array(items), Some(Value::Array(samples))) if samples.first().is_some_and(Value::is_table) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                judge(path, item, faults);
                path.pop();
            }
        }
        _ => {
            if let Err(error) = with_one(defaults, path, value).try_into::<Config>() {
                faults.push(format!("{}: {}", dotted(path), error.message().trim_end()));
            }
        }
    }
}

/// Keys that an element of a list must have and lacks: those without which even a sound one isn't read.
fn judge_elements<T: Serialize + DeserializeOwned>(
    path: &str,
    elements: Option<&Value>,
    sound: &T,
    faults: &mut Vec<String>,
) {
    let sound = as_value(sound);
    let keys: Vec<_> = sound.as_table().into_iter().flat_map(Table::keys).collect();
    for (index, element) in elements.and_then(Value::as_array).into_iter().flatten().enumerate() {
        for key in keys.iter().filter(|key| element.is_table() && element.get(key.as_str()).is_none()) {
            let mut without = sound.clone();
            without.as_table_mut().map(|table| table.remove(key.as_str()));
            if let Err(error) = without.try_into::<T>() {
                faults.push(format!("{path}[{index}]: {}", error.message().trim_end()));
            }
        }
    }
}

fn as_value(config: &impl Serialize) -> Value {
    Value::try_from(config).expect("the defaults are plain tables, strings and numbers")
}

/// The default value at a path. Any element of a list is like the list's first.
fn at<'a>(mut value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    for step in path {
        value = match step {
            Step::Key(key) => value.get(key)?,
            Step::Index(_) => value.get(0)?,
        };
    }
    Some(value)
}

/// The defaults with one value replaced. A list on the way is cut to its first element, which stands for the one judged.
fn with_one(mut root: Value, path: &[Step], value: &Value) -> Value {
    let mut place = &mut root;
    for step in path {
        place = match (step, place) {
            (Step::Key(key), Value::Table(table)) => {
                table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()))
            }
            (Step::Index(_), Value::Array(items)) => {
                items.truncate(1);
                &mut items[0]
            }
            _ => unreachable!("the way was followed through the defaults"),
        };
    }
    *place = value.clone();
    root
}

/// `inputs[1].source`.
fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key.as_str()]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
