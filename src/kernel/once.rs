//! Idempotency keys: one effect and one answer per key, in the effect's own transaction (D5, D6).

use crate::base::error::{Fault, Kind};
use crate::base::id::TenantId;
use crate::infra::vault::sha256;
use crate::kernel::actor::Actor;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Longest key, its quotation marks included.
pub const KEY_MAX: usize = 255;
/// How long answers are kept at least.
pub const KEPT: Duration = Duration::from_hours(48);

/// An answer as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// `Location`, `ETag` and the like.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Bytes,
    /// What is kept under the key in place of `body`, for answers that show a secret once (D6).
    pub recorded: Option<Bytes>,
    /// Whether it was recorded by an earlier request.
    pub is_replay: bool,
}

impl Reply {
    /// An answer that shows a secret: a replay gives `recorded` instead, in which the secret is masked (D6).
    #[must_use]
    pub fn recorded_as(mut self, recorded: Bytes) -> Self {
        self.recorded = Some(recorded);
        self
    }
}

/// A key in its scope, with the fingerprint of the request it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Half a SHA-256 over caller, method, path and key. The tenant is the file.
    pub scope: [u8; 16],
    /// Half a SHA-256 over the body.
    pub fingerprint: [u8; 16],
}

impl Key {
    /// The key of a request.
    pub fn new(actor: Actor, method: &str, path: &str, key: &str, body: &[u8]) -> Self {
        let scope = sha256(&[
            &[actor.kind_number()],
            &actor.id_bytes(),
            method.as_bytes(),
            &[0],
            path.as_bytes(),
            &[0],
            key.as_bytes(),
        ]);
        Self { scope: half(&scope), fingerprint: half(&sha256(&[body])) }
    }
}

fn half(hash: &[u8; 32]) -> [u8; 16] {
    hash.first_chunk().copied().unwrap_or([0; 16])
}

/// Reads the header's value: bare, or a quoted string as the IETF draft writes it.
pub fn parse_header(value: &str) -> Result<&str, Fault> {
    let value = value.trim();
    let bare = match value.strip_prefix('"') {
        // What begins with a quotation mark must be a whole quoted string.
        Some(rest) => rest.strip_suffix('"').unwrap_or_default(),
        None => value,
    };
    let fits = !bare.is_empty() && value.len() <= KEY_MAX && bare.bytes().all(|b| (0x20..0x7f).contains(&b));
    if fits {
        return Ok(bare);
    }
    Err(Fault::field(
        crate::base::error::Place::Header("Idempotency-Key"),
        "invalid_idempotency_key",
        format!("The Idempotency-Key must have 1 to {KEY_MAX} printable ASCII characters."),
    ))
}

/// Whether an outcome of this kind is recorded and replayed: refusals of the domain are, what depends on the moment is not.
pub const fn is_recorded(kind: Kind) -> bool {
    matches!(kind, Kind::Missing | Kind::Conflict | Kind::Refused)
}

/// Keys whose first request is still running.
#[derive(Default, Clone)]
pub struct Running(Arc<Mutex<HashSet<RunningKey>>>);

/// A store and the scope of a key.
type RunningKey = (TenantId, [u8; 16]);

/// Frees its key when the request ends, however it ends.
pub struct RunningGuard {
    running: Running,
    key: RunningKey,
}

impl Running {
    /// Marks a key as running, or says that it is.
    pub fn enter(&self, tenant: TenantId, key: &Key) -> Result<RunningGuard, Fault> {
        let entry = (tenant, key.scope);
        if self.0.lock().insert(entry) {
            return Ok(RunningGuard { running: self.clone(), key: entry });
        }
        let fault = Fault::new(
            Kind::Conflict,
            "request_in_progress",
            "A request with this Idempotency-Key is still running. Repeat it in a moment.",
        );
        Err(fault.retry_in(Duration::from_secs(1)))
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.key);
    }
}

/// The same key came with another body.
pub fn reused() -> Fault {
    Fault::new(
        Kind::Refused,
        "idempotency_key_reused",
        "This Idempotency-Key was used with another request body. Use a new key for a new request.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D6: what is taken is what the API's description says.
    #[test]
    fn a_key_is_bare_or_a_whole_quoted_string() {
        for (header, key) in [("k-1", "k-1"), ("\"k 1\"", "k 1"), (" k ", "k"), ("a\"b", "a\"b")] {
            assert_eq!(parse_header(header).unwrap(), key, "{header}");
        }
        let longest = "x".repeat(KEY_MAX);
        assert!(parse_header(&longest).is_ok());
        for header in
            ["", " ", "\"", "\"\"", "\"open", "caf\u{e9}", "a\u{1}", &format!("{longest}x"), &format!("\"{longest}\"")]
        {
            assert!(parse_header(header).is_err(), "{header:?}");
        }
    }
}
