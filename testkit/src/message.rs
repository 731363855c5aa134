//! A record as a test writes it down.

use tideline::record::{Header, Message, Offset, OwnedHeader, borrowed, text_header};

#[derive(Debug, Clone, Default)]
pub struct TestMessage {
    pub offset: Offset,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<OwnedHeader>,
}

impl TestMessage {
    pub fn of_value(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(text_header(name, value.as_ref()));
        self
    }

    /// Headers of the kinds that a program may trip over: no UTF-8, no name, no value, one name twice.
    pub fn odd_headers(mut self) -> Self {
        self.headers.extend([
            (b"\xc3\x28".to_vec(), Some(b"1".to_vec())),
            (Vec::new(), Some(Vec::new())),
            (b"trace".to_vec(), None),
            (b"trace".to_vec(), Some(b"\xff\x00".to_vec())),
            (b"\xff".to_vec(), None),
        ]);
        self
    }

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

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.headers.iter().map(borrowed)
    }
}
