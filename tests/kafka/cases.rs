//! Cases in which tideline was seen wrong, by `tideline run` on the real broker.

use tideline::broker::kafka::{GroupProtocol, PlainProducer};
use tideline::domain::Source;
use tideline::record::Outgoing;

use crate::application::{Application, Setup};
use crate::common::cases::ALL;
use crate::kafka_cluster::Cluster;

#[test]
fn every_case_of_the_app_alone_is_right_on_the_real_broker() {
    for case in ALL {
        let mut setup = Setup::on(Cluster::shared(), GroupProtocol::Consumer).with(case.more);
        setup.sources = vec![Source::App];
        setup.of_each_input = case.of_input.to_owned();
        let application = Application::new(&setup);
        let plain = PlainProducer::new(application.settings()).expect("a plain producer");
        for (user, value) in case.records() {
            let topic = application.config.topic_names().inputs[0].clone();
            let (partition, key, value) = (None, Some(user.into_bytes()), Some(value.into_bytes()));
            let record = Outgoing { topic, partition, key, value, headers: Vec::new(), timestamp: None };
            plain.write(&record).expect("write a record");
        }
        application.start_until("a", case.until).succeed();
        assert_eq!(application.dead_letters(), 0);
        case.check(&application.outputs());
    }
}
