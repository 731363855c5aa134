//! Looking how far the partitions of the application have got: the lane's side of `fronts`.
//!
//! The order matters: first all fronts, then where the lane's partitions of `rekey` end. It is an errand: a broker that does
//! not answer keeps nobody from answering the group. While nothing is being forwarded nobody looks.

use crate::broker::{Broker, BrokerError, Front};
use crate::domain::PartitionId;
use crate::record::Offset;
use crate::runtime::LaneError;
use crate::runtime::calls::Call;
use crate::runtime::errand::{Errand, Work};
use crate::runtime::failures::Doing;
use crate::runtime::fronts::Limit;
use crate::runtime::lane::{Held, Lane};
use crate::runtime::restore::Tools;
use crate::runtime::settings::{Mode, millis};

pub(super) struct Look<B> {
    tools: Tools<B>,
    /// Those whose end is still to be asked for.
    partitions: Vec<PartitionId>,
    fronts: Option<Vec<Option<Front>>>,
    ends: Vec<(PartitionId, Offset)>,
}

impl<B: Broker> Look<B> {
    fn new(tools: Tools<B>, partitions: Vec<PartitionId>) -> Self {
        Self { tools, partitions, fronts: None, ends: Vec::new() }
    }

    fn ask(&mut self) -> Result<(), BrokerError> {
        let _calling = self.tools.calling(None, Call::Fronts);
        let broker = &self.tools.broker;
        let Some(partition) = self.fronts.as_ref().and_then(|_| self.partitions.last().copied()) else {
            self.fronts = Some(broker.fronts()?);
            return Ok(());
        };
        self.ends.push((partition, broker.rekey_end(partition)?));
        self.partitions.pop();
        Ok(())
    }
}

impl<B: Broker> Work for Look<B> {
    /// The fronts, and ends of `rekey`.
    type Output = (Vec<Option<Front>>, Vec<(PartitionId, Offset)>);

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        self.ask()?;
        if !self.partitions.is_empty() {
            return Ok(None);
        }
        Ok(self.fronts.take().map(|fronts| (fronts, std::mem::take(&mut self.ends))))
    }

    /// Looks are not recalled: what was seen stays a lower bound.
    fn take_back(&mut self, _output: Option<Self::Output>) {}
}

impl<B: Broker> Lane<B> {
    /// Looks if it is time to, or hears what has come of the look under way.
    pub(super) fn look_at_fronts(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let served = self.partitions.values().filter_map(Held::as_serving);
        let patience_ms = millis(self.job.settings.patience);
        let own = served.filter(|serving| !serving.has_forwarded()).map(|serving| (serving.id, serving.front()));
        let is_alone = self.partitions.len() == usize::try_from(self.job.topics.partitions).unwrap_or_default();
        let passed_over = self.fronts.begin_with(own, is_alone, now_ms, patience_ms);
        self.tell_passed_over(&passed_over);
        if self.look.is_none() && !self.fronts.is_look_due(now_ms, self.is_held()) {
            return Ok(());
        }
        let (manner, index) = (self.manner, self.index);
        let mut errand = self.look.take().unwrap_or_else(|| {
            let served = self.partitions.values().filter_map(Held::as_serving).map(|serving| serving.id);
            Errand::new(Look::new(self.tools(), served.collect()))
        });
        match errand.advance(manner, || format!("look-{index}")) {
            Ok(None) => {
                self.look = Some(errand);
                Ok(())
            }
            Ok(Some((fronts, ends))) => {
                self.succeeded(Doing::Look);
                self.looked(&fronts, &ends, now_ms);
                Ok(())
            }
            Err(error) => self.failed(Doing::Look, error, now_ms),
        }
    }

    fn looked(&mut self, fronts: &[Option<Front>], ends: &[(PartitionId, Offset)], now_ms: u64) {
        let patience_ms = millis(self.job.settings.patience);
        let passed_over = self.fronts.looked(fronts, now_ms, patience_ms);
        self.tell_passed_over(&passed_over);
        let all: Vec<_> = self.fronts.passed_over().collect();
        self.company.board.lane(self.index, |lane| lane.passed_over = all);
        let Limit::Through(least) = self.fronts.limit() else { return };
        for &(partition, end) in ends {
            if let Some(serving) = self.serving(partition) {
                serving.expect(least, end);
            }
        }
    }

    fn tell_passed_over(&self, partitions: &[PartitionId]) {
        for partition in partitions {
            tracing::warn!(
                lane = self.index,
                partition = partition.0,
                "its front has not moved for stream.patience, {:?}, while records are forwarded: nobody waits for it any more, \
                 and what it still forwards comes late; look at the member that has it",
                self.job.settings.patience
            );
        }
    }

    /// Whether something of this lane waits for fronts to move.
    fn is_held(&self) -> bool {
        let is_finishing = matches!(self.job.settings.mode, Mode::UntilEnd { .. });
        let mut serving = self.partitions.values().filter_map(Held::as_serving);
        serving.any(|serving| serving.is_held() || is_finishing && serving.is_at_end())
    }
}
