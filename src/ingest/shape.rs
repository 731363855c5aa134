//! Which shape a record has: told by its headers, else by its input.

use super::{Reject, RejectReason};
use crate::record::Message;

/// The shapes that an input can be configured to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// tideline JSON. An object that names a `specversion` is a structured CloudEvent here, too.
    Json,
    /// CloudEvents 1.0 structured: one JSON object.
    Cloudevents,
    /// `proto/events/v1`. A value that begins with Confluent's magic byte is read as framed here, too.
    Protobuf,
    /// Magic byte, schema id and message indexes of the Confluent registry before the protobuf.
    ConfluentProtobuf,
}

/// The shapes a record can have. A [`Format`] is one that can be configured; binary mode only headers can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Json,
    /// CloudEvents 1.0 structured: one JSON object.
    Cloudevents,
    /// CloudEvents 1.0 binary: attributes in `ce_` headers, the value is the data alone.
    CloudeventsBinary,
    Protobuf,
    ConfluentProtobuf,
}

impl Shape {
    pub const ALL: [Self; 5] =
        [Self::Json, Self::Cloudevents, Self::CloudeventsBinary, Self::Protobuf, Self::ConfluentProtobuf];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cloudevents => "cloudevents",
            Self::CloudeventsBinary => "cloudevents-binary",
            Self::Protobuf => "protobuf",
            Self::ConfluentProtobuf => "confluent-protobuf",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.as_str() == text)
    }
}

impl From<Format> for Shape {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Cloudevents => Self::Cloudevents,
            Format::Protobuf => Self::Protobuf,
            Format::ConfluentProtobuf => Self::ConfluentProtobuf,
        }
    }
}

pub(super) const CONTENT_TYPE: &str = "content-type";
/// What the names of CloudEvents attributes begin with in headers.
pub(super) const CLOUDEVENTS_PREFIX: &str = "ce_";

/// Tells the shape of a record of an input with that configured format.
pub(super) fn shape(message: &impl Message, format: Format) -> Result<Shape, Reject> {
    let mut content_type = None;
    let mut binary = false;
    for (name, value) in message.headers() {
        if name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()) {
            content_type = Some(value.unwrap_or_default());
        }
        binary |= name.starts_with(CLOUDEVENTS_PREFIX.as_bytes());
    }
    let media = content_type.map(MediaType::of).transpose()?;
    // As the protocol binding of CloudEvents has it: the content type alone says that an event is structured.
    match media {
        Some(MediaType::Cloudevents) => Ok(Shape::Cloudevents),
        _ if binary => Ok(Shape::CloudeventsBinary),
        None => Ok(format.into()),
        Some(MediaType::Json) if format == Format::Cloudevents => Ok(Shape::Cloudevents),
        Some(MediaType::Json) => Ok(Shape::Json),
        Some(MediaType::Protobuf) if format == Format::ConfluentProtobuf => Ok(Shape::ConfluentProtobuf),
        Some(MediaType::Protobuf) => Ok(Shape::Protobuf),
    }
}

/// The content types that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    Json,
    Protobuf,
    Cloudevents,
}

impl MediaType {
    pub(super) fn of(content_type: &[u8]) -> Result<Self, Reject> {
        std::str::from_utf8(content_type)
            .ok()
            .and_then(Self::parse)
            .ok_or_else(|| Reject::new(RejectReason::Unsupported, "content-type: not one that is known"))
    }

    /// Parameters such as `charset` are ignored: the value is held to UTF-8 in any case.
    pub(super) fn parse(content_type: &str) -> Option<Self> {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let is = |known: &str| media.eq_ignore_ascii_case(known);
        if is("application/cloudevents+json") {
            Some(Self::Cloudevents)
        } else if is("application/json") || is("text/json") {
            Some(Self::Json)
        } else if is("application/protobuf") || is("application/x-protobuf") || is("application/vnd.google.protobuf") {
            Some(Self::Protobuf)
        } else {
            None
        }
    }
}
