//! The texts of an event, which the event does not hold.
//!
//! An event is copied into a buffer and waits there, so it holds hashes (decisions, 2026-11-24). Its record waits
//! beside it: a fact that keeps a text reads it from there when it folds the event. So an event without texts pays
//! nothing, and one with texts only where a fact asks for them.

use super::Event;

/// A field whose text may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// `data.campaign`.
    Campaign,
    /// `data.interests`: a text or a list of texts.
    Interests,
}

/// The record of an event, as far as its texts go.
pub trait Texts {
    /// Hands over each text of a field that is not empty, in the order of the record; none where it has none.
    fn each(&self, field: TextField, visit: &mut dyn FnMut(&str));
}

/// Of an event whose record is not at hand.
#[derive(Debug, Clone, Copy)]
pub struct NoTexts;

impl Texts for NoTexts {
    fn each(&self, _field: TextField, _visit: &mut dyn FnMut(&str)) {}
}

/// An event as it goes to the fold: with the texts of its record.
#[derive(Clone, Copy)]
pub struct EventWithTexts<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its record.
    pub texts: &'a dyn Texts,
}

impl<'a> From<&'a Event> for EventWithTexts<'a> {
    fn from(event: &'a Event) -> Self {
        Self { event, texts: &NoTexts }
    }
}

// An event allocates nothing, and has nothing to let go of.
const _: fn() = || {
    fn is_copy<T: Copy>() {}
    is_copy::<Event>();
};
