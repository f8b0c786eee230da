//! Bundles the admin pages and writes the table of embedded files, when the feature `ui` is on.
//!
//! Everything happens in a copy under `OUT_DIR`, so that a build never writes into the source. Third-party code comes from npm by the lock
//! file and is installed again only when that file changed; with a filled npm cache no network is needed.
#![expect(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a build script has nobody to return an error to: its message is what the user reads"
)]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

/// What is copied from `assets/`, and what a change of starts a new build.
const SOURCES: [&str; 6] = [".npmrc", "admin", "build.mjs", "package-lock.json", "package.json", "tsconfig.json"];
/// The oldest Node that the bundler runs on.
const OLDEST_NODE: u32 = 20;
const WAY_OUT: &str =
    "Install Node 20 or newer with npm, or build with `--no-default-features`: that leaves the admin pages out.";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    if env::var_os("CARGO_FEATURE_UI").is_none() {
        return;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed=assets/{source}");
    }
    require_node();

    let work = out.join("ui");
    fs::create_dir_all(&work).expect("OUT_DIR can be written");
    for source in SOURCES {
        mirror(&root.join("assets").join(source), &work.join(source));
    }
    install(&work);
    let dist = out.join("ui-dist");
    bundle(&work, &dist);
    write_table(&out, &dist.join("admin"));
}

/// Stops with a sentence that says what is missing and how to go on without it.
fn require_node() {
    let version = Command::new("node").arg("--version").output().ok().filter(|it| it.status.success());
    let Some(version) = version else {
        stop(&format!("The admin pages are bundled by Node, and `node` is not on the PATH. {WAY_OUT}"))
    };
    let text = String::from_utf8_lossy(&version.stdout);
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|it| it.parse::<u32>().ok());
    if major.is_none_or(|it| it < OLDEST_NODE) {
        stop(&format!(
            "The admin pages need Node {OLDEST_NODE} or newer to be bundled, and `node` is {}. {WAY_OUT}",
            text.trim()
        ));
    }
    if !Command::new(npm()).arg("--version").output().is_ok_and(|it| it.status.success()) {
        stop(&format!("The admin pages are built from npm packages, and `npm` is not on the PATH. {WAY_OUT}"));
    }
}

/// `npm` is a script on Windows, and has to be named as one there.
fn npm() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

/// Says the sentence without the noise of a panic.
fn stop(sentence: &str) -> ! {
    eprintln!("\n{sentence}\n");
    std::process::exit(1)
}

/// Makes `to` what `from` is: a file, or a folder with nothing more in it.
fn mirror(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap_or_else(|fault| panic!("{} cannot be copied: {fault}", from.display()));
        return;
    }
    if to.exists() {
        fs::remove_dir_all(to).expect("the copy of the last build can be removed");
    }
    fs::create_dir_all(to).expect("OUT_DIR can be written");
    let entries = fs::read_dir(from).unwrap_or_else(|fault| panic!("{} cannot be read: {fault}", from.display()));
    for entry in entries {
        let entry = entry.expect("a folder of the source can be listed");
        mirror(&entry.path(), &to.join(entry.file_name()));
    }
}

/// `npm ci`, only when the lock file is not the one that was installed last.
fn install(work: &Path) {
    let lock = fs::read(work.join("package-lock.json")).expect("assets/package-lock.json is there");
    let wanted = hex(&lock);
    let stamp = work.join(".installed");
    if work.join("node_modules").is_dir() && fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) {
        return;
    }
    let mut npm = Command::new(npm());
    // Install scripts of packages are not run: none of ours needs one, and a build is no place for surprises.
    npm.current_dir(work).args(["ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]);
    // Type checker and accessibility engine serve the tests, which a release does not run.
    if env::var("PROFILE").is_ok_and(|it| it == "release") {
        npm.arg("--omit=dev");
    }
    run(&mut npm, "npm ci");
    fs::write(&stamp, wanted).expect("OUT_DIR can be written");
}

fn bundle(work: &Path, dist: &Path) {
    let mut node = Command::new("node");
    node.current_dir(work).arg("build.mjs").arg("--out").arg(dist);
    run(&mut node, "the bundler");
}

fn run(command: &mut Command, what: &str) {
    let output =
        command.output().unwrap_or_else(|fault| stop(&format!("{what} cannot be started: {fault}. {WAY_OUT}")));
    if !output.status.success() {
        let said = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
        stop(&format!("{what} failed:\n{}\n{WAY_OUT}", said.trim()));
    }
}

/// Compresses each file once, here, and names both forms in `ui_assets.rs`.
fn write_table(out: &Path, dist: &Path) {
    let packed = out.join("ui-gzip");
    fs::create_dir_all(&packed).expect("OUT_DIR can be written");
    let mut names: Vec<String> = fs::read_dir(dist)
        .expect("the bundler wrote its folder")
        .map(|it| {
            it.expect("the bundle can be listed").file_name().into_string().expect("names of the bundle are ASCII")
        })
        .collect();
    names.sort();
    let mut table = String::from("/// Path, content type, SHA-256 in hex, the bytes, the same in gzip.\n");
    table.push_str("pub(super) static ASSETS: &[Packed] = &[\n");
    for name in &names {
        let raw = fs::read(dist.join(name)).expect("a file of the bundle can be read");
        // No name and no time in the header: the same source gives the same bytes.
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        gzip.write_all(&raw).expect("memory can be written");
        let gzip = gzip.finish().expect("memory can be written");
        fs::write(packed.join(name), gzip).expect("OUT_DIR can be written");
        let (path, kind, etag) = (format!("/admin/{name}"), content_type(name), hex(&raw));
        let quoted = |path: PathBuf| format!("{:?}", path.to_str().expect("OUT_DIR is UTF-8"));
        let (raw, gzip) = (quoted(dist.join(name)), quoted(packed.join(name)));
        writeln!(table, "    ({path:?}, {kind:?}, {etag:?}, include_bytes!({raw}), include_bytes!({gzip})),")
            .expect("memory can be written");
    }
    table.push_str("];\n");
    fs::write(out.join("ui_assets.rs"), table).expect("OUT_DIR can be written");
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => panic!("{name}: the bundle holds a kind of file whose content type is not known here"),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("memory can be written");
        out
    })
}
