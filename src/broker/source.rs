//! Reading the inputs as a member of the consumer group.

use std::time::Duration;

use super::BrokerError;
use crate::domain::{Input, PartitionId};
use crate::record::{Message, Offset};

/// What a poll brought, in the order in which it must be handled.
#[derive(Debug)]
pub enum Polled<M> {
    Record {
        input: Input,
        partition: PartitionId,
        message: M,
    },
    /// The input is at its end: nothing committed lies at or after `offset` now.
    End {
        input: Input,
        partition: PartitionId,
        offset: Offset,
    },
    /// The lane now owns exactly these partitions besides those it kept. None flows before [`Source::start`]. Maybe
    /// none: after a revocation it says that the group has settled, and what did not come back is another's.
    Assigned(Vec<PartitionId>),
    /// The input's position lies outside of what the log holds: what comes next can't be read, and nothing more comes
    /// of it.
    OutOfRange {
        input: Input,
        partition: PartitionId,
    },
    /// The lane must let go of these. The last item of its poll: what is in hand may still be committed (unless
    /// `lost`: then others may own them already); the next poll tells the group that it was let go.
    Revoked {
        partitions: Vec<PartitionId>,
        lost: bool,
    },
}

/// A member of the consumer group: reads committed records of all inputs of the partitions it owns.
/// Dropped, it leaves the group; what was not committed is read again by the next owner.
pub trait Source {
    type Message: Message;
    /// Proof of membership at one moment; a commit with an old one is refused by the broker.
    type Generation;

    /// Appends what came to `into`; waits for at most `timeout` if there is nothing. Bounded by the settings of the
    /// source.
    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<Self::Message>>) -> Result<(), BrokerError>;

    /// Must be taken when the transaction begins: one taken at commit protects nothing.
    fn generation(&self) -> Result<Self::Generation, BrokerError>;

    /// Lets an owned partition flow, each input from its offset; also rewinds one that flows. What was read before is
    /// void.
    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError>;

    /// Stops reading one input of a partition, without losing its position.
    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError>;
    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError>;
}
