//! Secrets: the box key and the tenant keys it wraps, sealed columns, signatures and password hashes (D21).

use crate::base::id::Entropy;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use std::path::Path;
use std::sync::Arc;

/// Length of a key.
pub const KEY_LEN: usize = 32;

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The bytes were altered, or were sealed with another key.
    #[error("a sealed value cannot be opened: it was altered, or belongs to another key")]
    Sealed,
    /// The key file cannot be used.
    #[error("the box key {path} cannot be used: {reason}")]
    KeyFile {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A password cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Password(String),
}

/// The system's source of random bytes.
#[derive(Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for random bytes")]
    fn fill(&self, out: &mut [u8]) {
        let source = SystemRandom::new();
        // getrandom fails only before the pool is seeded at boot; then waiting is all there is to do.
        while source.fill(out).is_err() {
            std::thread::yield_now();
        }
    }
}

/// A key that seals values. Sealed form: nonce, then ciphertext and tag.
#[derive(Clone)]
pub struct SealKey {
    key: Arc<LessSafeKey>,
    entropy: Arc<dyn Entropy>,
}

impl SealKey {
    /// From 32 bytes.
    pub fn new(bytes: &[u8; KEY_LEN], entropy: Arc<dyn Entropy>) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_unspecified| VaultError::Sealed)?;
        Ok(Self { key: Arc::new(LessSafeKey::new(key)), entropy })
    }

    /// Seals `plain`. `context` must be the same when it is opened: it ties the value to its row.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_unspecified| VaultError::Sealed)?;
        let mut out = nonce.to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    /// Opens what `seal` made.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(VaultError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| VaultError::Sealed)?;
        let mut body = body.to_vec();
        let plain =
            self.key.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_unspecified| VaultError::Sealed)?;
        Ok(plain.to_vec())
    }
}

/// Reads the box key, or makes it (0600) when `create` is set and there is none.
pub fn box_key(path: &Path, create: bool, entropy: &Arc<dyn Entropy>) -> Result<SealKey, VaultError> {
    let broken = |reason: String| VaultError::KeyFile { path: path.display().to_string(), reason };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => {
            let mut fresh = vec![0_u8; KEY_LEN];
            entropy.fill(&mut fresh);
            write_private(path, &fresh).map_err(|error| broken(error.to_string()))?;
            fresh
        }
        Err(error) => return Err(broken(error.to_string())),
    };
    let bytes: [u8; KEY_LEN] = bytes
        .try_into()
        .map_err(|other: Vec<u8>| broken(format!("it has {} bytes instead of {KEY_LEN}", other.len())))?;
    SealKey::new(&bytes, Arc::clone(entropy))
}

/// Writes a file that only its owner can read, and makes it durable.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// SHA-256.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().unwrap_or([0; 32])
}

/// Whether `tag` is the HMAC-SHA256 of `body` under `key`, in constant time.
pub fn hmac_matches(key: &[u8], body: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), body, tag).is_ok()
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], body: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), body).as_ref().to_vec()
}

/// Whether two texts of secrets are equal, in constant time.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}

/// Argon2id with 19 MiB and two passes, the first choice of OWASP's password storage sheet.
fn argon() -> Result<Argon2<'static>, VaultError> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| VaultError::Password(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes a password. Takes some 15 ms and 19 MiB: for the blocking pool.
pub fn hash_password(password: &str, entropy: &dyn Entropy) -> Result<String, VaultError> {
    let mut salt = [0_u8; 16];
    entropy.fill(&mut salt);
    let salt = SaltString::encode_b64(&salt).map_err(|error| VaultError::Password(error.to_string()))?;
    let hash = argon()?.hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| VaultError::Password(error.to_string()))
}

/// Whether a password fits a hash. Takes as long as hashing, whatever the answer.
pub fn password_fits(password: &str, hash: &str) -> bool {
    let (Ok(hash), Ok(argon)) = (PasswordHash::new(hash), argon()) else { return false };
    argon.verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_context() {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let key = SealKey::new(&[7; KEY_LEN], Arc::clone(&entropy)).unwrap();
        let sealed = key.seal(b"row 1", b"secret").unwrap();
        assert_eq!(key.open(b"row 1", &sealed).unwrap(), b"secret");
        assert!(key.open(b"row 2", &sealed).is_err());
        let mut altered = sealed.clone();
        altered[NONCE_LEN] ^= 1;
        assert!(key.open(b"row 1", &altered).is_err());
        let other = SealKey::new(&[8; KEY_LEN], entropy).unwrap();
        assert!(other.open(b"row 1", &sealed).is_err());
        assert!(key.open(b"row 1", b"short").is_err());
    }

    #[test]
    fn the_box_key_is_made_once_and_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.key");
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        assert!(box_key(&path, false, &entropy).is_err());
        let sealed = box_key(&path, true, &entropy).unwrap().seal(b"", b"x").unwrap();
        assert_eq!(box_key(&path, false, &entropy).unwrap().open(b"", &sealed).unwrap(), b"x");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = hash_password("correct horse", &SystemEntropy).unwrap();
        assert!(password_fits("correct horse", &hash));
        assert!(!password_fits("wrong horse", &hash));
        assert!(!password_fits("correct horse", "not a hash"));
    }
}
