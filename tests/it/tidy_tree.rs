//! The walls around the tree: folders, sizes, names, first lines, documents that tell the truth, and no machine's paths.

use crate::harness::source::{Source, read, root};
use crate::tidy::{assert_caught, assert_tidy};

/// The only folders at the top. Those that begin with a dot belong to tools.
const FOLDERS: [&str; 8] = ["src", "schema", "assets", "packaging", "systemd", "tests", "benches", ".ci"];

/// Lines that a file may have, and a store, whose texts of SQL are long but flat.
const LINES_MAX: usize = 500;
const STORE_LINES_MAX: usize = 800;

/// Files above their limit with the lines they have today. The list may only shrink: a file that became shorter lowers its
/// number, and no file is added.
const RATCHET: &[(&str, usize)] = &[];

/// Words that say nothing. A file or type that needs one has not found its name yet.
const EMPTY_WORDS: [&str; 8] = ["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"];

/// Documents whose paths are checked.
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "packaging/README.md"];

fn is_ours(folder: &str) -> bool {
    // `target` is what cargo makes of the others.
    folder.starts_with('.') || folder == "target" || FOLDERS.contains(&folder)
}

fn stray_folders(folders: &[String]) -> Vec<String> {
    let strays = folders.iter().filter(|folder| !is_ours(folder));
    strays
        .map(|folder| format!("{folder}:1: no folder of this name stands at the top; there are {}", FOLDERS.join(", ")))
        .collect()
}

fn sizes(files: &[Source], ratchet: &[(&str, usize)]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let is_generated = file.path.ends_with(".d.ts");
        let is_code = [".rs", ".ts", ".tsx", ".mjs", ".css"].iter().any(|end| file.path.ends_with(end));
        if !is_code || is_generated {
            continue;
        }
        let lines = file.text.lines().count();
        let limit = if file.name() == "store.rs" { STORE_LINES_MAX } else { LINES_MAX };
        match ratchet.iter().find(|(path, _)| *path == file.path) {
            Some((_, held)) if lines > *held => {
                found.push(format!("{}:{lines}: grew above its {held} lines; it may only shrink", file.path));
            }
            Some((_, held)) if lines < *held => {
                found.push(format!(
                    "{}:{lines}: shrank; lower its ratchet from {held} to {lines}, or strike it",
                    file.path
                ));
            }
            None if lines > limit => {
                found.push(format!("{}:{lines}: has more than {limit} lines; split it", file.path));
            }
            _ => {}
        }
    }
    let gone = ratchet.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path));
    found.extend(gone.map(|(path, _)| format!("{path}:1: is gone; strike it from the ratchet")));
    found
}

/// `OrderManager` as `order`, `manager`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for sign in name.chars() {
        if !sign.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        if sign.is_uppercase() && words.last().unwrap().ends_with(|c: char| c.is_lowercase()) {
            words.push(String::new());
        }
        words.last_mut().unwrap().push(sign);
    }
    words.iter().map(|word| word.to_lowercase()).collect()
}

fn empty_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    EMPTY_WORDS.into_iter().find(|banned| words.iter().any(|word| word == banned))
}

fn names(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        if let Some(word) = empty_word(&file.path) {
            found.push(format!("{}:1: `{word}` says nothing about what lives here", file.path));
        }
        let code = if file.is_rust() { &file.code } else { continue };
        for (line, number) in code.lines().zip(1..) {
            let mut tokens = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|token| !token.is_empty());
            while let Some(token) = tokens.next() {
                if !matches!(token, "struct" | "enum" | "trait" | "type" | "union" | "mod") {
                    continue;
                }
                if let Some((name, word)) = tokens.next().and_then(|name| Some((name, empty_word(name)?))) {
                    found.push(format!("{}:{number}: `{word}` in `{name}` says nothing about what it is", file.path));
                }
            }
        }
    }
    found
}

fn openings(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        if !file.text.starts_with("//! ") && !file.text.starts_with("#![doc") {
            found.push(format!("{}:1: does not begin with a `//!` that says what lives here", file.path));
        }
        for (line, number) in file.text.lines().zip(1..) {
            let comment = line.split_once("//").map_or("", |(_, comment)| comment);
            for word in ["TODO", "FIXME", "HACK"] {
                if comment.split(|c: char| !c.is_alphanumeric()).any(|found| found == word) {
                    found.push(format!("{}:{number}: `{word}` is a wish; do it or strike it", file.path));
                }
            }
        }
    }
    found
}

/// The paths below our folders that a document names. A pattern counts up to its first open part.
fn paths(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let is_end = |c: char| c.is_whitespace() || "`\"'()[]|;".contains(c);
        for token in line.split(is_end) {
            let token =
                token.trim_start_matches("./").split('#').next().unwrap().trim_end_matches(['.', ',', ':', '!', '?']);
            let Some((first, rest)) = token.split_once('/') else { continue };
            if !FOLDERS.contains(&first) {
                continue;
            }
            // `src/base/id.rs:12` names a line.
            let path = rest.split(':').next().unwrap();
            let closed =
                path.split('/').take_while(|part| !part.contains(['*', '<', '{', '…', '$']) && !part.contains("NNNN"));
            let closed = closed.collect::<Vec<_>>().join("/");
            found.push((number, format!("{first}/{closed}").trim_end_matches('/').to_owned()));
        }
    }
    found
}

