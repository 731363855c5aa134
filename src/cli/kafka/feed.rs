//! Generated events into the input topics: each source's first, keyed by user.

use std::io::{Write, stdout};

use anyhow::Result;

use crate::broker::kafka::PlainProducer;
use crate::cli::generated::outgoing;
use crate::config::Config;
use crate::domain::Source;
use crate::generate::Generator;
use crate::record::Outgoing;

/// Writes all that is generated, and says how much it was.
///
/// # Errors
/// Where a record can't be written.
pub(in crate::cli) fn feed(config: &Config, generator: Generator) -> Result<()> {
    let producer = PlainProducer::new(config.kafka_settings())?;
    let topic_of = |source: Source| config.inputs.iter().find(|input| input.source == source);
    let mut written = 0u64;
    for record in generator {
        let Some(input) = topic_of(record.source) else { continue };
        let record = outgoing(record, input.topic.as_str().into());
        let partitions = input.partitions.unwrap_or(config.topics.partitions);
        let of_key = |key: &Vec<u8>| config.topics.partitioner.partition_of(key, partitions);
        producer.send(&Outgoing { partition: record.key.as_ref().map(of_key), ..record })?;
        written += 1;
    }
    producer.flush()?;
    writeln!(stdout().lock(), "{written} records written to {}", config.kafka.bootstrap)?;
    Ok(())
}
