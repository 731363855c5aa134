//! What the client says of all its properties together, without a broker: clients are made of them, and thrown away.
//!
//! Must not know: what each property means (`client_properties.rs`). May break it: a text that quotes a value.

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;

use crate::broker::Isolation;
use crate::broker::kafka::client_properties::{LACKS_TLS, plain};
use crate::broker::kafka::settings::KafkaSettings;

use super::context::{PlainContext, ProducerWatch};

/// What the client says of all its properties together: of couplings, files, mechanisms. Makes clients of each kind,
/// and no connection.
pub fn dry_run(settings: &KafkaSettings) -> Vec<String> {
    let offline = |mut config: ClientConfig| {
        config.remove("bootstrap.servers");
        config
    };
    let member = offline(settings.member("check"));
    let reader = offline(settings.reader(Isolation::ReadCommitted));
    let producer = offline(settings.transactional("check"));
    let consumer =
        |config: &ClientConfig| BaseConsumer::from_config_and_context(config, PlainContext::of(settings)).err();
    let outcomes = [
        consumer(&member),
        consumer(&reader),
        BaseProducer::from_config_and_context(&producer, ProducerWatch::of(settings)).err(),
    ];
    let mut faults: Vec<String> = Vec::new();
    for error in outcomes.into_iter().flatten() {
        let text = settings.client.without_values(&plain(&error));
        let fault = if text.contains("mechanism GSSAPI") {
            format!(
                "{text}; Kerberos, the default of sasl.mechanism, is in no build of tideline: set another mechanism"
            )
        } else if !cfg!(feature = "tls") && text.contains("openssl") {
            format!("{text}; it {LACKS_TLS}")
        } else {
            text
        };
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::kafka::settings::GroupProtocol;

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_mechanism_that_needs_tls_is_told_with_the_name_of_its_feature() {
        let client = |mechanism| {
            [
                ("security.protocol", "sasl_plaintext"),
                ("sasl.mechanism", mechanism),
                ("sasl.username", "u"),
                ("sasl.password", "p"),
            ]
        };
        let settings =
            |mechanism| KafkaSettings { client: client(mechanism).into_iter().collect(), ..KafkaSettings::default() };
        let faults = dry_run(&settings("SCRAM-SHA-512"));
        assert!(faults.len() == 1 && faults[0].contains("the feature `tls`"), "{faults:?}");
        assert_eq!(dry_run(&settings("PLAIN")), Vec::<String>::new());
    }

    #[test]
    fn the_defaults_make_every_kind_of_client() {
        assert_eq!(dry_run(&KafkaSettings::default()), Vec::<String>::new());
        let settings = KafkaSettings { group_protocol: GroupProtocol::Consumer, ..KafkaSettings::default() };
        assert_eq!(dry_run(&settings), Vec::<String>::new());
    }
}
