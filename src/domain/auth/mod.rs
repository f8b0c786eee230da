//! Who may do what in a store: users, API tokens, browser sessions and one-time sign-in links.
//!
//! Words: a *user* is a person, a *token* is a program's key, a *session* is a signed-in browser, a *link* is a code that starts one
//! session. Ids of tokens, sessions and links carry the store's routing number, so that a credential leads to its store (D16). Of every
//! secret only a hash is stored; a secret is shown once, when it is made.
//!
//! Facts: `user.created`, `user.link_created`, `token.created`, `token.revoked`, `session.started`, `session.ended`. None holds a secret or an
//! e-mail address.
//!
//! Invariants: nobody hands out a right that he does not hold; an unknown e-mail address and a wrong password cannot be told apart by
//! answer or by time; a link starts one session.
//!
//! Not here: limits per address and the check of the CSRF header (the gate does both), roles.

pub mod http;
pub mod model;
pub mod service;
pub mod sign_in;
pub mod store;
pub mod verify;

use crate::base::error::{FieldFault, Kind, Place, Problem};
use crate::infra::vault::VaultError;

/// Tables that `store.rs` owns.
pub const OWNS: &[&str] = &["auth_user", "auth_token", "auth_session", "auth_link"];

/// What can be wrong with credentials and with those who hand them out.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No such user, or another password.
    #[error("The e-mail address or the password is wrong.")]
    Credentials,
    /// The password fits, the user is switched off.
    #[error("This user is disabled. Ask somebody who manages the users of the store.")]
    UserDisabled,
    /// The e-mail address and password fit in several stores.
    #[error("You work in several stores. Say in `tenant` which one: {}.", .0.join(", "))]
    StoreChoice(Vec<String>),
    /// Not a token that this machine gave out.
    #[error("This API token is not valid. Check that it was copied whole.")]
    TokenInvalid,
    /// Past its end.
    #[error("This API token has expired. Create a new one.")]
    TokenExpired,
    /// Taken back.
    #[error("This API token was revoked. Create a new one.")]
    TokenRevoked,
    /// Credentials of another scheme.
    #[error("Send an API token as `Authorization: Bearer bdg_…`.")]
    Scheme,
    /// Unknown, ended or past its end.
    #[error("Your session has ended. Sign in again.")]
    SessionEnded,
    /// The store takes no requests.
    #[error("This store is disabled.")]
    StoreDisabled,
    /// Not a link that this machine gave out.
    #[error("This sign-in link is not valid. Ask for a new one.")]
    LinkInvalid,
    /// Used before.
    #[error("This sign-in link was used already. Ask for a new one.")]
    LinkUsed,
    /// Past its 15 minutes.
    #[error("This sign-in link is older than 15 minutes. Ask for a new one.")]
    LinkExpired,
    /// Asked with a token.
    #[error("An API token has no session. Sign in with a browser for this.")]
    NoSession,
    /// No such user in this store.
    #[error("There is no such user.")]
    NoUser,
    /// No such token in this store.
    #[error("There is no such token.")]
    NoToken,
    /// The e-mail address is taken in this store.
    #[error("There is already a user with this e-mail address.")]
    EmailTaken,
    /// The caller does not hold what he wants to hand out.
    #[error("You need the permission `{0}` yourself to hand it out.")]
    Exceeds(&'static str),
    /// A field breaks its rule.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer of the field.
        pointer: String,
        /// Which rule.
        code: &'static str,
        /// The rule, as a sentence.
        detail: String,
    },
    /// A password could not be hashed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl AuthError {
    /// A field breaks its rule.
    pub fn invalid(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: pointer.into(), code, detail: detail.into() }
    }
}

impl Problem for AuthError {
    fn kind(&self) -> Kind {
        match self {
            Self::Credentials
            | Self::UserDisabled
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::TokenRevoked
            | Self::Scheme
            | Self::SessionEnded
            | Self::StoreDisabled
            | Self::LinkInvalid
            | Self::LinkUsed
            | Self::LinkExpired => Kind::Unauthenticated,
            Self::NoSession | Self::Exceeds(_) => Kind::Denied,
            Self::NoUser | Self::NoToken => Kind::Missing,
            Self::EmailTaken => Kind::Conflict,
            Self::StoreChoice(_) | Self::Invalid { .. } => Kind::Refused,
            Self::Vault(_) => Kind::Broken,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Credentials => "wrong_credentials",
            Self::UserDisabled => "user_disabled",
            Self::StoreChoice(_) => "store_choice_needed",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::Scheme => "unknown_auth_scheme",
            Self::SessionEnded => "session_ended",
            Self::StoreDisabled => "store_disabled",
            Self::LinkInvalid => "link_invalid",
            Self::LinkUsed => "link_used",
            Self::LinkExpired => "link_expired",
            Self::NoSession => "session_needed",
            Self::NoUser | Self::NoToken => "not_found",
            Self::EmailTaken => "email_taken",
            Self::Exceeds(_) => "permission_missing",
            Self::Invalid { .. } => "validation_failed",
            Self::Vault(_) => "internal_error",
        }
    }

    fn fields(&self) -> Vec<FieldFault> {
        let at = |pointer: &str, code| {
            vec![FieldFault { place: Place::Pointer(pointer.to_owned()), code, detail: self.to_string() }]
        };
        match self {
            Self::StoreChoice(_) => at("/tenant", "required"),
            Self::Invalid { pointer, code, .. } => at(pointer, code),
            _ => Vec::new(),
        }
    }
}
