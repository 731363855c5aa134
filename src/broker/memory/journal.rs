//! The journal on disk: whole frames, one a commit, replayed when it is opened.
//!
//! A frame is `length u32 | hash of the length u32 | xxh3 of the payload u64 | payload`, little endian. A killed
//! process leaves at most a prefix of a frame at the end: it is cut. Anything else that doesn't fit its hash is damage,
//! and is refused rather than guessed at: what follows it was committed.
//!
//! Nothing is forced to the disk at a commit: a journal outlives its process, not a power failure.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::codec;
use super::frame::{Frame, Misplaced};

const MAGIC: &[u8; 8] = b"tidelog1";
const HEADER_BYTES: usize = 16;

/// A journal that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or the directory.
        path: PathBuf,
        /// As the system says it.
        source: io::Error,
    },
    /// Another process holds its lock.
    #[error("{path} is in use by another process")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It begins with something else than a journal does.
    #[error("{path} is no journal of tideline's embedded log")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What lies in it belongs to other topics.
    #[error("{path} was written for other topics ({written}); give another directory, or the same topics")]
    OtherTopics {
        /// The file.
        path: PathBuf,
        /// The topics that it was written for.
        written: String,
    },
    /// A frame before the last one is not whole.
    #[error("{path} is damaged at byte {at}: {what}; what follows can't be trusted")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The byte at which the frame begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Held for as long as the journal is open.
    _lock: File,
    /// Names the topics; a journal of others is refused.
    identity: String,
    length: u64,
    /// No rewrite below this many bytes.
    rewrite_floor: u64,
    /// When the journal was last begun anew.
    rewritten_length: u64,
    /// A failed write could not be taken back: nothing may follow it.
    is_broken: bool,
}

impl Journal {
    const FILE: &'static str = "journal";

