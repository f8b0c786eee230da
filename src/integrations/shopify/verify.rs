//! Signatures of Shopify deliveries: base64 of HMAC-SHA256 over the raw body, keyed with the app's client secret.

use crate::domain::channels::port::{BadSignature, HeaderLookup, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Secrets that may be live at once: the old and the new one of a rotation.
pub const SECRETS_MAX: usize = 2;

/// Both spellings of the signature header; the second belongs to the newer family of events.
const HEADERS: [&str; 2] = ["x-shopify-hmac-sha256", "shopify-hmac-sha256"];

/// The header's value for a body.
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    STANDARD.encode(hmac::sign(&key, body))
}

/// Checks a body against up to [`SECRETS_MAX`] secrets; an empty secret is none. Every secret is tried, so that the time taken does not
/// tell which of them matched.
pub fn verify(secrets: &[&[u8]], headers: &HeaderLookup<'_>, body: &[u8]) -> Verdict {
    let live = || secrets.iter().enumerate().take(SECRETS_MAX).filter(|(_, secret)| !secret.is_empty());
    if live().next().is_none() {
        return Verdict::Bad(BadSignature::NoSecret);
    }
    let Some(header) = HEADERS.into_iter().find_map(headers) else {
        return Verdict::Bad(BadSignature::Missing);
    };
    let tag = match STANDARD.decode(header) {
        Ok(tag) if tag.len() == ring::digest::SHA256_OUTPUT_LEN => tag,
        _ => return Verdict::Bad(BadSignature::Malformed),
    };
    let mut matched = None;
    for (secret, bytes) in live() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        if hmac::verify(&key, body, &tag).is_ok() {
            matched = matched.or(Some(secret));
        }
    }
    matched.map_or(Verdict::Bad(BadSignature::Mismatch), |secret| Verdict::Good { secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "A971iWIMgT8Zj9A9eWfikrFj7wQ16/Qwcc4OlRl2PLc=";
    const BODY: &[u8] = br#"{"id":1}"#;

    fn check(secrets: &[&[u8]], name: &str, value: &str, body: &[u8]) -> Verdict {
        verify(secrets, &|asked: &str| (asked == name.to_ascii_lowercase()).then_some(value), body)
    }

    /// RA4.1
    #[test]
    fn the_known_vector_verifies_under_both_header_names() {
        assert_eq!(sign(b"secret", BODY), TAG);
        for name in ["X-Shopify-Hmac-Sha256", "x-shopify-hmac-sha256", "X-SHOPIFY-HMAC-SHA256", "shopify-hmac-sha256"] {
            assert_eq!(check(&[b"secret"], name, TAG, BODY), Verdict::Good { secret: 0 }, "{name}");
        }
    }

    /// RA4.1
    #[test]
    fn either_of_two_live_secrets_is_accepted_and_a_third_is_not() {
        assert_eq!(check(&[b"new", b"secret"], HEADERS[0], TAG, BODY), Verdict::Good { secret: 1 });
        let third = check(&[b"new", b"newer", b"secret"], HEADERS[0], TAG, BODY);
        assert_eq!(third, Verdict::Bad(BadSignature::Mismatch));
    }

    /// RA4.1
    #[test]
    fn a_changed_body_or_a_foreign_secret_is_refused() {
        for (secret, body) in [(&b"secret"[..], &br#"{"id":2}"#[..]), (b"secret", br#"{"id":1} "#), (b"other", BODY)] {
            assert_eq!(check(&[secret], HEADERS[0], TAG, body), Verdict::Bad(BadSignature::Mismatch));
        }
    }

    /// RA4.1
    #[test]
    fn a_signature_that_is_absent_or_not_base64_of_32_bytes_is_refused() {
        assert_eq!(check(&[b"secret"], "other", TAG, BODY), Verdict::Bad(BadSignature::Missing));
        let long = TAG.repeat(1000);
        for tag in
            ["", "!!!", "A971", TAG.trim_end_matches('='), "A971iWIMgT8Zj9A9eWfikrFj7wQ16/Qwcc4OlRl2PLc= ", &long]
        {
            assert_eq!(check(&[b"secret"], HEADERS[0], tag, BODY), Verdict::Bad(BadSignature::Malformed), "{tag}");
        }
    }

    /// RA4.1
    #[test]
    fn a_channel_without_a_secret_accepts_nothing() {
        let of_nothing = sign(b"", BODY);
        for secrets in [&[][..], &[&b""[..]][..], &[&b""[..], b""][..]] {
            assert_eq!(check(secrets, HEADERS[0], &of_nothing, BODY), Verdict::Bad(BadSignature::NoSecret));
        }
    }
}
