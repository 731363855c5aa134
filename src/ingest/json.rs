//! Reads a JSON object in one pass into [`Members`], without building a tree and without allocating. The judge of what
//! is JSON; [`super::plain`] is its shortcut.
//!
//! Texts are used up where they are met, since one with escapes lives only until the next.
//!
//! May break it: a visitor method that refuses a value. Then a field of the wrong kind turns a record `malformed`.

use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::envelope::Data;
use super::field::{FieldKind, Name, Names, Raw};
use super::members::{DataMember, Member, Members, Values};
use super::{Reject, RejectReason, plain};
use crate::domain::{Source, Token};

/// Reads one whole JSON object into members that are new.
pub(super) fn members(value: &[u8], source: Source, members: &mut Members) -> Result<(), Reject> {
    let text = utf8(value)?;
    if plain::members(text, source, members).is_err() {
        judge(text, |text| {
            *members = Members::default();
            read(text, MembersSeed(source, members))
        })?;
    }
    Ok(())
}

/// Reads a value that is the `data` alone, in the place of what was there.
pub(super) fn data(value: &[u8], data: &mut Data) -> Result<(), Reject> {
    let text = utf8(value)?;
    if plain::data(text, data).is_err() {
        judge(text, |text| read(text, DataSeed(data)))?;
    }
    Ok(())
}

/// What a JSON object calls its type, for naming one that is unknown: an event has nothing of it.
pub fn type_name(value: &[u8]) -> Option<String> {
    let mut object = serde_json::Value::Null;
    judge(utf8(value).ok()?, |text| serde_json::from_str(text).map(|read| object = read)).ok()?;
    Some(object.get("type")?.as_str()?.to_owned())
}

/// The texts at a path of member names: a text, or a list's, but for empty ones. None where something else is there.
pub(super) fn texts(value: &[u8], path: &[&str], visit: &mut dyn FnMut(&str)) {
    let Ok(text) = utf8(value) else { return };
    let mut object = serde_json::Value::Null;
    if judge(text, |text| serde_json::from_str(text).map(|read| object = read)).is_err() {
        return;
    }
    let found = path.iter().try_fold(&object, |object, name| object.get(name));
    let list = match found {
        Some(serde_json::Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(serde_json::Value::as_str).filter(|text| !text.is_empty()).for_each(visit);
}

/// The whole value at once, so that text in fields that are skipped is held to UTF-8 too.
fn utf8(value: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(value).map_err(|_| Reject::new(RejectReason::Malformed, "not UTF-8"))
}

/// Lets `attempt` read any JSON, and says what is wrong with what is none. It is asked once more where a number is
/// beyond what a float can hold: that is a fault of the field alone, and only if its type has that field.
fn judge(text: &str, mut attempt: impl FnMut(&str) -> Result<(), serde_json::Error>) -> Result<(), Reject> {
    match attempt(text) {
        Err(error) if is_out_of_range(&error) => attempt(&tamed(text)).map_err(reject),
        read => read.map_err(reject),
    }
}

fn read<'de>(text: &'de str, seed: impl DeserializeSeed<'de, Value = ()>) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut json).and_then(|()| json.end())
}

fn is_out_of_range(error: &serde_json::Error) -> bool {
    !error.is_data() && error.to_string().starts_with("number out of range")
}

/// The text with a fraction, which no field takes, in the place of each number that a float can't hold.
fn tamed(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => text_length(rest),
            b'-' | b'0'..=b'9' => rest.bytes().take_while(|byte| is_of_number(*byte)).count(),
            _ => rest.bytes().take_while(|byte| *byte != b'"' && !is_of_number(*byte)).count().max(1),
        };
        let (token, after) = rest.split_at(length);
        let is_wild = matches!(first, b'-' | b'0'..=b'9')
            && serde_json::from_str::<f64>(token).is_err_and(|error| is_out_of_range(&error));
        tamed.push_str(if is_wild { "0.5" } else { token });
        rest = after;
    }
    tamed
}

const fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Of a text in quotes, or of all that is left where none ends it. What an escape stands for is of no account.
fn text_length(quoted: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in quoted.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    quoted.len()
}

