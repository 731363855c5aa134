//! The line of a file that a fault belongs to, and the other keys that it rests on.

use super::places::Places;
use crate::settings::Fault;

impl Fault {
    /// With the line of its key, or of the one that it speaks of, or of the table around it.
    pub(super) fn placed(mut self, places: &Places) -> Self {
        let spoken_of = || places.paths().filter(|path| self.mentions(path)).max_by_key(|path| path.len());
        self.line = places
            .line(&self.path)
            .or_else(|| places.line(spoken_of()?))
            .or_else(|| ancestors(&self.path).find_map(|path| places.line(path)));
        self
    }

    /// Whether it rests on that key: it is about it, or about something in it, or names it beside its own.
    pub(super) fn rests_on(&self, path: &str) -> bool {
        self.path == path || ancestors(&self.path).any(|around| around == path) || self.mentions(path)
    }

    /// Whether its text names that key; faults of the rules name other keys of `[rules]` without the table.
    fn mentions(&self, path: &str) -> bool {
        let short = if self.path.starts_with("rules.") { path.strip_prefix("rules.") } else { None };
        [Some(path), short].into_iter().flatten().any(|name| has_word(&self.what, name))
    }
}

/// `a.b[1].c`: `a.b[1]`, `a.b`, `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices().rev().filter(|(_, letter)| matches!(letter, '.' | '[')).map(|(end, _)| &path[..end])
}

/// Whether a text has it with nothing of a name before or behind.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .any(|(start, _)| !text[..start].ends_with(is_of_name) && !text[start + word.len()..].starts_with(is_of_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_rests_on_its_own_key_what_is_around_it_and_what_it_names() {
        let fault = Fault::new("inputs[1].silent_after", "1h must exceed stream.lateness, 1h");
        for (path, rests) in [
            ("inputs[1].silent_after", true),
            ("inputs[1]", true),
            ("inputs", true),
            ("stream.lateness", true),
            ("inputs[1].silent", false),
            ("stream.late", false),
            ("inputs[0]", false),
        ] {
            assert_eq!(fault.rests_on(path), rests, "{path}");
        }
        assert!(Fault::new("rules.lost_days", "60 is before dormant_days, 90").rests_on("rules.dormant_days"));
    }
}
