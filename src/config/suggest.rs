//! What was probably meant: for a name that isn't one, those that are like it.

use toml::Value;

use super::keys::tables;
use crate::nearest::nearest;

/// The deserializer's message, in the words of whoever writes the file.
pub(super) fn explained(message: &str, path: &str, defaults: &Value) -> String {
    let message = message.trim_end();
    if let Some((name, known)) = unknown("field", message) {
        let known = if known.is_empty() { keys_beside(path, defaults) } else { known };
        let meant = nearest(&name, known.iter().map(String::as_str))
            .map(str::to_owned)
            .or_else(|| elsewhere(defaults, &name))
            .map_or_else(
                || format!("; the keys here are {}", known.join(", ")),
                |meant| format!("; did you mean `{meant}`?"),
            );
        return format!("unknown key{meant}");
    }
    if let Some((name, known)) = unknown("variant", message) {
        let meant = nearest(&name, known.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        return format!("{name:?} is none of {}{meant}", known.join(", "));
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) => format!("{found}, expected {}", in_plain_words(expected, path)),
        None => message.to_owned(),
    }
}

/// What the deserializer calls by the program's own types.
fn in_plain_words(expected: &str, path: &str) -> String {
    let words = match expected {
        of_rust if of_rust.starts_with("struct ") => return format!("a table of keys ({})", header(path)),
        "a sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more, without quotes",
        "i32" | "i64" => "a whole number without quotes",
        "f64" => "a number without quotes",
        "a boolean" => "true or false, without quotes",
        "a string" => "a text in quotes",
        other => other,
    };
    words.to_owned()
}

/// Of the table at that path: an element's of a list has two brackets.
fn header(path: &str) -> String {
    match path.rsplit_once('[') {
        Some((list, index)) if index.ends_with(']') => format!("[[{list}]]"),
        _ => format!("[{path}]"),
    }
}

/// The keys of the table that a key is in, which several parts may share: then the deserializer doesn't name them.
fn keys_beside(path: &str, defaults: &Value) -> Vec<String> {
    let table = path.rsplit_once('.').map_or("", |(table, _)| table);
    let is_set = |name: &str| defaults.get(table).is_some_and(|keys| keys.get(name).is_some());
    let tables = tables().into_iter().filter(|known| known.path == table);
    let keys = tables.flat_map(|known| known.keys).filter(|key| key.example.is_some() || is_set(key.name));
    keys.map(|key| key.name.to_owned()).collect()
}

/// "unknown field `a`, expected one of `b`, `c`": a, and b and c.
fn unknown(kind: &str, message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown ")?.strip_prefix(kind)?.strip_prefix(" `")?;
    let (name, known) = rest.split_once('`')?;
    Some((name.to_owned(), known.split('`').skip(1).step_by(2).map(str::to_owned).collect()))
}

/// Where a key of that name, or one like it, stands in another table.
fn elsewhere(defaults: &Value, name: &str) -> Option<String> {
    // As the client's properties begin.
    if name.contains('.') || ["sasl", "ssl", "security", "socket"].contains(&name) {
        return Some("kafka.client".to_owned());
    }
    let mut paths = Vec::new();
    collect(defaults, "", &mut paths);
    let last = |path: &'_ str| path.rsplit('.').next().map(str::to_owned);
    paths.into_iter().find(|path| last(path).as_deref() == Some(name))
}

/// The paths of all keys below a table; of a list, those of its first element.
fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                paths.push(path.clone());
                collect(value, &path, paths);
            }
        }
        Value::Array(items) => items.first().into_iter().for_each(|item| collect(item, &format!("{path}[]"), paths)),
        _ => {}
    }
}
