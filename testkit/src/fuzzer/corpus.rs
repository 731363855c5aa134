//! Samples as files. One with the ending `.record` holds offset, key, headers and value; any other is the value alone.
//!
//! ```text
//! key: u1
//! header ce_id: e1
//!
//! {"amount": 5}
//! ```
//!
//! Keys and headers are escaped as Rust escapes bytes; the value is as it is, to the end of the file. From the offset
//! the wire targets take how the record comes in.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::message::TestMessage;
use crate::places::{root, scratch};

pub struct Corpus {
    pub samples: Vec<TestMessage>,
    /// Inputs that failed once.
    pub regressions: Vec<TestMessage>,
}

impl Corpus {
    pub fn load(name: &str) -> Self {
        let folder = root().join("tests/corpora").join(name);
        let samples = read_all(&folder);
        assert!(!samples.is_empty(), "no sample in {}", folder.display());
        Self { samples, regressions: read_all(&folder.join("regressions")) }
    }
}

/// The files of a folder, in order of name; none where there is no folder.
fn read_all(folder: &Path) -> Vec<TestMessage> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> TestMessage {
    let bytes = fs::read(path).expect("a sample");
    if path.extension().is_some_and(|ending| ending == "record") {
        parse(&bytes).unwrap_or_else(|| panic!("{} is no record", path.display()))
    } else {
        TestMessage::of_value(bytes)
    }
}

pub fn parse(mut bytes: &[u8]) -> Option<TestMessage> {
    let mut record = TestMessage::default();
    let mut has_value = true;
    loop {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        bytes = &bytes[end + 1..];
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        match name.split_once(' ') {
            None if name == "offset" => record.offset = value.parse().ok()?,
            None if name == "key" => record.key = Some(unescaped(value)?),
            Some(("no", "value")) => has_value = false,
            Some(("null", name)) => record.headers.push((unescaped(name)?, None)),
            Some(("header", name)) => {
                record.headers.push((unescaped(name)?, Some(unescaped(value)?)));
            }
            _ => return None,
        }
    }
    record.value = has_value.then(|| bytes.to_vec());
    Some(record)
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match rest.next()? {
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                plain => plain,
            },
        });
    }
    Some(out)
}

/// An input as a `.record`.
pub fn written(input: &TestMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut line = |name: &str, value: String| bytes.extend(format!("{name}: {value}\n").bytes());
    line("offset", input.offset.to_string());
    if let Some(key) = &input.key {
        line("key", key.escape_ascii().to_string());
    }
    if input.value.is_none() {
        line("no value", String::new());
    }
    for (name, value) in &input.headers {
        let kind = if value.is_some() { "header" } else { "null" };
        line(
            &format!("{kind} {}", name.escape_ascii()).replace(':', "\\x3a"),
            value.as_deref().unwrap_or_default().escape_ascii().to_string(),
        );
    }
    bytes.push(b'\n');
    bytes.extend(input.value.as_deref().unwrap_or_default());
    bytes
}

/// Writes an input that failed, for whoever looks into it; says where.
pub fn keep(target: &str, input: &TestMessage) -> String {
    let bytes = written(input);
    let folder = scratch().join("fuzz").join(target);
    let path = folder.join(format!("{:016x}.record", xxh3_64(&bytes)));
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, bytes)) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("nothing ({error})"),
    }
}
