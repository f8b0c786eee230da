//! Cursor paging: how many rows, from where, and the answer's envelope.

use serde::Serialize;

/// Rows of a page when the caller does not say.
pub const PAGE_DEFAULT: u32 = 25;
/// The most rows a page can have.
pub const PAGE_MAX: u32 = 250;

/// Which page is wanted. The cursor is opaque to callers and is the last row's sort key inside.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// 1 to [`PAGE_MAX`].
    pub limit: u32,
    /// The sort key after which the page starts.
    pub after: Option<Vec<u8>>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: PAGE_DEFAULT, after: None }
    }
}

/// A page of rows.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Whether rows follow.
    pub has_more: bool,
    /// Pass as `cursor` to read on.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Cuts `rows`, which were read with a limit one above the page's, into a page. `key` gives a row's sort key.
    pub fn cut(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> Vec<u8>) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = has_more.then(|| rows.last().map(|row| encode_cursor(&key(row)))).flatten();
        Self { data: rows, has_more, next_cursor }
    }

    /// The same page with other rows.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(convert).collect(),
            has_more: self.has_more,
            next_cursor: self.next_cursor,
        }
    }
}

/// The text form of a sort key.
pub fn encode_cursor(key: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(key)
}

/// The sort key of a text, `None` when it is not one.
pub fn decode_cursor(text: &str) -> Option<Vec<u8>> {
    (text.len() <= 256).then(|| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()).flatten()
}
