//! Text to a [`Config`], with every fault at once, each with its line.
//!
//! A deserializer stops at its first error. So each value of the file is judged by itself: put into the defaults at its
//! place, alone. One that can't be read is a fault; the default stands in for it while everything else is validated,
//! and what would be said on the strength of that stand-in is left out. A value of `[kafka.client]` may be a secret:
//! neither the parser's excerpts of the file nor the deserializer's words, both of which carry values, are shown of it.

use std::path::Path;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::application::is_name;
use super::places::Places;
use super::suggest;
use super::tree::Config;
use crate::settings::Fault;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration {path}")]
    Unreadable {
        /// Of the file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What it holds is no TOML, so nothing is known of its keys.
    #[error("the configuration {path} is not TOML: {message}")]
    NotToml {
        /// Of the file.
        path: String,
        /// Each place that the parser can't read, with its line; no text of the file, in which a secret may be.
        message: String,
    },
    /// In the order of their lines.
    #[error("the configuration {path} has {} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" })]
    Faulty {
        /// Of the file; of a text what it is called.
        path: String,
        /// At least one.
        faults: Vec<Fault>,
    },
}

impl Config {
    /// Reads a file and validates it. Without one, the defaults.
    ///
    /// # Errors
    ///
    /// The file can't be read, is no TOML, or has faults: all of them, each with its line.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_by(path, Self::parse)
    }

    /// As [`Self::load`], for whoever connects: what only making the client shows is a fault, too.
    ///
    /// # Errors
    ///
    /// As of [`Self::load`].
    pub fn load_to_connect(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_by(path, Self::parse_to_connect)
    }

    fn load_by(path: Option<&Path>, parse: fn(&str, &str) -> Result<Self, ConfigError>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => parse(&name, &text),
            Err(source) => Err(ConfigError::Unreadable { path: name, source }),
        }
    }

    /// The configuration of a process on that host, whose name is the instance if none is given.
    ///
    /// # Errors
    ///
    /// The host's name is needed, and can't be part of a transactional id.
    pub fn on_host(mut self, host: &str) -> Result<Self, ConfigError> {
        if self.application.instance.is_empty() {
            if !is_name(host) {
                let what = format!(
                    "the host's name, {host:?}, stands for it, and is not 1 to 100 of letters, digits, '.', '_' and \
                        '-'; set it"
                );
                let faults = vec![Fault::new("application.instance", what)];
                return Err(ConfigError::Faulty { path: "of this host".to_owned(), faults });
            }
            host.clone_into(&mut self.application.instance);
        }
        Ok(self)
    }

    /// Reads TOML and validates it; errors call it `name`.
    ///
    /// # Errors
    ///
    /// It is no TOML, or has faults: all of them, each with its line.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_by(name, text, |_, _| Vec::new())
    }

    /// As [`Self::parse`], for whoever connects: makes each kind of client, and no connection.
    ///
    /// # Errors
    ///
    /// As of [`Self::parse`].
    pub fn parse_to_connect(name: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_by(name, text, Self::client_faults)
    }

    /// `further`: the faults of what could be read besides those that are known.
    fn parse_by(name: &str, text: &str, further: fn(&Self, &[Fault]) -> Vec<Fault>) -> Result<Self, ConfigError> {
        let places = Places::of(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(ConfigError::NotToml { path: name.to_owned(), message: syntax(&places, &errors) });
        }
        let defaults = as_value(&Self::default());
        let mut reading =
            Reading { defaults: &defaults, path: Vec::new(), places, faults: Vec::new(), unread: Vec::new() };
        let table = defaults.as_table().map(|table| reading.table(document.get_ref(), table)).unwrap_or_default();
        let Reading { places, mut faults, unread, .. } = reading;
        let config = match table.try_into::<Self>() {
            Ok(config) => config,
            // Every value was accepted alone; still, nothing that isn't read may pass for sound.
            Err(error) => {
                faults.push(Fault::new("the file as a whole", error.message()));
                Self::default()
            }
        };
        let couplings = config.validate().into_iter();
        faults.extend(couplings.filter(|fault| !unread.iter().any(|path| fault.rests_on(path))));
        faults.extend(further(&config, &faults));
        if faults.is_empty() {
            return Ok(config);
        }
        let mut faults: Vec<_> = faults.into_iter().map(|fault| fault.placed(&places)).collect();
        faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        Err(ConfigError::Faulty { path: name.to_owned(), faults })
    }
}

/// What the parser stumbled over, a line once. Its own text would quote the line, with whatever secret is in it.
fn syntax(places: &Places, errors: &[toml::de::Error]) -> String {
    let mut told: Vec<(usize, String)> = Vec::new();
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        let line = places.line_at(at);
        if told.iter().all(|(other, _)| *other != line) {
            told.push((line, format!("line {line}, column {}: {}", places.column_at(at), error.message())));
        }
    }
    told.sort();
    told.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ")
}

/// Keys that had another name once: section, then, now.
const OLD_NAMES: [(&str, &str, &str); 1] = [("stream", "max_value", "max_record")];

fn name_now<'a>(section: &str, written: &'a str) -> &'a str {
    let renamed = OLD_NAMES.iter().find(|(of, old, _)| *of == section && *old == written);
    renamed.map_or(written, |(_, _, now)| now)
}

