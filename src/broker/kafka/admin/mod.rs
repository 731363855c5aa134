//! Asks the cluster about topics, rights, brokers and groups, and carries out what [`plan()`] finds to be done.
//!
//! Must not know: what tideline wants of a topic (`plan.rs`).

mod plan;
pub(super) mod record_limit;
pub(super) mod rights;

pub use plan::{Difference, PARTITIONS, TopicFacts, TopicStep, TopicWish, plan, wishes};

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use crate::broker::rights::{Lacking, Operation, Right};
use crate::broker::{BrokerError, ErrorClass, TopicSettings};

use super::client::context::PlainContext;
use super::client_error::ClientError;
use super::deadline::Deadline;
use super::native;
use super::settings::KafkaSettings;
use super::triage;

/// Asks about topics and creates them.
pub struct Admin {
    client: AdminClient<PlainContext>,
    settings: KafkaSettings,
}

impl Admin {
    /// Makes no connection yet.
    ///
    /// # Errors
    ///
    /// Where the client refuses its properties.
    pub fn new(settings: KafkaSettings) -> Result<Self, BrokerError> {
        let client = AdminClient::from_config_and_context(&settings.common(), PlainContext::of(&settings))
            .map_err(|error| settings.creation_error("make an administration client", &error))?;
        Ok(Self { client, settings })
    }

    /// How many brokers answer for the cluster; an error if none is reached within the call's bound.
    ///
    /// # Errors
    ///
    /// Where no broker answers within the bound of a call, or refuses.
    pub fn reach(&self) -> Result<usize, BrokerError> {
        let metadata =
            self.client.inner().fetch_metadata(Some("__tideline_reach"), self.settings.call_timeout.duration());
        let what = || format!("reach a broker of {}", self.settings.bootstrap);
        metadata.map(|metadata| metadata.brokers().len()).map_err(|error| triage::client_error(what(), &error))
    }

    /// Who is in a group now, as far as the broker tells: of a group under KIP-848 it may tell nothing.
    ///
    /// # Errors
    ///
    /// Where no broker answers within the bound of a call, or refuses.
    pub fn members(&self, group: &str) -> Result<Vec<String>, BrokerError> {
        let list = self.client.inner().fetch_group_list(Some(group), self.settings.call_timeout.duration());
        let list = list.map_err(|error| triage::client_error(format_args!("describe group {group}"), &error))?;
        let members = list.groups().iter().flat_map(rdkafka::groups::GroupInfo::members);
        Ok(members.map(|member| format!("{} at {}", member.client_id(), member.client_host())).collect())
    }

    /// Those of these rights that the broker says we don't have. Of a topic that isn't there it says nothing.
    ///
    /// # Errors
    ///
    /// Where no broker answers within the bound of a call, or refuses.
    pub fn lacking(&self, needed: &[Right]) -> Result<Option<Lacking>, BrokerError> {
        rights::lacking(self.client.inner(), &self.settings, needed)
            .map_err(|error| triage::client_error("ask for our rights", &error))
    }

    /// Those of the named topics that exist.
    ///
    /// # Errors
    /// Where the right to see their settings is missing. The client drops the error of a topic's answer, and every
    /// topic has settings: so an empty answer is an error. The broker says whether it is that right; if not, it is one
    /// that hasn't heard of a new topic yet, which is asked again.
    pub fn describe(&self, names: &[String]) -> Result<Vec<TopicFacts>, BrokerError> {
        let bound = Deadline::after(self.settings.retry_bound.duration());
        loop {
            let found = self.describe_once(names)?;
            let untold = found.iter().filter(|facts| facts.config.is_empty());
            let rights: Vec<_> = untold.map(|facts| Right::on_topic(Operation::DescribeConfigs, &facts.name)).collect();
            if rights.is_empty() {
                return Ok(found);
            }
            if let Some(lacking) = self.lacking(&rights)? {
                return Err(BrokerError::Denied { what: "describe topics".to_owned(), lacking });
            }
            if bound.is_over() {
                let lacking = self.settings.lacking(rights);
                return Err(BrokerError::Denied {
                    what: "describe topics, whose settings aren't told".to_owned(),
                    lacking,
                });
            }
            bound.pause(self.settings.retry_pause.duration());
        }
    }

    fn describe_once(&self, names: &[String]) -> Result<Vec<TopicFacts>, BrokerError> {
        let mut found = Vec::new();
        for name in names {
            found.extend(self.partitions_of(name)?);
        }
        let existing: Vec<_> = found.iter().map(|facts: &TopicFacts| ResourceSpecifier::Topic(&facts.name)).collect();
        if existing.is_empty() {
            return Ok(found);
        }
        let failed = |error: KafkaError| triage::client_error("describe topics", &error);
        let answers = block_on(self.client.describe_configs(existing.iter(), &self.options())).map_err(failed)?;
        let configs: Vec<BTreeMap<String, String>> = answers
            .into_iter()
            .map(|answer| {
                let resource = answer.map_err(|code| failed(KafkaError::AdminOp(code)))?;
                let told = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
                Ok(told.collect())
            })
            .collect::<Result<_, BrokerError>>()?;
        for (facts, config) in found.iter_mut().zip(configs) {
            facts.config = config;
        }
        Ok(found)
    }

