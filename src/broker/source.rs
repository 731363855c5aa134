//! Reading the inputs as a member of the consumer group.

use std::time::Duration;

use super::BrokerError;
use crate::domain::{Input, PartitionId};
use crate::record::{Message, Offset};

/// What a poll brought, in the order in which it must be handled.
#[derive(Debug)]
pub enum Polled<M> {
    /// A committed record, the next of its input in this partition.
    Record {
        /// Of which input.
        input: Input,
        /// Of which partition.
        partition: PartitionId,
        /// The record itself.
        message: M,
    },
    /// The input is at its end: nothing committed lies at or after `offset` now.
    End {
        /// Of which input.
        input: Input,
        /// Of which partition.
        partition: PartitionId,
        /// The end, which lies behind the markers of transactions, too.
        offset: Offset,
    },
    /// The lane now owns exactly these partitions besides those it kept. None flows before [`Source::start`]. Maybe
    /// none: after a revocation it says that the group has settled, and what did not come back is another's.
    Assigned(Vec<PartitionId>),
    /// The input's position lies outside of what the log holds: what comes next can't be read, and nothing more comes
    /// of it.
    OutOfRange {
        /// Of which input.
        input: Input,
        /// Of which partition.
        partition: PartitionId,
    },
    /// The lane must let go of these. The last item of its poll: what is in hand may still be committed (unless
    /// `lost`: then others may own them already); the next poll tells the group that it was let go.
    Revoked {
        /// Those that are to be given up.
        partitions: Vec<PartitionId>,
        /// The group has given them to others already.
        lost: bool,
    },
}

/// A member of the consumer group: reads committed records of all inputs of the partitions it owns.
/// Dropped, it leaves the group; what was not committed is read again by the next owner.
pub trait Source {
    /// A record of this broker.
    type Message: Message;
    /// Proof of membership at one moment; a commit with an old one is refused by the broker.
    type Generation;

    /// Appends what came to `into`; waits for at most `timeout` if there is nothing. Bounded by the settings of the
    /// source.
    ///
    /// # Errors
    ///
    /// Where the group or the broker is lost for good, or the assignment is split.
    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<Self::Message>>) -> Result<(), BrokerError>;

    /// Must be taken when the transaction begins: one taken at commit protects nothing.
    ///
    /// # Errors
    ///
    /// Where this is no member of the group (any more).
    fn generation(&self) -> Result<Self::Generation, BrokerError>;

    /// Lets an owned partition flow, each input from its offset; also rewinds one that flows. What was read before is
    /// void.
    ///
    /// # Errors
    ///
    /// Where a position can't be taken up within the bound of a call.
    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError>;

    /// Stops reading one input of a partition, without losing its position.
    ///
    /// # Errors
    ///
    /// Where the partition is not this member's.
    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError>;
    /// Goes on reading a paused input from where it was paused.
    ///
    /// # Errors
    ///
    /// Where the partition is not this member's.
    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError>;
}
