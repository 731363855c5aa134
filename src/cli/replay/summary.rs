//! What became of every event, and where the users stand at the end.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::Source;
use crate::ingest::RejectReason;
use crate::pipeline::Tally;
use crate::state::{Dimension, Population};

/// Of a whole run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// In the order of the configuration.
    pub inputs: Vec<(Source, Tally)>,
    /// By type of output.
    pub outputs: BTreeMap<&'static str, u64>,
    pub population: Population,
    /// By tier.
    pub tier_names: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10}{:>11}{:>11}{:>11}{:>11}{:>11}{:>15}",
            "input", "consumed", "applied", "skipped", "duplicate", "suppressed", "dead_lettered"
        )?;
        for (source, counts) in &self.inputs {
            writeln!(
                f,
                "{:<10}{:>11}{:>11}{:>11}{:>11}{:>11}{:>15}",
                source.as_str(),
                counts.consumed,
                counts.applied,
                counts.skipped,
                counts.duplicate,
                counts.suppressed,
                counts.dead_lettered(),
            )?;
        }
        for (source, counts) in &self.inputs {
            let reasons = RejectReason::ALL.into_iter().zip(counts.dead).filter(|(_, count)| *count > 0);
            for (reason, count) in reasons {
                writeln!(f, "dead_lettered {} {}: {count}", source.as_str(), reason.as_str())?;
            }
        }
        for (kind, count) in &self.outputs {
            writeln!(f, "output {kind}: {count}")?;
        }
        for dimension in Dimension::ALL {
            for (cell, count) in self.population.named(dimension, &self.tier_names) {
                writeln!(f, "users in {} {cell}: {count}", dimension.as_str())?;
            }
        }
        Ok(())
    }
}