/// What serde_json found wrong. Its words hold no content of the record but for kinds of values, which are told apart
/// here.
fn reject(error: serde_json::Error) -> Reject {
    if error.is_data() {
        return Reject::new(RejectReason::Malformed, "not a JSON object");
    }
    Reject::new(RejectReason::Malformed, format!("not JSON: {error}"))
}

/// A value read as one kind of field; never an error of its own.
struct Field<K>(K);

impl<'de, K: FieldKind> DeserializeSeed<'de> for Field<K> {
    type Value = Raw<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, K: FieldKind> Visitor<'de> for Field<K> {
    type Value = Raw<K::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(K::EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.text(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.0.integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Raw::Bad(K::EXPECTED), |number| self.0.integer(number)))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(K::EXPECTED))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(self.0.flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items)?;
        Ok(Raw::Bad(K::EXPECTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members)?;
        Ok(Raw::Bad(K::EXPECTED))
    }
}

/// A text, or a list of texts.
struct NamesField;

impl<'de> DeserializeSeed<'de> for NamesField {
    type Value = Raw<Token>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NamesField {
    type Value = Raw<Token>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Names::EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name.text(text))
    }

    fn visit_i64<E>(self, _number: i64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_u64<E>(self, _number: u64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Raw::Absent;
        while let Some(one) = items.next_element_seed(Field(Name))? {
            all = Names::join(all, one);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members)?;
        Ok(Raw::Bad(Names::EXPECTED))
    }
}

/// The name of a member, turned at once into what it stands for.
struct Named<T>(fn(&[u8]) -> T);

impl<'de, T> DeserializeSeed<'de> for Named<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T> Visitor<'_> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name.as_bytes()))
    }
}

/// The values of an object that serde reads.
struct Entries<'de, A>(A, PhantomData<&'de ()>);

impl<'de, A: MapAccess<'de>> Values for Entries<'de, A> {
    type Error = A::Error;

    fn field<K: FieldKind>(&mut self, kind: K) -> Result<Raw<K::Value>, A::Error> {
        self.0.next_value_seed(Field(kind))
    }

    fn names(&mut self) -> Result<Raw<Token>, A::Error> {
        self.0.next_value_seed(NamesField)
    }

    fn data(&mut self, data: &mut Data) -> Result<(), A::Error> {
        self.0.next_value_seed(DataSeed(data))
    }

    fn is_given(&mut self) -> Result<bool, A::Error> {
        Ok(self.0.next_value::<Option<IgnoredAny>>()?.is_some())
    }
}

/// Reads the members of an object; ids count within the source.
struct MembersSeed<'a>(Source, &'a mut Members);

impl<'de> DeserializeSeed<'de> for MembersSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let mut object = Entries(object, PhantomData);
        while let Some(name) = object.0.next_key_seed(Named(Member::named))? {
            self.1.read(name, self.0, &mut object)?;
        }
        Ok(())
    }
}

/// Reads `data` in the place of what was read before: an object, or nothing, or a fault to be judged with the type.
struct DataSeed<'a>(&'a mut Data);

