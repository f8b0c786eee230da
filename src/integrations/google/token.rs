//! Access tokens for a service account: a signed assertion (RFC 7523) is exchanged for a token, which is kept until shortly before it ends.

use super::errors::transport_error;
use crate::base::clock::{Clock, Timestamp};
use crate::base::text::cut;
use crate::domain::feeds::port::PushError;
use crate::infra::egress::{Answer, Call, Egress, Endpoint, Trace};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::Method;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The only scope of the Merchant API.
pub const SCOPE: &str = "https://www.googleapis.com/auth/content";
/// The grant of RFC 7523.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion is valid; an hour is the most.
const ASSERTION_LIFE_S: i64 = 3_600;
/// A token is renewed this long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(225);
const FORM_START: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// Why a key file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not the JSON of a service account.
    #[error("The file is not a service account key of Google ({0})")]
    Format(String),
    /// The private key in it is not a PKCS#8 RSA key.
    #[error("The private key in the file cannot be read")]
    Key,
}

#[derive(Deserialize)]
struct KeyFile {
    private_key_id: String,
    private_key: String,
    client_email: String,
    token_uri: String,
}

/// A service account that can sign.
#[derive(Clone)]
pub struct ServiceAccount {
    /// The account's address.
    pub client_email: String,
    /// Which of its keys this is.
    pub key_id: String,
    /// Where tokens are asked for, and the assertion's audience.
    pub token_uri: String,
    pair: Arc<RsaKeyPair>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("client_email", &self.client_email)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// Reads the JSON key file that Google's console hands out.
    pub fn parse(json: &str) -> Result<Self, KeyFileError> {
        let file: KeyFile = serde_json::from_str(json).map_err(|error| KeyFileError::Format(error.to_string()))?;
        let der = pkcs8(&file.private_key).ok_or(KeyFileError::Key)?;
        let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_rejected| KeyFileError::Key)?;
        Ok(Self {
            client_email: file.client_email,
            key_id: file.private_key_id,
            token_uri: file.token_uri,
            pair: Arc::new(pair),
        })
    }

    /// The public half, as a DER `RSAPublicKey`.
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.public().as_ref().to_vec()
    }

    /// A signed assertion for `audience`, valid for an hour from `now`. `None` only if the signature cannot be made.
    #[expect(clippy::disallowed_methods, reason = "blinds the operation; nothing that is kept comes from it")]
    pub fn assertion(&self, audience: &str, now: Timestamp) -> Option<String> {
        let header = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let issued = now.seconds();
        let claims = serde_json::json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": audience,
            "iat": issued,
            "exp": issued.saturating_add(ASSERTION_LIFE_S),
        });
        let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        // The random numbers blind the operation against timing; the signature itself is the same every time.
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).ok()?;
        Some(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn pkcs8(pem: &str) -> Option<Vec<u8>> {
    let body = pem.split("-----BEGIN PRIVATE KEY-----").nth(1)?.split("-----END PRIVATE KEY-----").next()?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenError {
    error: String,
    error_description: String,
}

#[derive(Clone)]
struct Cached {
    token: Arc<str>,
    renew_at: Duration,
}

#[derive(Default)]
struct Slot {
    cached: Option<Cached>,
    failed: Option<PushError>,
}

/// The current access token. One exchange at a time, whoever asks.
pub struct TokenSource {
    egress: Egress,
    endpoint: Endpoint,
    path: String,
    account: ServiceAccount,
    clock: Arc<dyn Clock>,
    slot: tokio::sync::Mutex<Slot>,
    exchanges: AtomicU64,
}

impl TokenSource {
    /// Tokens for an account, from the endpoint's path.
    pub fn new(egress: Egress, endpoint: Endpoint, path: &str, account: ServiceAccount, clock: Arc<dyn Clock>) -> Self {
        let slot = tokio::sync::Mutex::new(Slot::default());
        Self { egress, endpoint, path: path.to_owned(), account, clock, slot, exchanges: AtomicU64::new(0) }
    }

    /// A token that is still good for some minutes. Those who wait while another asks share its answer, also when it is a refusal.
    pub async fn token(&self, trace: &Trace) -> Result<Arc<str>, PushError> {
        let asked = self.exchanges.load(Ordering::Acquire);
        let mut slot = self.slot.lock().await;
        if let Some(cached) = slot.cached.as_ref().filter(|cached| self.clock.monotonic() < cached.renew_at) {
            return Ok(Arc::clone(&cached.token));
        }
        if let Some(failed) = slot.failed.as_ref().filter(|_| self.exchanges.load(Ordering::Acquire) > asked) {
            return Err(failed.clone());
        }
        let result = self.exchange(trace).await;
        self.exchanges.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok(cached) => {
                let token = Arc::clone(&cached.token);
                *slot = Slot { cached: Some(cached), failed: None };
                Ok(token)
            }
            Err(error) => {
                *slot = Slot { cached: None, failed: Some(error.clone()) };
                Err(error)
            }
        }
    }

    /// Forgets a token that was refused, unless it has been renewed meanwhile.
    pub async fn forget(&self, refused: &str) {
        let mut slot = self.slot.lock().await;
        if slot.cached.as_ref().is_some_and(|cached| &*cached.token == refused) {
            slot.cached = None;
        }
    }

    async fn exchange(&self, trace: &Trace) -> Result<Cached, PushError> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let audience = format!("{}{}", self.endpoint.url(), self.path);
        let assertion = self
            .account
            .assertion(&audience, now)
            .ok_or_else(|| PushError::Configuration("The service account's key cannot sign".to_owned()))?;
        let call = Call::new("google", "token", &self.endpoint, Method::POST, &*self.path)
            .account(&*self.account.client_email)
            .trace(trace.clone())
            .body("application/x-www-form-urlencoded", format!("{FORM_START}{assertion}"));
        let answer = self.egress.send(call).await.map_err(|error| match transport_error(&error) {
            // A token that got lost on its way costs nothing: the push itself was not sent.
            PushError::Unknown(reason) => PushError::Offline { reason, until: None },
            other => other,
        })?;
        if !answer.is_success() {
            return Err(refusal(&answer, now));
        }
        let token: TokenAnswer = serde_json::from_slice(&answer.body)
            .map_err(|_unreadable| PushError::Server("Google's token answer cannot be read".to_owned()))?;
        let life = Duration::from_secs(token.expires_in).saturating_sub(RENEW_BEFORE);
        Ok(Cached { token: token.access_token.into(), renew_at: monotonic.saturating_add(life) })
    }
}

