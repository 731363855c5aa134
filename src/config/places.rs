//! Where the keys of a file stand.

use std::collections::BTreeMap;
use std::ops::Range;

/// The line of each key, by its path.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where each line begins.
    starts: Vec<usize>,
    lines: BTreeMap<String, usize>,
}

impl Places {
    pub fn of(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self { starts: [0].into_iter().chain(ends).collect(), lines: BTreeMap::new() }
    }

    /// From 1.
    pub fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }

    /// In its line, in bytes, from 1.
    pub fn column_at(&self, offset: usize) -> usize {
        offset - self.starts[self.line_at(offset) - 1] + 1
    }

    pub fn note(&mut self, path: String, span: &Range<usize>) {
        let line = self.line_at(span.start);
        self.lines.entry(path).or_insert(line);
    }

    pub fn line(&self, path: &str) -> Option<usize> {
        self.lines.get(path).copied()
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }
}
