//! The embedded log against a model of it: after any sequence of operations a reader sees what the model says.

use std::fs;

use proptest::prelude::*;
use tideline::broker::Isolation;
use tideline::broker::memory::{Memory, MemoryMessage, MemoryProducer, MemorySettings, MemoryTransaction};
use tideline::broker::{Broker, Producer, Transaction};
use tideline::record::{Message, Offset};
use tideline::runtime::takeover;

use testkit::memory::{P0, record, topics};

const TOPIC: &str = "tier-changes";
const WRITERS: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Step {
    Plain,
    Send(usize),
    Commit(usize),
    Abort(usize),
    /// Another takes the writer's id; the writer goes on, unknowing.
    Fence(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Plain),
        6 => (0..WRITERS).prop_map(Step::Send),
        2 => (0..WRITERS).prop_map(Step::Commit),
        1 => (0..WRITERS).prop_map(Step::Abort),
        1 => (0..WRITERS).prop_map(Step::Fence),
    ];
    prop::collection::vec(step, 1..80)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Committed,
    Open(usize),
    Aborted,
}

/// What the log must hold: offset and standing of each record, and the next offset.
#[derive(Debug, Default)]
struct Model {
    records: Vec<(Offset, Standing)>,
    next: Offset,
}

impl Model {
    fn append(&mut self, standing: Standing) {
        self.records.push((self.next, standing));
        self.next += 1;
    }

    /// A marker, if the writer has anything open.
    fn end(&mut self, writer: usize, standing: Standing) {
        let mut any = false;
        for record in self.records.iter_mut().filter(|record| record.1 == Standing::Open(writer)) {
            record.1 = standing;
            any = true;
        }
        self.next += Offset::from(any);
    }

    fn last_stable_offset(&self) -> Offset {
        let open = self.records.iter().find(|record| matches!(record.1, Standing::Open(_)));
        open.map_or(self.next, |record| record.0)
    }

    fn shown(&self, isolation: Isolation) -> Vec<Offset> {
        let stable = self.last_stable_offset();
        let is_shown = |record: &&(Offset, Standing)| match isolation {
            Isolation::ReadCommitted => record.0 < stable && record.1 == Standing::Committed,
            Isolation::ReadUncommitted => true,
        };
        self.records.iter().filter(is_shown).map(|record| record.0).collect()
    }
}

/// A writer and its transaction, which borrows its producer; so producers are leaked, one a fencing.
struct Writer {
    id: String,
    transaction: Option<MemoryTransaction<'static>>,
    is_fenced: bool,
}

impl Writer {
    fn new(memory: &Memory, number: usize) -> Self {
        let id = format!("writer-{number}");
        Self { transaction: Some(Self::begin(memory, &id)), id, is_fenced: false }
    }

    fn begin(memory: &Memory, id: &str) -> MemoryTransaction<'static> {
        let producer: &'static mut MemoryProducer = Box::leak(Box::new(memory.producer(id).expect("producer")));
        producer.begin().expect("begin")
    }

    fn open(&mut self) -> &mut MemoryTransaction<'static> {
        self.transaction.as_mut().expect("always one")
    }

    /// Ends the transaction by `end`, and begins the next one as a new holder.
    fn end<E: std::fmt::Debug>(
        &mut self,
        memory: &Memory,
        end: impl FnOnce(MemoryTransaction<'static>) -> Result<(), E>,
    ) {
        let ended = end(self.transaction.take().expect("always one"));
        assert_eq!(ended.is_err(), self.is_fenced, "{ended:?}");
        self.is_fenced = false;
        self.transaction = Some(Self::begin(memory, &self.id));
    }
}

fn offsets(memory: &Memory, isolation: Isolation) -> Vec<Offset> {
    let messages = memory.read(TOPIC, P0, 0, isolation, usize::MAX).expect("read");
    messages.iter().map(MemoryMessage::offset).collect()
}

fn run(steps: &[Step], memory: &Memory) -> Model {
    let mut model = Model::default();
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer::new(memory, number)).collect();
    for &step in steps {
        match step {
            Step::Plain => {
                memory.produce(record(TOPIC, "k", "plain")).expect("produce");
                model.append(Standing::Committed);
            }
            Step::Send(at) => {
                record(TOPIC, "k", "sent").lend(|it| writers[at].open().send(it)).expect("send");
                if !writers[at].is_fenced {
                    model.append(Standing::Open(at));
                }
            }
            Step::Commit(at) => {
                model.end(at, Standing::Committed);
                writers[at].end(memory, Transaction::commit);
            }
            Step::Abort(at) => {
                model.end(at, Standing::Aborted);
                writers[at].end(memory, Transaction::abort);
            }
            Step::Fence(at) => {
                model.end(at, Standing::Aborted);
                takeover::fence(memory, &writers[at].id).expect("fence");
                writers[at].is_fenced = true;
            }
        }
        assert_eq!(memory.high_watermark(TOPIC, P0).expect("offset"), model.next, "{step:?}");
        assert_eq!(memory.last_stable_offset(TOPIC, P0).expect("offset"), model.last_stable_offset(), "{step:?}");
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            assert_eq!(offsets(memory, isolation), model.shown(isolation), "{step:?}, {isolation:?}");
        }
    }
    // As if the process were killed here.
    writers.into_iter().for_each(|writer| std::mem::forget(writer.transaction));
    model
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_reader_sees_what_the_model_says_and_again_after_a_kill(steps in steps()) {
        let directory = tempfile::tempdir().expect("directory");
        let memory = Memory::open(topics(1, 1), MemorySettings::default(), directory.path()).expect("open");
        let mut model = run(&steps, &memory);

        // The leaked producers keep the first journal locked, so a copy is opened.
        let copy = tempfile::tempdir().expect("directory");
        fs::copy(directory.path().join("journal"), copy.path().join("journal")).expect("copy");
        let reopened = Memory::open(topics(1, 1), MemorySettings::default(), copy.path()).expect("open");
        for writer in 0..WRITERS {
            model.end(writer, Standing::Aborted);
        }
        prop_assert_eq!(offsets(&reopened, Isolation::ReadCommitted), model.shown(Isolation::ReadCommitted));
        let lowest = model.shown(Isolation::ReadCommitted).last().map_or(0, |last| last + 1);
        prop_assert!(reopened.high_watermark(TOPIC, P0).expect("offset") >= lowest);
    }
}
