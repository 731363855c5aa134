//! What holds of a lane after each step, asserted in debug builds: so all tests and the simulation run with it.

use crate::broker::Broker;
use crate::domain::Input;
use crate::runtime::active::ActivePartition;
use crate::runtime::lane::Lane;

impl<B: Broker> Lane<B> {
    /// - **L1**: while a batch is under way something is uncommitted; records are consumed and outputs staged only in a
    ///   batch, or by the transaction in doubt, beside which there is no batch.
    /// - **L2**: without a producer nothing is staged but what the transaction in doubt wrote.
    /// - **L3**: there is a producer or a recovery, never both.
    /// - **L4**: no partition is both in a slot and parked, and none is parked once the group has answered.
    /// - **L5**: a revocation is over when its step is.
    /// - **L6**: no later transaction of this id can have the number of one that wrote a served partition.
    /// - **L7**: no partition has read less than what is committed of it.
    pub(super) fn assert_invariants(&self) {
        let lane = self.index;
        let has_batch = self.membership.generation().is_some();
        let may_commit = self.partitions.has_uncommitted() && !self.writer.is_in_doubt();
        assert!(!has_batch || may_commit, "L1: lane {lane} has a batch and nothing that it may commit");
        let (has_producer, is_recovering) = (self.writer.has_producer(), self.writer.is_recovering());
        assert!(!(has_producer && is_recovering), "L3: lane {lane} recovers beside its producer");
        assert!(!self.partitions.is_any_parked_in_a_slot(), "L4: lane {lane} has parked what it holds");
        let awaits_group = !self.membership.is_assigned();
        assert!(awaits_group || self.partitions.parked() == 0, "L4: lane {lane} keeps what is another's");
        assert!(self.membership.is_between_revocations(), "L5: lane {lane} is in the middle of a revocation");
        for task in self.partitions.active() {
            // An engine may have something to write since its restore; that waits for a batch, but is none.
            let is_staged = task.consumed() > 0 || task.staged_bytes() > 0;
            let is_in_doubt = self.writer.is_in_doubt_about(task.id);
            assert!(!is_staged || has_batch || is_in_doubt, "L1: partition {} has staged outside of a batch", task.id);
            assert!(!is_staged || has_producer || is_in_doubt, "L2: lane {lane} can't commit partition {}", task.id);
            for note in task.written.iter().chain(&task.offsets_behind) {
                assert!(self.writer.is_past(note), "L6: lane {lane} may use number {} again", note.number);
            }
            assert!(has_read_what_is_committed(task), "L7: partition {} is behind what is committed", task.id);
        }
    }
}

fn has_read_what_is_committed<M: crate::record::Message>(task: &ActivePartition<M>) -> bool {
    (0u8..)
        .map(Input)
        .zip(task.committed())
        .all(|(input, committed)| task.input(input).is_some_and(|input| input.read_to >= *committed))
}