    /// Opens or creates the journal of `directory`, hands over its frames in order, and cuts a torn tail.
    pub fn open(
        directory: &Path,
        identity: String,
        rewrite_floor: u64,
        each: impl FnMut(Frame) -> Result<(), Misplaced>,
    ) -> Result<Self, JournalError> {
        let path = directory.join(Self::FILE);
        let io = |source| JournalError::Io { path: path.clone(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let lock = File::create(directory.join("lock")).map_err(io)?;
        if !takes(&lock) {
            return Err(JournalError::InUse { path: directory.to_owned() });
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        let length =
            Replay { path: &path, reader: io::BufReader::with_capacity(1 << 20, &file), at: 0 }.run(&identity, each)?;
        file.set_len(length).map_err(io)?;
        let mut journal = Self {
            path: path.clone(),
            file,
            _lock: lock,
            identity,
            length,
            rewrite_floor,
            rewritten_length: length,
            is_broken: false,
        };
        if length == 0 {
            journal.append_bytes(&beginning(&journal.identity)).map_err(io)?;
        }
        Ok(journal)
    }

    pub fn append(&mut self, frame: &Frame) -> io::Result<()> {
        self.append_bytes(&framed(&codec::encode(frame))?)
    }

    pub fn wants_rewrite(&self) -> bool {
        self.length > self.rewrite_floor.max(2 * self.rewritten_length)
    }

    /// Replaces the journal by one that begins with `snapshot`. Until the rename the old one stands.
    pub fn rewrite(&mut self, snapshot: impl Iterator<Item = Frame>) -> io::Result<()> {
        let next_path = self.path.with_extension("next");
        let mut next = File::create(&next_path)?;
        let mut length = 0;
        let pieces =
            std::iter::once(Ok(beginning(&self.identity))).chain(snapshot.map(|frame| framed(&codec::encode(&frame))));
        for piece in pieces {
            let piece = piece?;
            next.write_all(&piece)?;
            length += piece.len() as u64;
        }
        next.sync_all()?;
        std::fs::rename(&next_path, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.length = length;
        self.rewritten_length = length;
        self.is_broken = false;
        Ok(())
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed and could not be taken back"));
        }
        if let Err(error) = self.file.write_all(bytes) {
            self.is_broken = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// How a journal begins: what it is, and of which topics.
fn beginning(identity: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(framed(identity.as_bytes()).unwrap_or_default());
    bytes
}

fn framed(payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(payload.len())
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "a commit of more than 4 GiB"))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(length_hash(length).to_le_bytes());
    bytes.extend(xxh3_64(payload).to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

fn length_hash(length: u32) -> u32 {
    xxh3_64(&length.to_le_bytes()) as u32
}

/// Reads a journal from its start to its end, or to where it is torn.
struct Replay<'a, R> {
    path: &'a Path,
    reader: R,
    /// Everything before it is whole.
    at: u64,
}

impl<R: Read> Replay<'_, R> {
    /// How many bytes of the file are whole.
    fn run(
        mut self,
        identity: &str,
        mut each: impl FnMut(Frame) -> Result<(), Misplaced>,
    ) -> Result<u64, JournalError> {
        let magic = self.bytes(MAGIC.len())?;
        if !MAGIC.starts_with(&magic) {
            return Err(JournalError::Foreign { path: self.path.to_owned() });
        }
        self.at += magic.len() as u64;
        let Some(written) = self.frame()? else { return Ok(0) };
        if written != identity.as_bytes() {
            let written = String::from_utf8_lossy(&written).into_owned();
            return Err(JournalError::OtherTopics { path: self.path.to_owned(), written });
        }
        loop {
            let at = self.at;
            let Some(payload) = self.frame()? else { return Ok(self.at) };
            let frame = codec::decode(&payload).ok_or_else(|| self.damaged(at, "its contents can't be read"))?;
            each(frame).map_err(|Misplaced(what)| self.damaged(at, what))?;
        }
    }

    /// The payload of the next frame; none at the end and where the file is torn.
    fn frame(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let header = self.bytes(HEADER_BYTES)?;
        let Some((length, rest)) = header.split_first_chunk::<4>() else { return Ok(None) };
        let Some((hash_of_length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some((hash, _)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length);
        if length_hash(length) != u32::from_le_bytes(*hash_of_length) {
            return Err(self.damaged(self.at, "the length of a frame"));
        }
        let payload = self.bytes(length as usize)?;
        if payload.len() < length as usize {
            return Ok(None);
        }
        if xxh3_64(&payload) != u64::from_le_bytes(*hash) {
            return Err(self.damaged(self.at, "the contents of a frame"));
        }
        self.at += (HEADER_BYTES + payload.len()) as u64;
        Ok(Some(payload))
    }

    /// The next `count` bytes, or fewer at the end of the file.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, JournalError> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(count as u64).read_to_end(&mut bytes);
        read.map_err(|source| JournalError::Io { path: self.path.to_owned(), source })?;
        Ok(bytes)
    }

    fn damaged(&self, at: u64, what: &'static str) -> JournalError {
        JournalError::Damaged { path: self.path.to_owned(), at, what }
    }
}

/// Takes the lock of a directory. A program that another thread is just starting has a copy of every open file until it
/// runs, so a lock that was let go a moment ago may seem held for as long as that takes: it is tried again, within a
/// bound.
fn takes(lock: &File) -> bool {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(5);
    (0..TRIES).any(|tried| {
        if tried > 0 {
            std::thread::park_timeout(PAUSE);
        }
        lock.try_lock().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Isolation;
    use crate::broker::memory::{Memory, MemorySettings};
    use crate::broker::{Broker, Producer, Topics, Transaction, TransactionError};
    use crate::domain::PartitionId;
    use crate::record::Outgoing;

    #[test]
    fn a_commit_that_the_journal_refuses_is_not_seen() {
        let topics = Topics::of(&["input"], 1);
        let directory = tempfile::tempdir().expect("directory");
        let memory = Memory::open(topics.clone(), MemorySettings::default(), directory.path()).expect("open");
        let record = Outgoing {
            topic: topics.changelog.clone(),
            partition: Some(PartitionId(0)),
            key: Some(b"k".to_vec()),
            value: Some(b"v".to_vec()),
            headers: vec![],
            timestamp: None,
        };
        let mut producer = memory.producer("lane").expect("producer");
        let mut transaction = producer.begin().expect("begin");
        record.lend(|record| transaction.send(record)).expect("send");
        // A handle that can't be written to stands for a full disk.
        let read_only = File::open(directory.path().join(Journal::FILE)).expect("journal");
        memory.shared.lock().journal.as_mut().expect("a journal").file = read_only;

        let outcome = transaction.commit();
        assert!(matches!(outcome, Err(TransactionError::Fatal { .. })), "{outcome:?}");
        let seen = memory.read("changelog", PartitionId(0), 0, Isolation::ReadCommitted, 9).expect("read");
        assert_eq!(seen, []);
        assert!(memory.produce(record).is_err());
        assert!(memory.producer("lane").is_err(), "nothing goes on without its journal");
    }
}
