//! What a new owner does to the transactions of an old one: fences it, aborts offsets that it left pending, and
//! resolves hanging transactions (KIP-664): open in a log although their coordinator has ended them, as a lone broker
//! that was stopped or killed may leave them.
//!
//! Only a transaction of the *same* transactional id closes what hangs: its marker, commit or abort, is written to
//! every partition that it touches, and closes the old one there with its own outcome. So what hangs is resolved before
//! the id is used again, or its next transaction would decide about it.
//!
//! Must not know: lanes, partition records. May break it: an output that is left out, or a partition of one.

use std::collections::BTreeSet;

use crate::broker::{Broker, BrokerError, Ending, ErrorClass, Producer, Transaction, TransactionError};
use crate::domain::PartitionId;
use crate::record::Lent;

/// What the keys of records begin with that [`resolve_hanging`] writes.
const RESOLVED: &str = "released-";

/// Initialises the id of a predecessor that may have died, only to fence it and abort what it had open. Several owners
/// may fence one predecessor at once: whoever finds that another was quicker has nothing left to do.
///
/// # Errors
/// Where the id can't be initialised, within the bounds of the broker's settings.
pub fn fence<B: Broker>(broker: &B, transactional_id: &str) -> Result<(), BrokerError> {
    match broker.producer(transactional_id) {
        Ok(_) | Err(BrokerError::Fenced { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Aborts offset commits still pending under the id that `producer` just initialised, although the coordinator has
/// already ended their transaction. Else the next transaction of the id would commit them, whatever became of their
/// own. No offset of a committed transaction is missed: the partition's record has it.
///
/// # Errors
/// Where the transaction that does it fails; retriable, with a new producer.
pub fn abort_pending_offsets<P: Producer>(producer: &mut P) -> Result<(), BrokerError> {
    let aborted = producer.begin().and_then(|mut transaction| {
        transaction.join_offsets()?;
        transaction.abort()
    });
    aborted.map_err(|error| retriable("abort what was left pending of the group's offsets", error))
}

/// Resolves hanging transactions of `transactional_id` in these partitions of the changelog, and in all partitions of
/// all outputs, each with its own count: runs a new transaction of that id that writes one tombstone to each. Where
/// `ending` is commit, of the outputs only those partitions are written to in which something is open: the tombstone is
/// seen there. Pending offsets are aborted. Whoever holds the id is fenced.
///
/// # Errors
/// Where the id can't be initialised, the outputs can't be asked for, or the transaction fails; then it is retriable.
pub fn resolve_hanging<B: Broker>(
    broker: &B,
    transactional_id: &str,
    partitions: &BTreeSet<PartitionId>,
    ending: Ending,
) -> Result<(), BrokerError> {
    let topics = broker.topics();
    let mut producer = broker.producer(transactional_id)?;
    abort_pending_offsets(&mut producer)?;
    let mut places: Vec<_> = partitions.iter().map(|&partition| (&topics.changelog, partition)).collect();
    for topic in topics.outputs.all() {
        let partitions = match ending {
            Ending::Abort => (0..broker.partition_count(topic)?).map(PartitionId).collect(),
            Ending::Commit => broker.open_partitions(topic)?,
        };
        places.extend(partitions.into_iter().map(|partition| (topic, partition)));
    }
    let resolved = producer.begin().and_then(|mut transaction| {
        for (topic, partition) in places {
            // With a key, and no user's: a compacted topic takes no record without one.
            let key = format!("{RESOLVED}{partition}");
            transaction.send(Lent { topic, ..topics.to_changelog(partition, key.as_bytes(), None) })?;
        }
        match ending {
            Ending::Commit => transaction.commit(),
            Ending::Abort => transaction.abort(),
        }
    });
    let what = || format!("resolve what {transactional_id} left hanging in partitions {partitions:?}");
    resolved.map_err(|error| retriable(what(), error))
}

fn retriable(what: impl ToString, error: TransactionError) -> BrokerError {
    BrokerError::client(what, ErrorClass::Retriable, error)
}
