//! The limit of a topic that a record was too large for: asked for once a record was refused for its size.

use crate::broker::kafka::client::undelivered::Undelivered;
use crate::broker::kafka::settings::KafkaSettings;

use super::Admin;

/// Why a record was not written, with the limit of its topic, if that is what it broke.
pub(in crate::broker::kafka) fn explain(undelivered: Undelivered, settings: &KafkaSettings) -> String {
    let Some(topic) = undelivered.over_limit_of().map(str::to_owned) else { return undelivered.to_string() };
    let facts = Admin::new(settings.clone()).and_then(|admin| admin.describe(std::slice::from_ref(&topic)));
    let limit = facts.ok().and_then(|facts| facts.first()?.config.get("max.message.bytes").cloned());
    let limit = limit.unwrap_or_else(|| "not told".to_owned());
    undelivered.with_limit("max.message.bytes of the topic", limit).to_string()
}
