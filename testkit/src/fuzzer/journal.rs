//! A journal of the embedded log: opened whole, up to a torn tail, or not at all, with the reason named.

use std::fs;

use rand::RngExt;
use tempfile::TempDir;
use tideline::broker::Isolation;
use tideline::broker::Topics;
use tideline::broker::memory::{JournalError, Memory, MemorySettings};
use tideline::domain::{OutputNames, PartitionId};
use tideline::record::Outgoing;
use xxhash_rust::xxh3::xxh3_64;

use super::corpus::Corpus;
use super::{Random, Target, bytes, pick};
use crate::message::TestMessage;

const MAGIC_BYTES: usize = 8;
const HEADER_BYTES: usize = 16;

pub struct Journal {
    directory: TempDir,
}

impl Journal {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn open(&self) -> Result<Memory, JournalError> {
        Memory::open(topics(), MemorySettings::default(), self.directory.path())
    }
}

/// Those of the samples.
fn topics() -> Topics {
    Topics {
        inputs: vec!["input-0".into()],
        changelog: "changelog".into(),
        outputs: OutputNames::default(),
        partitions: 1,
    }
}

impl Target for Journal {
    /// Within the payload of a frame, whose hashes are made right again; or anywhere.
    fn change(&self, input: &mut TestMessage, corpus: &Corpus, random: &mut Random) {
        let other = pick(random, &corpus.samples).value.as_deref().unwrap_or_default();
        let value = input.value.get_or_insert_default();
        let (magic, mut frames) = (value[..MAGIC_BYTES].to_vec(), payloads(&value[MAGIC_BYTES..]));
        if random.random_ratio(1, 3) || frames.len() < 2 {
            bytes::change(value, other, random);
            return;
        }
        let at = random.random_range(1..frames.len());
        match random.random_range(0..6u8) {
            0 => {
                let to = random.random_range(1..frames.len());
                frames.swap(at, to);
            }
            1 => {
                let again = frames[at].clone();
                frames.push(again);
            }
            2 if frames[at].len() >= 8 => {
                // Numbers are eight bytes, counts and lengths four.
                let from = random.random_range(0..=frames[at].len() - 8);
                let number = *pick(random, &[-1, 0, i64::MAX, i64::MIN, 1 << 16, 1 << 31]);
                frames[at][from..from + 8].copy_from_slice(&i64::to_le_bytes(number));
            }
            _ => bytes::change(&mut frames[at], other, random),
        }
        *value = frames.iter().fold(magic, |whole, payload| [whole, framed(payload)].concat());
    }

    fn check(&mut self, input: &TestMessage) -> Result<&'static str, String> {
        let path = self.directory.path().join("journal");
        fs::write(&path, input.value.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
        let memory = match self.open() {
            Ok(memory) => memory,
            Err(JournalError::Damaged { .. }) => return Ok("damaged"),
            Err(JournalError::Foreign { .. }) => return Ok("foreign"),
            Err(JournalError::OtherTopics { .. }) => return Ok("other topics"),
            Err(error) => return Err(error.to_string()),
        };
        let record = |topic: &std::sync::Arc<str>| Outgoing {
            topic: topic.clone(),
            partition: Some(PartitionId(0)),
            key: Some(b"k".to_vec()),
            value: Some(b"after".to_vec()),
            headers: Vec::new(),
            timestamp: None,
        };
        let topics = topics();
        let written = [&topics.inputs[0], &topics.changelog];
        for topic in written {
            memory.produce(record(topic)).map_err(|error| format!("it does not go on: {error}"))?;
        }
        memory.compact(&topics.changelog).map_err(|error| error.to_string())?;
        let read = |memory: &Memory, topic: &str| {
            let read = memory.read(topic, PartitionId(0), 0, Isolation::ReadCommitted, usize::MAX);
            read.map_err(|error| error.to_string())
        };
        let before = read(&memory, &topics.inputs[0])?;
        drop(memory);
        let memory = self.open().map_err(|error| format!("opened once, and then: {error}"))?;
        if read(&memory, &topics.inputs[0])? != before {
            return Err("opened again, it holds other records".to_owned());
        }
        Ok("opened")
    }
}

/// The payloads of whole frames.
fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Some((length, _)) = bytes.split_first_chunk::<4>() {
        let end = HEADER_BYTES + u32::from_le_bytes(*length) as usize;
        let Some(frame) = bytes.get(..end) else { break };
        payloads.push(frame[HEADER_BYTES..].to_vec());
        bytes = &bytes[end..];
    }
    payloads
}

/// As the journal frames a payload: length, hash of the length, hash of the payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    let hash_of_length = (xxh3_64(&length) as u32).to_le_bytes();
    [&length[..], &hash_of_length, &xxh3_64(payload).to_le_bytes(), payload].concat()
}
