//! An output as the protobuf of `proto/signals/v1`: canonical bytes, as any encoder of that schema writes them.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::members::{Code, Member, MemberWriter, WholeNumber};
use super::{Emitter, Name, OutputType};
use crate::domain::{TimeText, Timestamp};
use crate::engine::Announcement;

/// The generated types of `proto/signals/v1`, for whoever reads outputs.
pub mod schema {
    include!(concat!(env!("OUT_DIR"), "/tideline.signals.v1.rs"));
}

/// What the schema numbers, and JSON names.
pub(super) mod codes {
    use super::schema;
    use crate::domain::Stage;
    use crate::emit::members::Code;
    use crate::engine::OutputReason;

    pub const NO_DIRECTION: Code = Code { name: None, number: schema::Direction::Unspecified as i32 };
    pub const UP: Code = Code { name: Some("up"), number: schema::Direction::Up as i32 };
    pub const DOWN: Code = Code { name: Some("down"), number: schema::Direction::Down as i32 };

    pub const fn reason(reason: OutputReason) -> Code {
        let number = match reason {
            OutputReason::Behaviour => schema::Reason::Behaviour,
            OutputReason::Timer => schema::Reason::Timer,
            OutputReason::Calendar => schema::Reason::Calendar,
            OutputReason::Correction => schema::Reason::Correction,
            OutputReason::LateData => schema::Reason::LateData,
            OutputReason::RuleChange => schema::Reason::RuleChange,
        };
        Code { name: Some(reason.as_str()), number: number as i32 }
    }

    pub const fn stage(stage: Stage) -> Code {
        let number = match stage {
            Stage::Active => schema::Stage::Active,
            Stage::AtRisk => schema::Stage::AtRisk,
            Stage::Dormant => schema::Stage::Dormant,
            Stage::Lost => schema::Stage::Lost,
        };
        Code { name: Some(stage.as_str()), number: number as i32 }
    }
}

impl Emitter {
    /// Appends the announcement's protobuf.
    pub(super) fn write_protobuf(&self, announcement: &Announcement, name: &Name, out: &mut Vec<u8>) {
        self.describe(announcement, name, &mut ProtobufWriter(out));
    }
}

/// Appends the fields of a message.
struct ProtobufWriter<'a>(&'a mut Vec<u8>);

impl ProtobufWriter<'_> {
    fn varint(&mut self, tag: u32, bits: u64) {
        encode_key(tag, WireType::Varint, self.0);
        encode_varint(bits, self.0);
    }

    /// Without presence: a zero is left out.
    fn implicit(&mut self, tag: u32, bits: u64) {
        if bits != 0 {
            self.varint(tag, bits);
        }
    }

    fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        encode_key(tag, WireType::LengthDelimited, self.0);
        encode_varint(bytes.len() as u64, self.0);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, tag: u32, content: impl FnOnce(&mut Self)) {
        encode_key(tag, WireType::LengthDelimited, self.0);
        let start = self.0.len();
        content(self);
        // What comes before the content is known behind it.
        let mut length = Vec::with_capacity(10);
        encode_varint((self.0.len() - start) as u64, &mut length);
        drop(self.0.splice(start..start, length));
    }
}

impl MemberWriter for ProtobufWriter<'_> {
    const BY_TAG: bool = true;

    fn plain(&mut self, member: Member, value: &str) {
        self.text(member, value);
    }

    fn text(&mut self, member: Member, value: &str) {
        if !value.is_empty() {
            self.bytes(member.tag, value.as_bytes());
        }
    }

    fn optional_text(&mut self, member: Member, value: Option<&str>) {
        if let Some(value) = value {
            self.bytes(member.tag, value.as_bytes());
        }
    }

    fn code(&mut self, member: Member, value: Code) {
        self.number(member, value.number);
    }

    fn number(&mut self, member: Member, value: impl WholeNumber) {
        self.implicit(member.tag, value.bits());
    }

    fn optional_number(&mut self, member: Member, value: Option<impl WholeNumber>) {
        if let Some(value) = value {
            self.varint(member.tag, value.bits());
        }
    }

    fn amount(&mut self, member: Member, value: i128) {
        self.number(member, i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX }));
    }

    fn time(&mut self, member: Member, value: Timestamp, _: &TimeText) {
        self.number(member, value.millis());
    }

    fn optional_time(&mut self, member: Member, value: Option<Timestamp>) {
        self.optional_number(member, value.map(Timestamp::millis));
    }

    fn real(&mut self, member: Member, value: Option<f64>) {
        if let Some(value) = value {
            encode_key(member.tag, WireType::SixtyFourBit, self.0);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn days(&mut self, member: Member, value: Option<f64>) {
        self.real(member, value);
    }

    fn object(&mut self, member: Member, content: impl FnOnce(&mut Self)) {
        self.message(member.tag, content);
    }

    fn type_name(&mut self, _: OutputType) {}

    fn body(&mut self, value: OutputType, content: impl FnOnce(&mut Self)) {
        self.message(u32::from(value.number()), content);
    }
}
