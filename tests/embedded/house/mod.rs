//! The rules of the house that a compiler does not check. Each says file, line, rule, and what to do.
//!
//! A rule that is not yet kept everywhere has its exceptions in `exceptions/`, a line each. They may only become fewer:
//! one that is not needed any more is an error, too. Each rule has a test in its file that shows it bad code.

mod circles;
mod copies;
mod edits;
mod facts;
mod manners;
mod names;
mod offence;
mod paths;
mod pure;
mod sizes;
mod source;

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use offence::{judge, lines};
use source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(source::all);

fn check(rule: &str, find: fn(&[Source]) -> Vec<offence::Offence>) {
    assert!(SOURCES.len() > 200, "only {} files were seen", SOURCES.len());
    judge(rule, &find(&SOURCES));
}

#[test]
fn the_pure_half_knows_no_world() {
    assert_eq!(pure::missing(&SOURCES), [""; 0], "modules of the list in pure.rs that have moved: follow them");
    check("pure", pure::half);
}

#[test]
fn what_calls_itself_pure_is_pure() {
    assert!(pure::claims(&SOURCES).len() >= 6, "hardly a file calls itself pure any more");
    check("claims", pure::claimed);
}

#[test]
fn the_embedded_log_keeps_no_time() {
    check("timeless", pure::timeless);
}

#[test]
fn rdkafka_lives_in_one_folder() {
    check("client", pure::client);
}

#[test]
fn unsafe_lives_in_one_place() {
    check("unsafe", manners::unsafe_code);
}

#[test]
fn every_client_is_made_with_a_context_that_hides_its_properties() {
    check("talkative", manners::talkative_clients);
}

#[test]
fn what_is_shared_is_shared_by_name() {
    check("shared", manners::shared_code);
}

#[test]
fn every_law_is_held_on_every_broker() {
    check("laws", manners::unlisted_laws);
}

#[test]
fn a_file_can_be_held_in_mind() {
    check("files", sizes::files);
}

#[test]
fn a_function_fits_a_screen() {
    check("functions", sizes::functions);
}

#[test]
fn a_line_fits_the_page() {
    check("widths", sizes::widths);
}

#[test]
fn every_module_says_what_it_is() {
    check("headers", sizes::headers);
}

#[test]
fn no_file_imports_itself_over_others() {
    check("circles", circles::of_files);
}

#[test]
fn no_module_imports_itself_over_others() {
    check("modules", circles::of_modules);
}

#[test]
fn a_module_knows_those_that_it_may() {
    let listed = lines("tests/embedded/house/floors.txt");
    judge("floors", &circles::floors(&SOURCES, &listed));
}

#[test]
fn types_are_called_apart() {
    check("clashes", names::clashes);
}

#[test]
fn private_words_do_not_come_back() {
    let words = names::words(&lines("tests/embedded/house/words.txt"));
    judge("words", &names::private_words(&SOURCES, &words));
}

#[test]
fn the_scripts_are_sound() {
    for script in ["test", "demo", "mutate", "instructions", ".ci/run"] {
        let checked = Command::new("bash").arg("-n").arg(root().join(script)).status().unwrap();
        assert!(checked.success(), "{script} is no bash");
    }
}
