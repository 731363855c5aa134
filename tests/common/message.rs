//! A record as a test writes it down.

use tideline::record::{Message, Offset};

#[derive(Debug, Clone, Default)]
pub struct TestMessage {
    pub offset: Offset,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl TestMessage {
    pub fn of_value(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    #[allow(dead_code, reason = "not everyone who writes records gives them headers")]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    #[allow(dead_code, reason = "not everyone who writes records gives them keys")]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }
}

impl Message for TestMessage {
    fn offset(&self) -> Offset {
        self.offset
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}