impl DataSeed<'_> {
    const EXPECTED: &'static str = "expected an object";

    fn fault<E>(self) -> Result<(), E> {
        *self.0 = Data { fault: Some(Self::EXPECTED), ..Data::default() };
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for DataSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DataSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        *self.0 = Data::default();
        let mut object = Entries(object, PhantomData);
        while let Some(name) = object.0.next_key_seed(Named(DataMember::named))? {
            self.0.read(name, &mut object)?;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        *self.0 = Data::default();
        Ok(())
    }

    fn visit_str<E>(self, _text: &str) -> Result<(), E> {
        self.fault()
    }

    fn visit_i64<E>(self, _number: i64) -> Result<(), E> {
        self.fault()
    }

    fn visit_u64<E>(self, _number: u64) -> Result<(), E> {
        self.fault()
    }

    fn visit_f64<E>(self, _number: f64) -> Result<(), E> {
        self.fault()
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<(), E> {
        self.fault()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(items)?;
        self.fault()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(text: &str) -> Result<Members, Reject> {
        let mut members = Members::default();
        judge(text, |text| {
            members = Members::default();
            read(text, MembersSeed(Source::App, &mut members))
        })?;
        Ok(members)
    }

    fn shortcut(text: &str) -> Option<Members> {
        let mut members = Members::default();
        plain::members(text, Source::App, &mut members).ok().map(|()| members)
    }

    #[test]
    fn numbers_that_no_float_holds_are_tamed_and_nothing_else_is() {
        for (text, expected) in [
            (r#"{"a":1e999,"b":[-1E+400,1e-999,12]}"#, r#"{"a":0.5,"b":[0.5,1e-999,12]}"#),
            (r#"{"1e999":"1e999\" -1e999","é":1e308}"#, r#"{"1e999":"1e999\" -1e999","é":1e308}"#),
            (r#"01e999 1e9e9 e999 "1e999"#, r#"01e999 1e9e9 e999 "1e999"#),
        ] {
            assert_eq!(tamed(text), expected);
        }
        assert!(judged(r#"{"data":{"amount":1e999}}"#).is_ok());
        assert!(judged(r#"{"data":{"amount":1e999}"#).is_err(), "it does not end");
        assert!(judged(r#"{"data":{"amount":01e999}}"#).is_err(), "no JSON has that number");
    }

    /// Whatever the shortcut reads is JSON, and means what it says.
    fn check(text: &str) {
        if let Some(members) = shortcut(text) {
            assert_eq!(judged(text), Ok(members), "{text:?}");
        }
    }

    const PLAIN: &str = concat!(
        r#"{"id":"e1","user_id":"u1","type":"payment.completed","time":"2026-03-01T10:00:00Z","#,
        r#""channel":null,"more":-12, "data" : { "amount": 120, "scene":"交通","auto":false} }"#
    );

    #[test]
    fn the_shortcut_takes_plain_objects_only() {
        for text in [PLAIN, "{}", " {\t}\n", r#"{"data":{}}"#, r#"{"data":null,"x":true}"#, r#"{"time":-0.5}"#] {
            let plain = !text.contains("0.5");
            assert_eq!(shortcut(text).is_some(), plain, "{text}");
            assert!(judged(text).is_ok(), "{text}");
            check(text);
        }
        let left = [
            "",
            "{",
            "[]",
            "null",
            "{}}",
            "{} {}",
            r#"{"id"}"#,
            r#"{"id":}"#,
            r#"{"id":"a",}"#,
            r#"{,}"#,
            r#"{"id":"a" "b":1}"#,
            r#"{"id":"a\n"}"#,
            "{\"id\":\"a\nb\"}",
            r#"{"id":[]}"#,
            r#"{"id":{}}"#,
            r#"{"time":01}"#,
            r#"{"time":-0}"#,
            r#"{"time":1.0}"#,
            r#"{"time":1e3}"#,
            r#"{"time":-}"#,
            r#"{"time":+1}"#,
            r#"{"time":1234567890123456789}"#,
            r#"{"x":truex}"#,
            r#"{"x":nul}"#,
            r#"{id:1}"#,
            r#"{"data":"x"}"#,
            r#"{"data":{"interests":["a"]}}"#,
            "{\"id\":\"abc",
            "{\"id\":\"abcdefgh",
            "\u{a0}{}",
        ];
        for text in left {
            assert_eq!(shortcut(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_shortcut_reads_as_the_judge_does(
            text in r#"[ ]?\{("(id|user_id|type|time|channel|data|x)"[ ]?:[ ]?("[a-zé\\"]{0,12}"|-?[0-9]{1,20}|[0-9.e+-]{1,5}|true|false|null|\{"(amount|scene|auto|due)":("a?"|-?[0-9]{1,3}|tru?e|null)\}),?){0,4}\}[ x]?"#
        ) {
            check(&text);
        }

        #[test]
        fn a_plain_object_with_a_piece_replaced_is_read_as_the_judge_does(
            at in 0..PLAIN.len(), length in 0..4_usize, by in r#"[{}\[\]:,"\\0-9a-z. \-\n]{0,3}"#
        ) {
            let mut text = PLAIN.to_owned();
            let boundary = |at: usize| (at..=PLAIN.len()).find(|&at| PLAIN.is_char_boundary(at)).unwrap();
            text.replace_range(boundary(at)..boundary((at + length).min(PLAIN.len())), &by);
            check(&text);
        }
    }
}
