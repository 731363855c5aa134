//! `tideline reset`: shows what is remembered of each partition beside what the group and the topics hold; with
//! `--execute`, lets partitions start anew or brings the group's offsets back to what is recorded.

use std::collections::BTreeMap;
use std::io::{Write, stdout};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::skip::{self, Place};
use super::{ConfigFlag, UsageError, kafka, time};
use crate::broker::Broker as _;
use crate::broker::kafka::admin::Admin;
use crate::broker::kafka::{KafkaBroker, KafkaSettings};
use crate::broker::rights;
use crate::config::Config;
use crate::domain::{Input, PartitionId, Timestamp};
use crate::record::Offset;
use crate::runtime::operator::{Resetter, Survey, Target};
use crate::runtime::{Clock, Job, Mode};
use crate::settings::Period;
use crate::telemetry;

/// A transaction writes a tombstone for each user of a partition.
const TRANSACTION_TIMEOUT: Period = Period::of_secs(300);

/// What the flags alone don't say.
const HELP: &str = "\
Without --execute nothing is changed: it shows what would be done.

Users are forgotten (what is remembered of erased ones stays), and what the inputs still hold is folded anew. So \
outputs are
told again: by the same ids where the inputs hold all of a user's history, for then the same is found again. Where \
retention
has taken some of it sequences begin anew, and what is told again bears other ids. With stream.emit_from older outputs \
are
folded in silence; they use no sequence then, so the same holds of the ids of those that follow.

With --offsets-only users stay, and nothing is told again. So it is with --skip: the record goes to the dead letters, \
with its
coordinates and the reason malformed, and the partition's record and the group's offsets go on behind it, in one \
transaction.";

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    config: ConfigFlag,
    /// A partition to reset; may be given more than once. Without it, all of them
    #[arg(long = "partition", value_name = "N")]
    partitions: Vec<i32>,
    /// Reads the inputs from there on: `earliest`, or an RFC 3339 time (of the records' own timestamps)
    #[arg(long, value_name = "WHERE", default_value = "earliest", value_parser = whence, conflicts_with = "offsets_only")]
    to: Whence,
    /// Forgets nothing: only sets the group's offsets, to where the partition records say that reading goes on
    #[arg(long)]
    offsets_only: bool,
    /// Goes on behind records that were deleted before they were read
    #[arg(long, requires = "offsets_only")]
    accept_loss: bool,
    /// Forgets nothing: passes over one record that a run can't get past, the next to be read there. It goes to the
    /// dead letters
    #[arg(long, value_name = "TOPIC/PARTITION/OFFSET", conflicts_with_all = ["partitions", "to", "offsets_only"])]
    skip: Option<Place>,
    /// Doesn't look at the record: for one that the client can't read. The dead letter tells where it stands, no more
    #[arg(long, requires = "skip")]
    without_reading: bool,
    /// Does it. Every member of the group must be stopped
    #[arg(long)]
    execute: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    Earliest,
    At(Timestamp),
}

fn whence(text: &str) -> Result<Whence, String> {
    if text == "earliest" { Ok(Whence::Earliest) } else { time(text).map(Whence::At) }
}

pub(super) fn run(args: &ResetArgs) -> Result<()> {
    let config = args.config.load_to_connect()?;
    telemetry::init_logging(config.telemetry.log);
    let partitions = args.partitions(&config)?;
    let is_whole = partitions.len() == config.topics.partitions.unsigned_abs() as usize;
    let settings = KafkaSettings { transaction_timeout: TRANSACTION_TIMEOUT, ..config.kafka_settings() };
    let needed = rights::to_serve(&config.topic_names(), &[&config.application.id]);
    let broker = kafka::connect(&config, settings.clone(), needed)?;
    let members = Admin::new(settings)?.members(&config.application.id)?;
    let skip = match &args.skip {
        Some(place) => Some((place, place.skip(broker.topics(), args.without_reading)?)),
        None => None,
    };
    let target = args.target(&broker, &partitions)?;
    let job = config.job(Mode::Endless)?;
    if args.execute {
        if !members.is_empty() {
            bail!("group {} has members: {}; stop them first", config.application.id, members.join(", "));
        }
        match skip {
            Some((place, skip)) => skip::execute(join(&config, &broker, &job)?, &job, place, &skip),
            None => execute(&config, &broker, &job, &partitions, &target, is_whole),
        }
    } else {
        let mut out = stdout().lock();
        match members.as_slice() {
            [] => writeln!(out, "group {}: no members are known", config.application.id)?,
            _ => writeln!(out, "group {}: {}; stop them first", config.application.id, members.join(", "))?,
        }
        match skip {
            Some((place, skip)) => skip::show(&mut out, &broker, &job, place, &skip),
            None => show(&mut out, &broker, &job, &partitions, &target, is_whole),
        }
    }
}