fn documents(documents: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for document in documents {
        for (line, path) in paths(&document.text) {
            // What npm fetches is not there before it ran.
            if !path.contains("node_modules") && !exists(&path) {
                found.push(format!("{}:{line}: `{path}` does not exist", document.path));
            }
        }
    }
    found
}

/// Places of the machine that something was written on.
fn machine_paths(files: &[Source]) -> Vec<String> {
    let places = ["work", "root", "tmp", "home"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for file in files {
        for (line, number) in file.text.lines().zip(1..) {
            for place in &places {
                for (at, _) in line.match_indices(place.as_str()) {
                    let before = line[..at].chars().next_back().unwrap_or(' ');
                    let goes_on = before.is_alphanumeric() || "_-.$})]>*~/:".contains(before);
                    if !goes_on {
                        found.push(format!("{}:{number}: `{place}` is a place of one machine", file.path));
                    }
                }
            }
        }
    }
    found
}

fn top() -> Vec<String> {
    let entries = std::fs::read_dir(root()).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn only_our_folders_stand_at_the_top() {
    assert_tidy(&stray_folders(&top()));
    assert_caught(&stray_folders(&["src".to_owned(), ".git".to_owned(), "scripts".to_owned()]), "scripts:1");
}

#[test]
fn files_keep_to_their_size() {
    assert_tidy(&sizes(&read(&["src", "tests", "benches", "assets"]), RATCHET));
}

#[test]
fn a_file_that_outgrows_its_limit_is_caught() {
    let file = |path: &str, lines: usize| [Source::new(path, &"x\n".repeat(lines))];
    assert_caught(&sizes(&file("src/base/id.rs", 501), &[]), "has more than 500 lines");
    assert_tidy(&sizes(&file("src/domain/orders/store.rs", 800), &[]));
    assert_caught(&sizes(&file("src/domain/orders/store.rs", 801), &[]), "has more than 800 lines");
    assert_caught(&sizes(&file("src/base/id.rs", 601), &[("src/base/id.rs", 600)]), "may only shrink");
    assert_caught(&sizes(&file("src/base/id.rs", 599), &[("src/base/id.rs", 600)]), "lower its ratchet");
    assert_caught(&sizes(&[], &[("src/base/id.rs", 600)]), "strike it");
}

#[test]
fn names_say_something() {
    assert_tidy(&names(&read(&["src", "schema", "assets", "packaging", "tests", "benches"])));
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    assert_caught(&names(&[Source::new("src/base/utils.rs", "")]), "`utils` says nothing");
    assert_caught(&names(&[Source::new("assets/admin/common/list.ts", "")]), "`common` says nothing");
    assert_caught(
        &names(&[Source::new("src/base/id.rs", "\npub struct OrderManager;")]),
        "src/base/id.rs:2: `manager` in `OrderManager`",
    );
    assert_tidy(&names(&[Source::new("src/base/id.rs", "// struct Helper\nstruct Futility;")]));
}

#[test]
fn a_file_says_first_what_lives_in_it_and_holds_no_wishes() {
    assert_tidy(&openings(&read(&["src", "tests", "benches"])));
}

#[test]
fn a_file_without_opening_or_with_a_wish_is_caught() {
    assert_caught(&openings(&[Source::new("src/base/id.rs", "use std::fmt;")]), "does not begin");
    let wish = format!("//! Ids.\n// {}: more ids", "todo".to_uppercase());
    assert_caught(&openings(&[Source::new("src/base/id.rs", &wish)]), "src/base/id.rs:2");
}

#[test]
fn documents_name_paths_that_exist() {
    assert_tidy(&documents(&read(&DOCUMENTS), |path| root().join(path).exists()));
}

#[test]
fn a_document_that_names_a_missing_path_is_caught() {
    let document =
        "See `src/base/` and `src/base/id.rs:12`, [it](tests/it/gone.rs#a), `schema/*/x` or src/base/{id,money}.rs.";
    let exists = |path: &str| matches!(path, "src/base" | "src/base/id.rs" | "schema");
    assert_caught(
        &documents(&[Source::new("README.md", document)], exists),
        "README.md:1: `tests/it/gone.rs` does not exist",
    );
}

#[test]
fn nothing_names_a_place_of_one_machine() {
    let mut files =
        read(&["src", "schema", "assets", "packaging", "systemd", "benches", ".ci", "CHANGELOG.md", "Cargo.toml"]);
    files.extend(read(&DOCUMENTS));
    assert_tidy(&machine_paths(&files));
}

#[test]
fn a_place_of_one_machine_is_caught() {
    let place = format!("see `/{}/notes.md`", "work");
    assert_caught(&machine_paths(&[Source::new("README.md", &place)]), "README.md:1");
    assert_tidy(&machine_paths(&[Source::new("README.md", "GET https://a.b/work/x, $root/tmp/x, src/work/y")]));
}
