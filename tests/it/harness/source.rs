//! Reads the repository the way the tidy rules look at it: files with their code, texts and `crate::` paths kept apart.

use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// For Rust: the same length and lines, with comments and texts blanked out.
    pub(crate) code: String,
    /// For Rust: the string literals with the line on which they begin.
    pub(crate) literals: Vec<(usize, String)>,
}

/// A path in code that begins at the crate's root.
pub(crate) struct CratePath {
    /// Counted from 1.
    pub(crate) line: usize,
    /// The names behind `crate::`.
    pub(crate) names: Vec<String>,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folders`, sorted, without what `git` ignores by our own ignore file.
pub(crate) fn read(folders: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut files);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(at: &Path, files: &mut Vec<Source>) {
    if at.is_file() {
        // What is not text (icons, fonts) has no rules here.
        if let Ok(text) = std::fs::read_to_string(at) {
            let path = at.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            files.push(Source::new(&path, &text));
        }
        return;
    }
    if at.ends_with("node_modules") {
        return;
    }
    for entry in std::fs::read_dir(at).into_iter().flatten() {
        walk(&entry.unwrap().path(), files);
    }
}

impl Source {
    /// A file with this content, also one that does not exist: the rules' control tests are made so.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let is_rust = path.rsplit('.').next() == Some("rs");
        let (code, literals) = if is_rust { split(text) } else { (String::new(), Vec::new()) };
        Self { path: path.to_owned(), text: text.to_owned(), code, literals }
    }

    /// Whether this is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.rsplit('.').next() == Some("rs")
    }

    /// The file's name without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    /// The line on which the unit tests begin, or one behind the last. A `tests.rs` is nothing else.
    pub(crate) fn tests_from(&self) -> usize {
        if self.name() == "tests.rs" {
            return 1;
        }
        let lines: Vec<&str> = self.code.lines().collect();
        lines
            .windows(2)
            .position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].trim().starts_with("mod "))
            .map_or(lines.len() + 1, |index| index + 1)
    }

    /// The lines of code that are part of the product, counted from 1.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().zip(1..).map(|(line, number)| (number, line)).take(self.tests_from() - 1)
    }

    /// The texts that are part of the product.
    pub(crate) fn product_literals(&self) -> impl Iterator<Item = &(usize, String)> {
        let end = self.tests_from();
        self.literals.iter().filter(move |(line, _)| *line < end)
    }

    /// Every path from the crate's root, `use` groups written out and `super::` resolved.
    pub(crate) fn crate_paths(&self) -> Vec<CratePath> {
        let tokens = tokens(&self.code);
        let tests = self.tests_from();
        let mut found = Vec::new();
        for (at, (line, token)) in tokens.iter().enumerate() {
            let starts = at == 0 || tokens[at - 1].1 != "::";
            if !starts || tokens.get(at + 1).is_none_or(|next| next.1 != "::") {
                continue;
            }
            if token == "crate" {
                branch(&tokens, at + 2, &mut Vec::new(), &mut found);
            } else if token == "super" {
                let mut home = self.module();
                if *line >= tests && self.name() != "tests.rs" {
                    home.push("tests".to_owned());
                }
                let mut next = at;
                while tokens.get(next).is_some_and(|t| t.1 == "super") {
                    home.pop();
                    next += 2;
                }
                branch(&tokens, next, &mut home, &mut found);
            }
        }
        found
    }

    /// The names of this file's module below the crate's root.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        inside.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main")).map(str::to_owned).collect()
    }
}

/// Names, `::` and single signs, each with its line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (line, number) in code.lines().zip(1..) {
        let mut in_word = false;
        let mut after_colon = false;
        for sign in line.chars() {
            let is_word = sign.is_alphanumeric() || sign == '_';
            if is_word && in_word || sign == ':' && after_colon {
                words.last_mut().unwrap().1.push(sign);
            } else if !sign.is_whitespace() {
                words.push((number, sign.to_string()));
            }
            in_word = is_word;
            after_colon = sign == ':' && !after_colon;
        }
    }
    words
}

/// Follows a path, or a group of them, from `at`. Returns where it ends.
fn branch(tokens: &[(usize, String)], at: usize, prefix: &mut Vec<String>, found: &mut Vec<CratePath>) -> usize {
    let depth = prefix.len();
    let mut at = at;
    let mut line = tokens.get(at).map_or(0, |token| token.0);
    while let Some((number, token)) = tokens.get(at) {
        line = *number;
        if token == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|t| t.1 != "}") {
                at = branch(tokens, at, prefix, found);
                if tokens.get(at).is_some_and(|t| t.1 == ",") {
                    at += 1;
                }
            }
            prefix.truncate(depth);
            return at + 1;
        }
        if token.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            prefix.push(token.clone());
        }
        at += 1;
        if tokens.get(at).is_none_or(|t| t.1 != "::") {
            break;
        }
        at += 1;
    }
    found.push(CratePath { line, names: prefix.clone() });
    prefix.truncate(depth);
    if tokens.get(at).is_some_and(|t| t.1 == "as") {
        at += 2;
    }
    at
}

/// Splits Rust into code and string literals.
fn split(text: &str) -> (String, Vec<(usize, String)>) {
    let signs: Vec<char> = text.chars().collect();
    let mut splitter = Splitter { signs: &signs, at: 0, line: 1, code: String::new(), literals: Vec::new() };
    while splitter.at < signs.len() {
        splitter.step();
    }
    (splitter.code, splitter.literals)
}

struct Splitter<'a> {
    signs: &'a [char],
    at: usize,
    line: usize,
    code: String,
    literals: Vec<(usize, String)>,
}

impl Splitter<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.signs.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Takes one sign and leaves a blank in the code.
    fn blank(&mut self) -> char {
        let sign = self.peek(0);
        self.at += 1;
        if sign == '\n' {
            self.line += 1;
            self.code.push('\n');
        } else {
            self.code.push(' ');
        }
        sign
    }

    fn step(&mut self) {
        let before = self.at.checked_sub(1).map_or(' ', |at| self.signs[at]);
        let in_word = before.is_alphanumeric() || before == '_';
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while self.at < self.signs.len() && self.peek(0) != '\n' {
                    self.blank();
                }
            }
            ('/', '*') => self.comment(),
            ('"', _) => self.plain(),
            ('b' | 'c', '"') if !in_word => {
                self.blank();
                self.plain();
            }
            ('r', '"' | '#') if !in_word => self.raw(0),
            ('b' | 'c', 'r') if !in_word && matches!(self.peek(2), '"' | '#') => self.raw(1),
            ('\'', '\\') => {
                self.blank();
                self.blank();
                self.blank();
                while self.at < self.signs.len() && self.blank() != '\'' {}
            }
            // A character; otherwise it is a lifetime.
            ('\'', _) if self.peek(2) == '\'' => {
                self.blank();
                self.blank();
                self.blank();
            }
            (sign, _) => {
                self.line += usize::from(sign == '\n');
                self.code.push(sign);
                self.at += 1;
            }
        }
    }

    fn comment(&mut self) {
        let mut depth = 0_u32;
        while self.at < self.signs.len() {
            let pair = (self.peek(0), self.peek(1));
            self.blank();
            match pair {
                ('/', '*') => {
                    self.blank();
                    depth += 1;
                }
                ('*', '/') => {
                    self.blank();
                    depth -= 1;
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn plain(&mut self) {
        let line = self.line;
        let mut literal = String::new();
        self.blank();
        while self.at < self.signs.len() {
            match self.blank() {
                '"' => break,
                '\\' => match self.blank() {
                    '\n' => literal.push(' '),
                    'n' => literal.push('\n'),
                    escaped => literal.push(escaped),
                },
                sign => literal.push(sign),
            }
        }
        self.literals.push((line, literal));
    }

    fn raw(&mut self, prefix: usize) {
        let hashes = self.signs[self.at + prefix + 1..].iter().take_while(|sign| **sign == '#').count();
        if self.peek(prefix + 1 + hashes) != '"' {
            // A raw name such as r#type.
            self.code.push(self.peek(0));
            self.at += 1;
            return;
        }
        let line = self.line;
        for _ in 0..prefix + hashes + 2 {
            self.blank();
        }
        let mut literal = String::new();
        while self.at < self.signs.len() {
            let ends = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if ends {
                for _ in 0..=hashes {
                    self.blank();
                }
                break;
            }
            literal.push(self.blank());
        }
        self.literals.push((line, literal));
    }
}

mod tests {
    use super::*;

    #[test]
    fn code_texts_and_comments_are_told_apart() {
        let file = Source::new(
            "src/base/x.rs",
            "let a = \"one \\\"two\\\"\"; // \"not a text\"\nlet b = r#\"three \"four\" \"#; /* a /* nested */ \" */\nlet c: &'static str = b\"five\"; let d = '\"'; let e = r#type;",
        );
        let texts: Vec<&str> = file.literals.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["one \"two\"", "three \"four\" ", "five"]);
        assert_eq!(file.literals[1].0, 2);
        assert!(file.code.contains("let e = r#type;"));
        assert!(!file.code.contains("nested") && !file.code.contains("not a text"));
    }

    #[test]
    fn grouped_and_relative_paths_are_written_out() {
        let text =
            "use crate::{base::{id::OrderId, money}, infra::db as files};\nfn f() { super::super::catalog::x(); }";
        let file = Source::new("src/domain/orders/http.rs", text);
        let paths: Vec<String> = file.crate_paths().iter().map(|path| path.names.join("::")).collect();
        assert_eq!(paths, ["base::id::OrderId", "base::money", "infra::db", "domain::catalog::x"]);
    }
}
