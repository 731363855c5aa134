//! The texts of a record that was decoded to an event, read again when a fact asks for them: see `domain::texts`.
//!
//! A record that decodes has readable texts; what can't be read after all has none.

use super::json;
use super::protobuf;
use super::route::Forwarded;
use super::shape::{self, CONTENT_TYPE, Format, MediaType, Shape};
use super::wire::{Value, WireReader};
use crate::domain::{TextField, Texts};
use crate::record::Message;

/// A record, and how its input is read. Made by [`super::Decoder::texts`].
pub struct RecordTexts<'a, M> {
    pub(super) message: &'a M,
    /// None: its headers say, for it was forwarded.
    pub(super) format: Option<Format>,
}

impl<M: Message> Texts for RecordTexts<'_, M> {
    fn each(&self, field: TextField, visit: &mut dyn FnMut(&str)) {
        let Some(value) = self.message.value() else { return };
        let shape = match self.format {
            Some(format) => shape::shape(self.message, format),
            None => Forwarded::read(self.message).map(|forwarded| forwarded.shape),
        };
        match shape {
            Ok(Shape::Json | Shape::Cloudevents) => json::texts(value, &["data", name(field)], visit),
            Ok(Shape::CloudeventsBinary) if self.data_is_protobuf() => of_data(value, field, visit),
            Ok(Shape::CloudeventsBinary) => json::texts(value, &[name(field)], visit),
            Ok(Shape::Protobuf | Shape::ConfluentProtobuf) => of_envelope(value, field, visit),
            Err(_) => {}
        }
    }
}

impl<M: Message> RecordTexts<'_, M> {
    /// Of a CloudEvent in binary mode.
    fn data_is_protobuf(&self) -> bool {
        let types = self.message.headers().filter(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()));
        types.last().and_then(|(_, value)| MediaType::of(value?).ok()) == Some(MediaType::Protobuf)
    }
}

const fn name(field: TextField) -> &'static str {
    match field {
        TextField::Campaign => "campaign",
        TextField::Interests => "interests",
    }
}

fn of_envelope(value: &[u8], field: TextField, visit: &mut dyn FnMut(&str)) {
    let Ok(value) = (if value.first() == Some(&protobuf::MAGIC) { protobuf::unframed(value) } else { Ok(value) })
    else {
        return;
    };
    let mut reader = WireReader::new(value);
    while let Ok(Some((number, value))) = reader.field() {
        if let (protobuf::DATA, Value::Bytes(data)) = (number, value) {
            of_data(data, field, visit);
        }
    }
}

fn of_data(data: &[u8], field: TextField, visit: &mut dyn FnMut(&str)) {
    let asked = match field {
        TextField::Campaign => protobuf::CAMPAIGN,
        TextField::Interests => protobuf::INTERESTS,
    };
    let mut reader = WireReader::new(data);
    // Of a field that is no list the last counts.
    let mut last = "";
    while let Ok(Some((number, value))) = reader.field() {
        let Value::Bytes(bytes) = value else { continue };
        let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| number == asked && !text.is_empty()) else {
            continue;
        };
        match field {
            TextField::Campaign => last = text,
            TextField::Interests => visit(text),
        }
    }
    if !last.is_empty() {
        visit(last);
    }
}
