//! Says, once an input, that many of its records lie on partitions that are not their users'.

use crate::broker::Topics;
use crate::domain::{Input, Partitioner};
use crate::pipeline::Tally;
use crate::runtime::board::status::{Board, Status};
use crate::runtime::job::Job;

/// Before that many records of an input were read, their share says little.
const ENOUGH: u64 = 1_000;
/// So many in a hundred are said.
const PERCENT: u64 = 1;

/// Looks at all inputs; to be called when something was forwarded.
pub(in crate::runtime) fn tell(board: &Board, job: &Job) {
    let is_keyed = |input: usize| job.pipeline.spec(Input(input as u8)).is_some_and(|spec| spec.keyed);
    let partitioner = job.settings.partitioner;
    let warnings = board.write(|status| find(status, &job.topics, is_keyed, partitioner));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// What is to be said, and was not yet.
fn find(
    status: &mut Status,
    topics: &Topics,
    is_keyed: impl Fn(usize) -> bool,
    partitioner: Partitioner,
) -> Vec<String> {
    let mut warnings = Vec::new();
    // The last is `rekey`. What isn't keyed is forwarded all the same.
    for (index, topic) in topics.inputs.iter().enumerate().take(topics.inputs.len() - 1) {
        if status.misrouted.contains(&index) || !is_keyed(index) {
            continue;
        }
        let mut all = Tally::default();
        let inputs = status.partitions.values().filter_map(|partition| partition.inputs.get(index));
        inputs.for_each(|input| all += input.tally);
        if all.read >= ENOUGH && all.misrouted * 100 > all.read * PERCENT {
            status.misrouted.insert(index);
            warnings.push(text(topic, &all, partitioner));
        }
    }
    warnings
}

fn text(topic: &str, all: &Tally, partitioner: Partitioner) -> String {
    let share = |part: u64, of: u64| format!("{:.1} %", 100.0 * part as f64 / of.max(1) as f64);
    let fits = Partitioner::ALL.into_iter().zip(all.fits).filter(|(it, _)| *it != partitioner);
    let best = fits.max_by_key(|(_, fits)| *fits).filter(|(_, fits)| 2 * fits > all.rekeyed);
    let advice = match best {
        Some((best, fits)) => format!(
            "{} of these lie where \"{best}\" puts their key: set topics.partitioner = \"{best}\" (if it is so for \
             all inputs)",
            share(fits, all.rekeyed)
        ),
        None => {
            "no known partitioner puts them there: their key is not the user's, or their producers choose partitions; \
                 set keyed = false for that input, or mend the producers"
                .to_owned()
        }
    };
    format!(
        "{} of the records of {topic} ({} of {}) are not on the partition that topics.partitioner = \"{partitioner}\" \
         gives to their user, and go through rekey, which costs and delays them; {advice}",
        share(all.misrouted, all.read),
        all.misrouted,
        all.read
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PartitionId;
    use crate::runtime::board::status::{InputStatus, PartitionStatus};

    /// What is said of an app of so many records, and a second time.
    fn said(read: u64, misrouted: u64, fits: [u64; 3], is_keyed: bool) -> Vec<String> {
        let mut status = Status::default();
        // Over two partitions.
        for (partition, part) in [(0, read / 4), (1, read - read / 4)] {
            let misrouted = if partition == 0 { misrouted } else { 0 };
            let fits = if partition == 0 { fits } else { [0; 3] };
            let tally = Tally { read: part, misrouted, rekeyed: misrouted, fits, ..Tally::default() };
            let inputs = vec![InputStatus { tally, ..InputStatus::default() }, InputStatus::default()];
            status.partitions.insert(PartitionId(partition), PartitionStatus { inputs, ..PartitionStatus::default() });
        }
        let topics = Topics::of(&["app", "rekey"], 2);
        let mut all = find(&mut status, &topics, |_| is_keyed, Partitioner::Murmur2);
        all.extend(find(&mut status, &topics, |_| is_keyed, Partitioner::Murmur2));
        all
    }

    #[test]
    fn it_is_said_once_of_a_thousand_records_and_more_than_one_in_a_hundred() {
        for (read, misrouted, count) in [(999, 900, 0), (1_000, 10, 0), (1_000, 11, 1), (4_000, 41, 1)] {
            assert_eq!(said(read, misrouted, [0; 3], true).len(), count, "{misrouted} of {read}");
        }
        assert_eq!(said(1_000, 900, [0; 3], false), [""; 0], "what is not keyed is meant to be forwarded");
    }

    #[test]
    fn it_names_the_share_and_the_partitioner_that_fits() {
        let said = said(1_000, 875, [0, 875, 110], true);
        for part in ["87.5 % of the records of app (875 of 1000)", "100.0 %", "topics.partitioner = \"consistent\""] {
            assert!(said[0].contains(part), "{}", said[0]);
        }
    }

    #[test]
    fn where_no_partitioner_fits_it_says_what_else_it_may_be() {
        let said = said(1_000, 875, [0, 110, 105], true);
        assert!(said[0].contains("keyed = false"), "{}", said[0]);
    }
}
