//! What the tests share: the repository as text, a browser, a disk whose power can be cut, a store that feeds Google, the real process
//! with a load from outside and a look at what it left.

pub(crate) mod browser;
mod devtools;
pub(crate) mod endurance;
pub(crate) mod evidence;
pub(crate) mod feeds;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod powercut;
pub(crate) mod process;
pub(crate) mod shop;
pub(crate) mod source;

use std::io::Write;

/// Says why a test proves nothing here. Written past the test runner, which hides what a passing test prints.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()).unwrap();
}