impl ResetArgs {
    fn partitions(&self, config: &Config) -> Result<Vec<PartitionId>> {
        let all = 0..config.topics.partitions;
        if let Some(unknown) = self.partitions.iter().find(|partition| !all.contains(partition)) {
            let fault = format!("there is no partition {unknown}: there are {} of them", config.topics.partitions);
            return Err(UsageError(fault).into());
        }
        let mut chosen = if self.partitions.is_empty() { all.collect() } else { self.partitions.clone() };
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen.into_iter().map(PartitionId).collect())
    }

    fn target(&self, broker: &KafkaBroker, partitions: &[PartitionId]) -> Result<Target> {
        Ok(match (self.offsets_only, self.to) {
            (true, _) => Target::Recorded { accept_loss: self.accept_loss },
            (false, Whence::Earliest) => Target::Earliest,
            (false, Whence::At(at)) => {
                let found = partitions.iter().map(|&partition| Ok((partition, broker.offsets_at(partition, at)?)));
                Target::From(found.collect::<Result<BTreeMap<_, _>>>()?)
            }
        })
    }
}

fn show(
    out: &mut impl Write,
    broker: &KafkaBroker,
    job: &Job,
    partitions: &[PartitionId],
    target: &Target,
    is_whole: bool,
) -> Result<()> {
    let (mut users, mut impossible) = (0, 0);
    for &partition in partitions {
        let survey = Survey::of(broker, partition, job.settings.restore_timeout.duration())?;
        users += survey.users();
        writeln!(out, "partition {partition}: {}", standing(&survey))?;
        match survey.positions(target, is_whole, broker.topics()) {
            Ok(positions) => {
                for (input, position) in (0u8..).map(Input).zip(positions) {
                    writeln!(out, "  {}: {}", broker.topics().input(input), of_input(&survey, input, position))?;
                }
                for lost in survey.losses(target, broker.topics()) {
                    writeln!(out, "  would be lost: {lost}")?;
                }
            }
            Err(why) => {
                impossible += 1;
                writeln!(out, "  can't be reset so: {why}")?;
            }
        }
    }
    if target.forgets_users() {
        writeln!(out, "would forget {users} users, and fold what the inputs hold from there on")?;
        writeln!(out, "outputs would be written again; `tideline reset --help` says what becomes of their ids")?;
        if !is_whole {
            writeln!(out, "records that these partitions forward to others would be forwarded again")?;
        }
    } else {
        writeln!(out, "would set the group's offsets; {users} users stay as they are")?;
    }
    writeln!(out, "nothing was changed; --execute does it")?;
    if impossible > 0 {
        bail!("{impossible} partitions can't be reset so");
    }
    Ok(())
}

fn standing(survey: &Survey) -> String {
    let users = survey.users();
    match &survey.record {
        Ok(None) => format!("{users} users, no partition record"),
        Err(why) => format!("{users} users; {why}"),
        Ok(Some(record)) => {
            let watermark = record.watermark.map_or_else(|| "none yet".to_owned(), |watermark| watermark.to_string());
            let (writer, number) = (&record.transactional_id, record.transaction_number);
            format!("{users} users, written by {writer}#{number}, watermark {watermark}")
        }
    }
}

fn of_input(survey: &Survey, input: Input, position: Offset) -> String {
    let told = |offset: Option<Offset>| offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
    let of = |offsets: &[(Input, Offset)]| offsets.iter().find(|(of, _)| *of == input).map(|(_, offset)| *offset);
    let committed = survey.committed.iter().find(|committed| committed.input == input).map(|it| it.offset);
    let (earliest, end) = (told(of(&survey.earliest)), told(of(&survey.ends)));
    format!("holds {earliest} to {end}, the group is at {}; would go on at {position}", told(committed))
}

fn join(config: &Config, broker: &KafkaBroker, job: &std::sync::Arc<Job>) -> Result<Resetter<KafkaBroker>> {
    let id = format!("{}-reset", config.application.id);
    // A member that was killed is in the group until its session ends.
    let wait = config.kafka.session_timeout.duration() + config.kafka.no_progress_bound.duration();
    Ok(Resetter::join(broker, job, &id, &Clock::system(), wait)?)
}

fn execute(
    config: &Config,
    broker: &KafkaBroker,
    job: &std::sync::Arc<Job>,
    partitions: &[PartitionId],
    target: &Target,
    is_whole: bool,
) -> Result<()> {
    let mut resetter = join(config, broker, job)?;
    let mut out = stdout().lock();
    let outcome = partitions.iter().try_for_each(|&partition| -> Result<()> {
        let done = resetter.reset(partition, target, is_whole).context("reset")?;
        for lost in &done.lost {
            writeln!(out, "partition {partition}: lost: {lost}")?;
        }
        let topics = broker.topics().inputs.iter().zip(&done.positions);
        let positions: Vec<_> = topics.map(|(topic, position)| format!("{topic} at {position}")).collect();
        let users = done.users_forgotten;
        writeln!(out, "partition {partition}: {users} users forgotten; goes on with {}", positions.join(", "))?;
        Ok(())
    });
    resetter.close();
    outcome?;
    writeln!(out, "done; `tideline run` goes on from there")?;
    Ok(())
}
