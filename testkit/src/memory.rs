//! An embedded log for tests, and what they ask of it most.

use std::sync::Arc;

use tideline::broker::memory::{Memory, MemoryMessage, MemorySettings, MemorySource};
use tideline::broker::{Broker, CommitMetadata, ForwardProgress, Isolation, OffsetCommit, Polled, Source, Topics};
use tideline::domain::{Input, OutputNames, PartitionId};
use tideline::record::{Message, Offset, Outgoing};

pub const P0: PartitionId = PartitionId(0);
pub const I0: Input = Input(0);

pub fn topics(inputs: usize, partitions: i32) -> Topics {
    Topics {
        inputs: (0..inputs).map(|input| format!("input-{input}").into()).collect(),
        changelog: "changelog".into(),
        outputs: OutputNames::default(),
        partitions,
    }
}

pub fn memory(settings: MemorySettings) -> Memory {
    Memory::new(topics(1, 1), settings)
}

pub fn record(topic: &str, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: Arc::from(topic),
        partition: Some(P0),
        key: Some(key.into()),
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp: None,
    }
}

/// The committed values of partition 0 of a topic.
pub fn committed_values(memory: &Memory, topic: &str) -> Vec<String> {
    let messages = memory.read(topic, P0, 0, Isolation::ReadCommitted, usize::MAX).expect("read");
    let value = |message: &MemoryMessage| String::from_utf8_lossy(message.value().unwrap_or(b"(none)")).into_owned();
    messages.iter().map(value).collect()
}

pub fn commit_of(offset: Offset, number: u64) -> OffsetCommit {
    OffsetCommit {
        input: I0,
        partition: P0,
        offset,
        note: CommitMetadata { transactional_id: "lane".into(), number },
        front: ForwardProgress::default(),
    }
}

/// The group's offset of input 0 in partition 0.
pub fn committed_offset(memory: &Memory) -> Option<Offset> {
    memory.committed(P0).expect("committed").first().map(|committed| committed.offset)
}

/// A member that has been told of its assignment and has started partition 0.
pub fn member(memory: &Memory) -> MemorySource {
    let mut source = memory.source("member").expect("source");
    let mut polled = Vec::new();
    source.poll(std::time::Duration::ZERO, &mut polled).expect("poll");
    assert!(matches!(polled.as_slice(), [Polled::Assigned(partitions)] if partitions.contains(&P0)), "{polled:?}");
    source.start(P0, &[(I0, 0)]).expect("start");
    source
}
