//! The rights that a run needs.

use crate::broker::kafka::Claim;
use crate::broker::rights::{self, Right};
use crate::config::Config;

/// The rights that a run needs, but for those of its transactional ids: only taking one tells.
pub(super) fn to_run(config: &Config) -> Vec<Right> {
    rights::to_serve(&config.topic_names(), &[&config.application.id, &Claim::group(&config.name())])
}
