//! Names: types that are called alike, and private words for what Kafka and the field have words for.

use std::collections::BTreeMap;

use super::offence::Offence;
use super::source::Source;

/// Types of one name: a reader must look at the imports to know which is meant.
pub fn clashes(sources: &[Source]) -> Vec<Offence> {
    let mut defined: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_in("src") && !source.is_test) {
        for (name, line) in &source.facts.types {
            defined.entry(name.clone()).or_default().push((&source.path, *line));
        }
    }
    let clashing = defined.into_iter().filter(|(_, places)| places.len() > 1);
    let offences = clashing.map(|(name, places)| {
        let others: Vec<_> = places[1..].iter().map(|(file, line)| format!("{file}:{line}")).collect();
        let text = format!("`{name}` is also a type at {}: call them apart", others.join(", "));
        Offence { file: places[0].0.to_owned(), line: places[0].1, keys: vec![name], text }
    });
    offences.collect()
}

/// A word that may not come back.
pub struct Word {
    /// In a text: in order, in lower case. As a name: one identifier as it is.
    pub word: String,
    pub is_name: bool,
    pub instead: String,
}

/// `word | name or text | what to write instead`.
///
/// # Panics
/// If a line is something else.
pub fn words(lines: &[String]) -> Vec<Word> {
    let parsed = lines.iter().map(|line| {
        let parts: Vec<_> = line.split('|').map(str::trim).collect();
        let [word, kind @ ("name" | "text"), instead] = parts[..] else { panic!("words.txt: {line:?}") };
        Word { word: word.to_owned(), is_name: kind == "name", instead: instead.to_owned() }
    });
    parsed.collect()
}

/// Where private words stand in `src`: names in the code, texts also in comments, messages and parts of names.
pub fn private_words(sources: &[Source], words: &[Word]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src") && !source.is_test) {
        let spoken = spoken(source);
        let names: Vec<_> = source.facts.names.iter().filter(|(_, line)| !source.is_test_line(*line)).collect();
        for word in words {
            let places: Vec<usize> = if word.is_name {
                names.iter().filter(|(name, _)| *name == word.word).map(|(_, line)| *line).collect()
            } else {
                let phrase: Vec<&str> = word.word.split(' ').collect();
                let found = spoken.windows(phrase.len());
                found.filter(|said| said.iter().map(|(it, _)| it).eq(&phrase)).map(|said| said[0].1).collect()
            };
            offences.extend(places.into_iter().map(|line| Offence {
                file: source.path.clone(),
                line,
                keys: vec![word.word.clone(), format!("{} {}", word.word, source.path)],
                text: format!("{:?} is ours alone: {}", word.word, word.instead),
            }));
        }
    }
    offences
}

/// The words of a file in order, in lower case, with their lines; names are taken apart.
fn spoken(source: &Source) -> Vec<(String, usize)> {
    let mut words = Vec::new();
    for (number, line) in source.code() {
        for chunk in line.split(|c: char| !c.is_alphanumeric()) {
            let mut word = String::new();
            let mut before = None;
            for c in chunk.chars() {
                if c.is_uppercase() && before.is_some_and(char::is_lowercase) {
                    words.push((std::mem::take(&mut word), number));
                }
                word.extend(c.to_lowercase());
                before = Some(c);
            }
            if !word.is_empty() {
                words.push((word, number));
            }
        }
    }
    words
}

#[test]
fn types_of_one_name_are_found() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "struct Kind; struct A; #[cfg(test)] mod tests { struct B; }"),
        ("src/b.rs", "settings! { pub struct Kind { x: u8 } } mod inner { enum C {} } struct B; type D = A; struct C;"),
    ];
    let found: Vec<_> = clashes(&Source::crate_of(&files)).into_iter().map(|offence| offence.keys.concat()).collect();
    assert_eq!(found, ["C", "Kind"]);
}

#[test]
fn private_words_are_found() {
    let table = words(&[
        "errand | text | a task".to_owned(),
        "let go | text | x".to_owned(),
        "Held | name | \
        Entry"
            .to_owned(),
    ]);
    let found = |text: &str| private_words(&[Source::of("src/a.rs", text)], &table).len();
    assert_eq!(found("//! An errand."), 1);
    assert_eq!(found("struct TheErrand; fn of_errand() {}"), 2);
    assert_eq!(found("fn f() { info!(\"it is let go of\"); }"), 1);
    assert_eq!(found("/// who is let\n/// go\nfn f() {}"), 1);
    assert_eq!(found("struct Held; /// [`Held`]\nfn held() {}"), 1);
    assert_eq!(found("#[cfg(test)]\nmod tests {\n// an errand\n}\nstruct Errands;"), 0);
}
