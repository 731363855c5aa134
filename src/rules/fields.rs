//! Tagged fields: what the canonical bytes of rules are written with. `version` says how they lie.

/// Tagged fields, in order of tags.
#[derive(Default)]
pub(super) struct Fields(pub(super) Vec<u8>);

impl Fields {
    pub(super) fn put(&mut self, tag: u8, value: &[u8]) {
        self.0.push(tag);
        self.0.extend((value.len() as u32).to_le_bytes());
        self.0.extend(value);
    }

    pub(super) fn number(&mut self, tag: u8, value: impl Into<i64>, absent: i64) {
        let value = value.into();
        if value != absent {
            self.put(tag, &value.to_le_bytes());
        }
    }

    pub(super) fn real(&mut self, tag: u8, value: f64, absent: f64) {
        if value != absent {
            // There are two zeros, which mean the same.
            self.put(tag, &(value + 0.0).to_bits().to_le_bytes());
        }
    }

    pub(super) fn text(&mut self, tag: u8, value: &str, absent: &str) {
        if value != absent {
            self.put(tag, value.as_bytes());
        }
    }

    /// Fields within a field; there also where there are none.
    pub(super) fn part(&mut self, tag: u8, part: &Self) {
        self.put(tag, &part.0);
    }

    pub(super) fn section(&mut self, tag: u8, section: &Self) {
        if !section.0.is_empty() {
            self.put(tag, &section.0);
        }
    }
}
