//! A file, or standard input, as lines of bytes: plain, gzip or zstd, told by its first bytes. Never held whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

use super::remarks::FileLine;

/// The longest line that is read, in bytes. What is only too large for an event goes to dead letters; beyond this a
/// file isn't lines.
const MAX_LINE: u64 = 64 << 20;
const BUFFER: usize = 1 << 18;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Origin {
    Stdin,
    File(PathBuf),
}

impl Origin {
    pub fn parse(text: &str) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(text.into()) }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The size as it stands on disk; none where it isn't known.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
        }
    }
}

/// Lines, one after the other.
pub(in crate::cli) struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    /// Of the line read last, from 1.
    number: u64,
}

impl Lines {
    /// Opens what is named; `progress` counts its bytes as they stand on disk.
    pub fn open(origin: &Origin, progress: &ProgressBar) -> Result<Self> {
        let name = origin.name();
        let reader = open(origin, progress).with_context(|| format!("cannot open {name}"))?;
        Ok(Self { name, reader, number: 0 })
    }

    /// What is read, and the number of the line that was read last.
    pub fn place(&self) -> FileLine {
        FileLine { file: self.name.clone(), line: self.number }
    }

    /// Of the line that was read last, from 1.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end (`\n` or `\r\n`); none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_LINE + 1).read_until(b'\n', &mut line);
        self.number += 1;
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}, line {}", self.name, self.number));
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 > MAX_LINE {
            bail!("cannot read {}, line {}: it is longer than 64 MiB; is the file JSON lines?", self.name, self.number);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

fn open(origin: &Origin, progress: &ProgressBar) -> Result<Box<dyn BufRead>> {
    match origin {
        Origin::Stdin => decompressed(progress.wrap_read(io::stdin()), None),
        Origin::File(path) => decompressed(progress.wrap_read(File::open(path)?), claimed(path)),
    }
}

/// What the name says of a file.
fn claimed(path: &Path) -> Option<&'static [u8]> {
    match path.extension()?.to_str()? {
        "gz" => Some(GZIP),
        "zst" => Some(ZSTD),
        _ => None,
    }
}

fn decompressed(mut raw: impl Read + 'static, claimed: Option<&[u8]>) -> Result<Box<dyn BufRead>> {
    let mut head = Vec::new();
    raw.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head)?;
    if claimed.is_some_and(|magic| !head.starts_with(magic)) {
        bail!("it is not compressed as its name says");
    }
    let (gzip, zstd) = (head.starts_with(GZIP), head.starts_with(ZSTD));
    let raw: BufReader<Chain<Cursor<Vec<u8>>, _>> = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(raw));
    Ok(if gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
    } else if zstd {
        Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(raw)?))
    } else {
        Box::new(raw)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"first\r\n\n{\"third\":3}\nwithout an end";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// The lines of a file with that content, and the error that ended it.
    fn read(name: &str, content: &[u8]) -> (Vec<String>, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut lines = match Lines::open(&Origin::File(path), &ProgressBar::hidden()) {
            Ok(lines) => lines,
            Err(error) => return (Vec::new(), Some(format!("{error:#}"))),
        };
        let mut seen = Vec::new();
        loop {
            match lines.next() {
                Ok(Some(line)) => seen.push(String::from_utf8(line).unwrap()),
                Ok(None) => return (seen, None),
                Err(error) => return (seen, Some(format!("{error:#}"))),
            }
        }
    }

    #[test]
    fn lines_are_the_same_however_they_are_packed() {
        let expected = ["first", "", "{\"third\":3}", "without an end"];
        let twice = [gzip(b"first\n\n"), gzip(b"{\"third\":3}\nwithout an end")].concat();
        for (name, content) in [
            ("a.jsonl", TEXT.to_vec()),
            ("a.jsonl.gz", gzip(TEXT)),
            ("two-members.gz", twice),
            ("a.jsonl.zst", zstd::encode_all(TEXT, 0).unwrap()),
            ("packed-without-saying-so", gzip(TEXT)),
        ] {
            let (lines, error) = read(name, &content);
            assert_eq!((lines.as_slice(), error), (expected.map(str::to_owned).as_slice(), None), "{name}");
        }
        assert_eq!(read("empty.jsonl", b""), (vec![], None));
        assert_eq!(read("ends.jsonl", b"a\n"), (vec!["a".to_owned()], None));
    }

    #[test]
    fn a_truncated_file_is_an_error_that_names_file_and_line() {
        let text = b"one\ntwo\n".repeat(5_000);
        let zstd = zstd::encode_all(&text[..], 0).unwrap();
        for (name, whole) in [("cut.gz", gzip(&text)), ("cut.zst", zstd)] {
            let (_, error) = read(name, &whole[..whole.len() - 6]);
            let error = error.unwrap_or_default();
            assert!(error.contains("cannot read ") && error.contains(name) && error.contains(", line "), "{error}");
        }
    }

    #[test]
    fn a_name_that_lies_is_an_error() {
        let (_, error) = read("plain.gz", TEXT);
        assert!(error.unwrap().ends_with("it is not compressed as its name says"));
    }
}