    /// The settings of one of the brokers, defaults included; empty where the right to see them is missing.
    ///
    /// # Errors
    ///
    /// Where no broker answers within the bound of a call, or refuses.
    pub fn broker_settings(&self) -> Result<BTreeMap<String, String>, BrokerError> {
        let metadata =
            self.client.inner().fetch_metadata(Some("__tideline_reach"), self.settings.call_timeout.duration());
        let failed = |error: KafkaError| triage::client_error("describe a broker", &error);
        let metadata = metadata.map_err(failed)?;
        let Some(broker) = metadata.brokers().first() else { return Ok(BTreeMap::new()) };
        let resource = ResourceSpecifier::Broker(broker.id());
        let described = block_on(self.client.describe_configs([&resource], &self.options()));
        let resource = match described.map_err(failed)?.pop() {
            Some(answer) => answer.map_err(|code| failed(KafkaError::AdminOp(code)))?,
            None => return Ok(BTreeMap::new()),
        };
        Ok(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    /// Creates one topic; one that exists already is no error.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Denied`] without the right, or the broker's own reason.
    pub fn create(&self, wish: &TopicWish, topics: &TopicSettings, partitions: i32) -> Result<(), BrokerError> {
        let what = || format!("create topic {}", wish.name);
        // The broker's own default goes by −1.
        let copies = if topics.replication == 0 { -1 } else { i32::from(topics.replication) };
        let replication = TopicReplication::Fixed(copies);
        let mut topic = NewTopic::new(&wish.name, wish.partitions.unwrap_or(partitions), replication);
        for (name, value) in &wish.config {
            topic = topic.set(name, value);
        }
        let answers = block_on(self.client.create_topics([&topic], &self.options()))
            .map_err(|error| triage::client_error(what(), &error))?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) if triage::denied_by(code).is_some() => {
                    let lacking = self.settings.lacking(vec![Right::on_topic(Operation::Create, &wish.name)]);
                    return Err(BrokerError::Denied { what: what(), lacking });
                }
                Err((_, code)) => {
                    return Err(BrokerError::client(
                        what(),
                        ErrorClass::Fatal,
                        ClientError::of(&KafkaError::AdminOp(code)),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Sets properties of a topic; all others stay as they are.
    ///
    /// # Errors
    ///
    /// The broker's reason.
    pub fn alter(&self, topic: &str, properties: &[(&str, &str)]) -> Result<(), BrokerError> {
        let altered =
            native::alter_topic(self.client.inner(), topic, properties, self.settings.call_timeout.duration());
        let what = || format!("set {properties:?} of topic {topic}");
        altered.map_err(|failure| BrokerError::client(what(), ErrorClass::Fatal, failure))
    }

    /// Whether the latest time in a partition can be asked for, which is how a topic without `LogAppendTime` tells the
    /// broker's; else why not.
    ///
    /// # Errors
    ///
    /// The broker's reason.
    pub fn tells_latest_time(&self, topic: &str) -> Result<(), String> {
        let latest = native::latest_time(self.client.inner(), topic, 0, self.settings.call_timeout.duration());
        latest.map(drop).map_err(|failure| failure.to_string())
    }

    fn partitions_of(&self, name: &str) -> Result<Option<TopicFacts>, BrokerError> {
        let what = || format!("describe topic {name}");
        let metadata = self
            .client
            .inner()
            .fetch_metadata(Some(name), self.settings.call_timeout.duration())
            .map_err(|error| triage::client_error(what(), &error))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        match topic.error() {
            None => {}
            Some(
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            ) => return Ok(None),
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => {
                let lacking = self.settings.lacking(vec![Right::on_topic(Operation::Describe, name)]);
                return Err(BrokerError::Denied { what: what(), lacking });
            }
            Some(code) => {
                return Err(triage::client_error(what(), &KafkaError::MetadataFetch(code.into())));
            }
        }
        Ok(Some(TopicFacts {
            name: name.to_owned(),
            partitions: topic.partitions().len() as i32,
            replication: topic.partitions().first().map_or(0, |partition| partition.replicas().len() as i32),
            config: BTreeMap::new(),
        }))
    }

    fn options(&self) -> AdminOptions {
        // The second bound is the broker's own: it answers when the work is done there.
        let timeout = self.settings.call_timeout.duration();
        AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
    }
}

/// Waits on this thread for what the client's own thread finishes: no runtime is needed for that.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
