//! What the tests share: the repository as text, a browser, a disk whose power can be cut.

pub(crate) mod browser;
mod devtools;
pub(crate) mod powercut;
pub(crate) mod source;
