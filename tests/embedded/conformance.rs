//! The conformance suite, on the embedded log.

use std::time::Duration;

use tideline::broker::Topics;
use tideline::broker::memory::{self, Memory, MemorySettings};
use tideline::domain::PartitionId;
use tideline::record::{Message, Offset, Outgoing};

use crate::common::conformance::{Harness, Isolation, Stored, conformance_suite};

conformance_suite!(MemoryHarness);

struct MemoryHarness(Memory);

impl Harness for MemoryHarness {
    type Broker = Memory;

    /// Everything is there at once; this only bounds a law that fails.
    const PATIENCE: Duration = Duration::from_secs(2);
    const POLL: Duration = Duration::ZERO;

    fn fresh(inputs: usize, partitions: i32) -> Self {
        let topics = Topics {
            inputs: (0..inputs).map(|input| format!("input-{input}").into()).collect(),
            changelog: "changelog".into(),
            tier_changes: "tier-changes".into(),
            dormancy_risk: "dormancy-risk".into(),
            user_profiles: "user-profiles".into(),
            dead_letters: "dead-letters".into(),
            partitions,
        };
        Self(Memory::new(topics, MemorySettings::default()))
    }

    fn broker(&self) -> &Memory {
        &self.0
    }

    fn produce(&self, record: Outgoing) -> Offset {
        self.0.produce(record).expect("produce").1
    }

    fn read(&self, topic: &str, partition: PartitionId, isolation: Isolation) -> Vec<Stored> {
        let isolation = match isolation {
            Isolation::Committed => memory::Isolation::ReadCommitted,
            Isolation::Uncommitted => memory::Isolation::ReadUncommitted,
        };
        let messages = self.0.read(topic, partition, 0, isolation, usize::MAX).expect("read");
        let stored = |message: &memory::MemoryMessage| Stored {
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.value().map(<[u8]>::to_vec),
        };
        messages.iter().map(stored).collect()
    }

    fn compact(&self, topic: &str) -> bool {
        self.0.compact(topic).expect("compact");
        true
    }
}
