//! What a reader can hold in mind: the lengths of files, functions, lines and headers.

use super::offence::Offence;
use super::source::Source;

const FILE_LINES: usize = 450;
const FUNCTION_LINES: usize = 70;
const WIDTH: usize = 120;
const HEADER_LINES: usize = 15;

/// Files that are longer than a sitting: of `src` before their tests, of tests and benches as a whole.
pub fn files(sources: &[Source]) -> Vec<Offence> {
    let too_long = sources.iter().filter_map(|source| {
        let lines =
            if source.is_in("src") && !source.is_test { source.code().count() } else { source.text.lines().count() };
        let text = format!("{lines} lines, at most {FILE_LINES}: divide it by what its parts do");
        (lines > FILE_LINES).then(|| Offence::of_file(&source.path, lines, text))
    });
    too_long.collect()
}

/// Functions that are longer than a screen.
pub fn functions(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources {
        for function in source.facts.functions.iter().filter(|function| function.lines > FUNCTION_LINES) {
            let (name, lines) = (&function.name, function.lines);
            offences.push(Offence {
                file: source.path.clone(),
                line: function.line,
                keys: vec![format!("{} {name}", source.path)],
                text: format!(
                    "`{name}` has {lines} lines, at most {FUNCTION_LINES}: give its parts names of their \
                    own"
                ),
            });
        }
    }
    offences
}

/// Lines that are wider than the page, in code as in comments and texts; raw strings are data.
pub fn widths(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for source in sources {
        for (line, number) in source.text.lines().zip(1..) {
            let width = line.chars().count();
            if width > WIDTH && !source.facts.raw.contains(&number) {
                let text = format!("{width} characters, at most {WIDTH}: break the line");
                offences.push(Offence::of_file(&source.path, number, text));
            }
        }
    }
    offences
}

/// Files that don't say what they are, or take too long about it. `lib.rs` is a map: as long as there are modules.
pub fn headers(sources: &[Source]) -> Vec<Offence> {
    let judged = sources.iter().filter_map(|source| {
        let lines = source.header().len();
        let text = match lines {
            0 => "no header: say in `//!` what it is, what it must not know, and what may break it".to_owned(),
            lines => format!("a header of {lines} lines, at most {HEADER_LINES}: leave what a document says better"),
        };
        let is_map = source.path == "src/lib.rs";
        (lines == 0 || lines > HEADER_LINES && !is_map).then(|| Offence::of_file(&source.path, 1, text))
    });
    judged.collect()
}

#[test]
fn what_is_too_long_is_found() {
    let body = "    call();\n".repeat(FUNCTION_LINES);
    let text = format!("//! It.\nimpl A {{\nfn long() {{\n{body}}}\n}}\nfn short() {{}}\n");
    let long = Source::of("src/a.rs", &text);
    let found = functions(&[long]);
    assert_eq!((found.len(), found[0].line, &*found[0].keys[0]), (1, 3, "src/a.rs long"));

    let header = "//! It.\n";
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a test\n".repeat(FILE_LINES));
    let code = "// code\n".repeat(FILE_LINES - 1);
    assert_eq!(files(&[Source::of("src/a.rs", &format!("{header}{code}{tests}"))]), []);
    let between = format!("{header}#[cfg(test)]\nfn f() {{}}\n{code}{tests}");
    assert_eq!(files(&[Source::of("src/a.rs", &between)]).len(), 1, "an item for tests exempts nothing behind it");
    assert_eq!(files(&[Source::of("tests/a.rs", &format!("{header}{code}{tests}"))]).len(), 1);

    let wide = |width: usize| widths(&[Source::of("src/a.rs", &format!("/// {}\nfn f() {{}}", "é".repeat(width - 4)))]);
    assert_eq!((wide(WIDTH).len(), wide(WIDTH + 1).len()), (0, 1));
    let data = format!("const A: &str = r#\"{}\"#;", "x".repeat(WIDTH));
    assert_eq!(widths(&[Source::of("src/a.rs", &data)]), []);

    let headed = |lines: usize| headers(&[Source::of("src/a.rs", &header.repeat(lines))]).len();
    assert_eq!([0, 1, HEADER_LINES, HEADER_LINES + 1].map(headed), [1, 0, 0, 1]);
}
