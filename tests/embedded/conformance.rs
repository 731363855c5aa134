//! The conformance suite, on the embedded log.

use std::time::Duration;

use tempfile::TempDir;
use tideline::broker::memory::{self, Memory, MemorySettings};
use tideline::domain::PartitionId;
use tideline::record::{Message, Offset, Outgoing};

use testkit::conformance::{Harness, Isolation, Stored};
use testkit::memory::topics;

mod in_memory {
    testkit::conformance_suite!(super::MemoryHarness<false>);
}

mod with_a_journal {
    testkit::conformance_suite!(super::MemoryHarness<true>);
}

/// `JOURNALLED`: commits are written to disk, too.
struct MemoryHarness<const JOURNALLED: bool> {
    memory: Memory,
    _directory: Option<TempDir>,
}

impl<const JOURNALLED: bool> Harness for MemoryHarness<JOURNALLED> {
    type Broker = Memory;

    /// Everything is there at once; this only bounds a law that fails.
    const PATIENCE: Duration = Duration::from_secs(2);
    const POLL: Duration = Duration::ZERO;

    fn fresh(inputs: usize, partitions: i32) -> Self {
        let (topics, settings) = (topics(inputs, partitions), MemorySettings::default());
        if !JOURNALLED {
            return Self { memory: Memory::new(topics, settings), _directory: None };
        }
        let directory = tempfile::tempdir().expect("directory");
        let memory = Memory::open(topics, settings, directory.path()).expect("open");
        Self { memory, _directory: Some(directory) }
    }

    fn broker(&self) -> &Memory {
        &self.memory
    }

    fn produce(&self, record: Outgoing) -> Offset {
        self.memory.produce(record).expect("produce").1
    }

    fn read(&self, topic: &str, partition: PartitionId, isolation: Isolation) -> Vec<Stored> {
        let messages = self.memory.read(topic, partition, 0, isolation, usize::MAX).expect("read");
        let stored = |message: &memory::MemoryMessage| Stored {
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.value().map(<[u8]>::to_vec),
        };
        messages.iter().map(stored).collect()
    }

    fn recreate(&self, topic: &str) {
        self.memory.recreate_topic(topic).expect("recreate");
    }

    fn add_partitions(&self, topic: &str, count: i32) {
        self.memory.add_partitions(topic, count).expect("add partitions");
    }

    fn delete_before(&self, topic: &str, partition: PartitionId, offset: Offset) {
        self.memory.delete_records(topic, partition, offset).expect("delete records");
    }

    fn compact(&self, topic: &str) -> bool {
        self.memory.compact(topic).expect("compact");
        true
    }
}
