//! Which name was probably meant by one that isn't known.

/// How alike two names must be, of 1 (Jaro and Winkler).
const ALIKE: f64 = 0.84;

/// The most alike of some names, if one is alike enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let likeness = |other: &'a str| (strsim::jaro_winkler(&name, other), other);
    let (alike, best) = known.into_iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (alike >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_is_understood_and_another_word_is_not() {
        let known = ["lateness", "max_skew", "merge_wait"];
        for (name, meant) in [
            ("latness", Some("lateness")),
            ("MAX_SKEW", Some("max_skew")),
            ("max-skew", Some("max_skew")),
            ("colour", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
