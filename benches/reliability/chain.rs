//! The outputs about one user as a chain: numbered without gap and repeat, each going on from where the one before
//! stood.

use serde::Deserialize;

/// What a chain needs of an output.
#[derive(Debug, Deserialize)]
pub struct Output<'a> {
    pub user_id: &'a str,
    pub sequence: u64,
    pub previous: Option<&'a str>,
    pub current: Option<&'a str>,
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub stage: Option<&'a str>,
    pub previous_stage: Option<&'a str>,
}

/// Where an output leads. Names are numbers in the order of first use, so that millions fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    sequence: u64,
    is_tier: bool,
    from: u8,
    to: u8,
}

/// All names that outputs use.
#[derive(Debug, Default)]
pub struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> u8 {
        let place = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        place as u8
    }
}

#[derive(Debug, Default)]
pub struct Chain(Vec<Link>);

impl Chain {
    pub fn add(&mut self, output: &Output<'_>, names: &mut Names) {
        let (is_tier, from, to) = match output.kind {
            "tideline.tier_changed" => (true, output.previous.unwrap_or("inactive"), output.current),
            "tideline.dormancy_cleared" => (false, output.stage.unwrap_or_default(), Some("active")),
            _ => (false, output.previous_stage.unwrap_or_default(), output.stage),
        };
        let (from, to) = (names.number(from), names.number(to.unwrap_or_default()));
        self.0.push(Link { sequence: output.sequence, is_tier, from, to });
    }

    /// What is wrong with it, beside what the state holds: (tier, stage, sequence).
    pub fn fault(&mut self, held: &(String, String, u64), names: &mut Names) -> Option<String> {
        self.0.sort_unstable();
        let (mut tier, mut stage) = (names.number("inactive"), names.number("active"));
        for (expected, link) in (1..).zip(&self.0) {
            if link.sequence != expected {
                let what = if link.sequence < expected { "a repeat" } else { "a gap" };
                return Some(format!("{what} at {expected}: {:?}", self.sequences()));
            }
            let stands = if link.is_tier { &mut tier } else { &mut stage };
            if *stands != link.from {
                return Some(format!("output {expected} does not go on from the one before: {:?}", self.0));
            }
            *stands = link.to;
        }
        let last = (names.0[usize::from(tier)].clone(), names.0[usize::from(stage)].clone(), self.0.len() as u64);
        (last != *held).then(|| format!("the outputs end at {last:?}, the state stands at {held:?}"))
    }

    /// Of an erased user, which may have had several lives: each number comes at most as often as the one before it.
    pub fn fault_of_lives(&mut self) -> Option<String> {
        self.0.sort_unstable();
        let (mut lives, mut expected) = (usize::MAX, 1);
        for group in self.0.chunk_by(|a, b| a.sequence == b.sequence) {
            if group[0].sequence != expected || group.len() > lives {
                return Some(format!("a gap or a repeat at {expected}: {:?}", self.sequences()));
            }
            (lives, expected) = (group.len(), expected + 1);
        }
        None
    }

    fn sequences(&self) -> Vec<u64> {
        self.0.iter().map(|link| link.sequence).collect()
    }
}
