//! What the client is given, and what only making it shows.

#[cfg(not(feature = "kafka"))]
impl super::Config {
    /// There is no client to make.
    pub(super) fn client_faults(&self, _known: &[crate::settings::Fault]) -> Vec<crate::settings::Fault> {
        Vec::new()
    }
}

#[cfg(feature = "kafka")]
mod client {
    use crate::broker::{ClientProperties, kafka};
    use crate::config::Config;
    use crate::config::fault::has_word;
    use crate::settings::Fault;

    /// The property, among those that are set, that a fault of the client's speaks of, or that asks for what it lacks.
    fn property_of<'a>(text: &str, client: &'a ClientProperties) -> Option<&'a str> {
        let names = || client.iter().map(|(name, _)| name);
        let asking: &[&str] = match () {
            () if text.contains("mechanism") || text.contains("sasl") => {
                &["sasl.mechanism", "sasl.mechanisms", "security.protocol"]
            }
            () if text.contains("ssl") => &["security.protocol"],
            () => &[],
        };
        names()
            .filter(|name| has_word(text, name))
            .max_by_key(|name| name.len())
            .or_else(|| asking.iter().find_map(|asking| names().find(|name| name == asking)))
    }

    impl Config {
        /// What only making the client shows, each with the path of the key concerned, where it can be told. Nothing is
        /// said on the strength of a key that is known to be faulty.
        pub(in crate::config) fn client_faults(&self, known: &[Fault]) -> Vec<Fault> {
            if known.iter().any(|fault| ["kafka", "kafka.client"].contains(&fault.path.as_str())) {
                return Vec::new();
            }
            let faulty: Vec<_> = known.iter().filter_map(|fault| fault.path.strip_prefix("kafka.client.")).collect();
            // Who the client is, is told by many properties together.
            if faulty.iter().any(|name| ["sasl", "ssl", "security", "enable"].iter().any(|of| name.starts_with(of))) {
                return Vec::new();
            }
            let settings_hold = !known.iter().any(|fault| fault.path.starts_with("kafka."));
            let mut settings = self.kafka_settings();
            settings.client = self.kafka.client.iter().filter(|(name, _)| !faulty.contains(name)).collect();
            let told = kafka::dry_run(&settings).into_iter().filter(|text| {
                !faulty.iter().any(|name| has_word(text, name))
                    && (settings_hold || kafka::settings_in(text).next().is_none())
            });
            told.map(|text| {
                let property = property_of(&text, &settings.client).map(|name| format!("kafka.client.{name}"));
                let setting = || kafka::settings_in(&text).next().map(str::to_owned);
                let path = property.or_else(setting).unwrap_or_else(|| "kafka.client".to_owned());
                Fault::new(path, text)
            })
            .collect()
        }
    }
}