fn refusal(answer: &Answer, now: Timestamp) -> PushError {
    let error = serde_json::from_slice::<TokenError>(&answer.body).unwrap_or_default();
    let text = cut(&error.error_description, 300);
    match (answer.status, error.error.as_str()) {
        (429, _) => PushError::RateLimited { retry_after: Duration::from_mins(1) },
        (500.., _) | (_, "internal_failure" | "temporarily_unavailable") => {
            PushError::Server(format!("Google's token service failed with status {}. {text}", answer.status))
        }
        (_, "invalid_grant") => PushError::Configuration(format!(
            "Google refuses the service account's key (invalid_grant: {text}). Check that the key still exists, and this machine's clock{}",
            skew(answer, now)
        )),
        (status, word) => {
            PushError::Configuration(format!("Google refuses to give a token ({status} {}: {text})", cut(word, 60)))
        }
    }
}

/// How far our clock is from the answer's `Date`, if that is a minute or more.
fn skew(answer: &Answer, now: Timestamp) -> String {
    let theirs = answer.header("date").and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    let Some(theirs) = theirs else { return ".".to_owned() };
    let ahead = now.seconds().saturating_sub(theirs.timestamp().as_second());
    match ahead / 60 {
        0 => ", which agrees with Google's.".to_owned(),
        minutes if minutes > 0 => format!(": it is {minutes} min ahead of Google's."),
        minutes => format!(": it is {} min behind Google's.", minutes.saturating_neg()),
    }
}
