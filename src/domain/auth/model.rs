//! The text forms of credentials, and the rules for what users and tokens are called.

use super::AuthError;
use crate::base::clock::Timestamp;
use crate::base::id::{Id, LinkId, SessionId, TokenId, TypedId as _};
use crate::base::text::is_clean;
use std::time::Duration;

/// How long a session lasts. It is not prolonged by use.
pub const SESSION_LASTS: Duration = Duration::from_hours(12);
/// How long a one-time link may be used.
pub const LINK_LASTS: Duration = Duration::from_mins(15);
/// Shortest password in characters.
pub const PASSWORD_MIN: usize = 10;
/// Longest password in characters: hashing time must not depend on what strangers send.
pub const PASSWORD_MAX: usize = 256;
/// Longest name of a user or token in characters.
pub const NAME_MAX: usize = 200;
/// Longest e-mail address in characters (RFC 5321 with its errata).
pub const EMAIL_MAX: usize = 254;

/// A program's key.
pub struct TokenRow {
    /// Id.
    pub id: TokenId,
    /// Name.
    pub name: String,
    /// SHA-256 of the secret's text.
    pub secret_hash: [u8; 32],
    /// JSON array of names.
    pub permissions: String,
    /// Made.
    pub created: Timestamp,
    /// Not valid from then on.
    pub expires: Option<Timestamp>,
    /// Taken back.
    pub revoked: Option<Timestamp>,
    /// Last use, to the minute.
    pub last_used: Option<Timestamp>,
}

const TOKEN_LEAD: &str = "bdg_";
const BODY_LEN: usize = 26;
const SECRET_LEN: usize = 43;

/// 32 random bytes as text.
pub fn secret_text(bytes: &[u8; 32]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

fn is_secret(text: &str) -> bool {
    text.len() == SECRET_LEN && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn body(id: impl Into<Id>) -> String {
    format!("{:?}", id.into())
}

/// A token as it is shown once.
pub fn show_token(id: TokenId, secret: &str) -> String {
    format!("{TOKEN_LEAD}{}_{secret}", body(id))
}

/// A token as a repeated request sees it.
pub fn show_masked_token(id: TokenId) -> String {
    show_token(id, "***")
}

/// Id and secret of a token. The secret may hold underscores itself, so the parts are told apart by their length.
pub fn read_token(text: &str) -> Option<(TokenId, &str)> {
    let (body, rest) = text.strip_prefix(TOKEN_LEAD)?.split_at_checked(BODY_LEN)?;
    let secret = rest.strip_prefix('_').filter(|secret| is_secret(secret))?;
    Some((TokenId::parse(&format!("{}_{body}", TokenId::PREFIX)).ok()?, secret))
}

/// A session as its cookie holds it.
pub fn show_session(id: SessionId, secret: &str) -> String {
    format!("{id}.{secret}")
}

/// Id and secret of a session.
pub fn read_session(text: &str) -> Option<(SessionId, &str)> {
    let (id, secret) = text.split_once('.')?;
    let id = SessionId::parse(id).ok()?;
    is_secret(secret).then_some((id, secret))
}

/// A link's code as it stands in the address.
pub fn show_link(id: LinkId, secret: &str) -> String {
    format!("{}.{secret}", body(id))
}

/// Id and secret of a link's code.
pub fn read_link(code: &str) -> Option<(LinkId, &str)> {
    let (body, secret) = code.split_once('.')?;
    let id = LinkId::parse(&format!("{}_{body}", LinkId::PREFIX)).ok()?;
    is_secret(secret).then_some((id, secret))
}

/// The value of the cookie `name` in a `Cookie` header.
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// An e-mail address without the blanks around it, if it can be one.
pub fn email(text: &str) -> Result<&str, AuthError> {
    let text = text.trim();
    let halves = text.split_once('@');
    let has_halves = halves.is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'));
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if has_halves && is_plain && text.chars().count() <= EMAIL_MAX {
        return Ok(text);
    }
    Err(AuthError::invalid("/email", "invalid_email", "`email` must be an e-mail address."))
}

/// A name without the blanks around it, if it is one.
pub fn name(text: &str) -> Result<&str, AuthError> {
    let text = text.trim();
    if !text.is_empty() && text.chars().count() <= NAME_MAX && is_clean(text) {
        return Ok(text);
    }
    let detail = format!("`name` has 1 to {NAME_MAX} characters and no control characters.");
    Err(AuthError::invalid("/name", "invalid_text", detail))
}

/// Refuses a password that is too short to be one, or too long to be hashed.
pub fn password(text: &str) -> Result<(), AuthError> {
    if (PASSWORD_MIN..=PASSWORD_MAX).contains(&text.chars().count()) {
        return Ok(());
    }
    let detail = format!("A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters.");
    Err(AuthError::invalid("/password", "invalid_password", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "_-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_";

    #[test]
    fn a_token_reads_back_also_when_its_secret_holds_underscores() {
        let id = TokenId::from_array([7; 16]);
        let text = show_token(id, SECRET);
        assert_eq!(text.len(), 4 + 26 + 1 + 43);
        assert_eq!(read_token(&text), Some((id, SECRET)));
        for wrong in [
            "",
            "bdg_",
            "tok_x",
            text.strip_suffix(|_: char| true).unwrap(),
            &format!("{text}x"),
            &show_masked_token(id),
        ] {
            assert_eq!(read_token(wrong), None, "{wrong}");
        }
        assert_eq!(read_token("bdg_ääääääääääääääääääääääääää_x"), None);
    }

    #[test]
    fn sessions_and_links_read_back() {
        let (session, link) = (SessionId::from_array([1; 16]), LinkId::from_array([2; 16]));
        assert_eq!(read_session(&show_session(session, SECRET)), Some((session, SECRET)));
        assert_eq!(read_link(&show_link(link, SECRET)), Some((link, SECRET)));
        assert_eq!(read_session(&show_link(link, SECRET)), None);
        assert_eq!(read_link("x.y"), None);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        assert_eq!(cookie("a=1; bodega_session=x.y; b=2", "bodega_session"), Some("x.y"));
        assert_eq!(cookie("not_bodega_session=x", "bodega_session"), None);
        assert_eq!(cookie("bodega_session2=x", "bodega_session"), None);
    }

    #[test]
    fn what_cannot_be_an_address_or_a_password_is_refused() {
        assert_eq!(email(" ann@example.test ").unwrap(), "ann@example.test");
        for wrong in ["", "ann", "@x", "ann@", "a b@x", "a@b@c"] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
        assert!(password("123456789").is_err());
        assert!(password("1234567890").is_ok());
        assert!(password(&"x".repeat(PASSWORD_MAX + 1)).is_err());
    }
}