/// One step towards a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A file on its way to a table of which every value is known to be readable.
struct Reading<'a> {
    defaults: &'a Value,
    path: Vec<Step>,
    places: Places,
    faults: Vec<Fault>,
    /// Keys whose value couldn't be read: the default stands in.
    unread: Vec<String>,
}

impl Reading<'_> {
    /// What of a table can be read. `defaults`: the same table, as it is without a file.
    fn table(&mut self, table: &DeTable<'_>, defaults: &Table) -> Table {
        let mut read = Table::new();
        for (key, value) in table {
            let written = key.get_ref().as_ref();
            let name = name_now(&dotted(&self.path), written);
            if name != written && table.iter().any(|(other, _)| other.get_ref() == name) {
                let path = format!("{}.{written}", dotted(&self.path));
                self.places.note(path.clone(), &key.span());
                self.faults
                    .push(Fault::new(path, format!("the old name of {name}, which is set, too: only one may be")));
                continue;
            }
            self.path.push(Step::Key(name.to_owned()));
            self.places.note(dotted(&self.path), &key.span());
            if let Some(value) = self.value(value, defaults.get(name)) {
                read.insert(name.to_owned(), value);
            }
            self.path.pop();
        }
        read
    }

    /// Goes down to the values; a table or list where the defaults have none is judged whole.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, default: Option<&Value>) -> Option<Value> {
        match (value.get_ref(), default) {
            (value, _) if dotted(&self.path) == "kafka.client" => self.client(value),
            (DeValue::Table(table), Some(Value::Table(defaults))) => Some(Value::Table(self.table(table, defaults))),
            (DeValue::Array(items), Some(Value::Array(samples))) if samples.first().is_some_and(Value::is_table) => {
                Some(Value::Array(
                    items.iter().enumerate().map(|(at, item)| self.element(at, item, &samples[0])).collect(),
                ))
            }
            _ => self.leaf(value),
        }
    }

    /// A value as it stands, if the configuration can have it there.
    fn leaf(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let plain = Value::deserialize(value.clone().into_deserializer()).map_err(|error| match value.get_ref() {
            DeValue::Integer(_) => "the number is out of range: it takes more than 64 bits".to_owned(),
            _ => error.message().to_owned(),
        });
        let judged = plain.and_then(|plain| match with_one(self.defaults, &self.path, &plain).try_into::<Config>() {
            Ok(_) => Ok(plain),
            Err(error) => Err(suggest::explained(error.message(), &dotted(&self.path), self.defaults)),
        });
        judged.map_err(|what| self.refuse(what)).ok()
    }

    /// An element of a list of tables; what it lacks, or can't be read of it, is as in the sample.
    fn element(&mut self, at: usize, item: &Spanned<DeValue<'_>>, sample: &Value) -> Value {
        self.path.push(Step::Index(at));
        self.places.note(dotted(&self.path), &item.span());
        let element = match (item.get_ref(), sample) {
            (DeValue::Table(table), Value::Table(keys)) => {
                let mut read = self.table(table, keys);
                for (key, value) in keys {
                    if !read.contains_key(key) && self.is_required(sample, key) {
                        if !table.iter().any(|(name, _)| name.get_ref() == key) {
                            self.faults.push(Fault::new(dotted(&self.path), format!("missing key `{key}`")));
                        }
                        self.unread.push(format!("{}.{key}", dotted(&self.path)));
                        read.insert(key.clone(), value.clone());
                    }
                }
                Value::Table(read)
            }
            _ => self.leaf(item).unwrap_or_else(|| sample.clone()),
        };
        self.path.pop();
        element
    }

    /// Whether even a sound element isn't read without that key.
    fn is_required(&self, sample: &Value, key: &str) -> bool {
        let mut without = sample.clone();
        without.as_table_mut().map(|table| table.remove(key));
        with_one(self.defaults, &self.path, &without).try_into::<Config>().is_err()
    }

    /// The client's properties: texts by name. Their values are never shown.
    fn client(&mut self, value: &DeValue<'_>) -> Option<Value> {
        let DeValue::Table(table) = value else {
            self.refuse(
                "expected a table of properties: write [kafka.client], and a line `\"name\" = \"value\"` for each"
                    .to_owned(),
            );
            return None;
        };
        let mut read = Table::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            self.path.push(Step::Key(name.to_owned()));
            self.places.note(dotted(&self.path), &key.span());
            match value.get_ref() {
                DeValue::String(text) => drop(read.insert(name.to_owned(), Value::String(text.to_string()))),
                DeValue::Table(_) => self.refuse(format!(
                    "expected a value in quotes; a name with dots stands in quotes too: `\"{name}.…\" = \"value\"`"
                )),
                other => self.refuse(format!("expected a value in quotes, not {}", of_kind(other))),
            }
            self.path.pop();
        }
        Some(Value::Table(read))
    }

    fn refuse(&mut self, what: String) {
        let path = dotted(&self.path);
        self.unread.push(path.clone());
        self.faults.push(Fault::new(path, what));
    }
}

const fn of_kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false without quotes",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::String(_) | DeValue::Table(_) => "that",
    }
}

/// The configuration as the tree that a file of it would be.
pub(super) fn as_value(config: &Config) -> Value {
    Value::try_from(config).expect("the defaults are plain tables, strings and numbers")
}

/// The defaults with one value replaced. A list on the way is cut to its first element, which stands for the one
/// judged.
pub(super) fn with_one(defaults: &Value, path: &[Step], value: &Value) -> Value {
    let mut root = defaults.clone();
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
