//! Users, tokens and links: making them, listing them, taking them back.

use super::AuthError;
use super::model::{self, TokenRow};
use super::store::{self, LinkRow, UserRow};
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Kind};
use crate::base::id::{Entropy, IdMaker, LinkId, TokenId, UserId};
use crate::infra::db::{DbError, Lane, ReadTx};
use crate::infra::tasks::Bounded;
use crate::infra::vault::{hash_password, password_fits, sha256};
use crate::kernel::actor::Actor;
use crate::kernel::command::{Command, Cx};
use crate::kernel::control_store;
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::Scope;
use std::time::Duration;

/// Adds a user.
pub const USER_CREATE: Command = Command::new("auth.user_create", Permission::UserWrite);
/// Makes a token.
pub const TOKEN_CREATE: Command = Command::new("auth.token_create", Permission::UserWrite);
/// Takes a token back.
pub const TOKEN_REVOKE: Command = Command::new("auth.token_revoke", Permission::UserWrite);
/// Makes a one-time sign-in link.
pub const LINK_CREATE: Command = Command::new("auth.link_create", Permission::UserWrite);

/// How long used and overdue links are kept, so that they are answered by their name.
const LINK_KEPT: Duration = Duration::from_hours(24);

/// One hash at a time: each takes 19 MiB, and a flood of sign-ins must not take the store's memory.
static HASHING: Bounded = Bounded::new(1, Duration::from_secs(5));

struct FromIds(IdMaker);

impl Entropy for FromIds {
    fn fill(&self, out: &mut [u8]) {
        for part in out.chunks_mut(16) {
            let random = self.0.random::<16>();
            for (slot, byte) in part.iter_mut().zip(random) {
                *slot = byte;
            }
        }
    }
}

async fn hashed(password: String, ids: &IdMaker) -> Result<String, Fault> {
    let entropy = FromIds(ids.clone());
    let hash = HASHING.run(move || hash_password(&password, &entropy)).await?;
    hash.map_err(|error| AuthError::from(error).into())
}

/// Whether a password fits a hash. Waits for its turn.
pub(super) async fn fits(password: &str, hash: String) -> Result<bool, Fault> {
    let password = password.to_owned();
    Ok(HASHING.run(move || password_fits(&password, &hash)).await?)
}

/// The set of rights in a stored list.
pub(super) fn rights_of(permissions: &str) -> Result<Rights, Fault> {
    let names: Vec<String> = serde_json::from_str(permissions).map_err(|error| DbError::BadRow {
        table: "auth_user or auth_token",
        column: "permissions",
        detail: error.to_string(),
    })?;
    Ok(Rights::from_names(&names))
}

fn stored_rights(rights: Rights) -> Result<String, Fault> {
    serde_json::to_string(&rights.names()).map_err(|error| Fault::broken(error.to_string()))
}

/// Refuses to hand out a right that the caller does not hold.
fn within(rights: Rights, holder: Rights) -> Result<(), AuthError> {
    let beyond = Permission::ALL.iter().copied().find(|right| rights.has(*right) && !holder.has(*right));
    beyond.map_or(Ok(()), |right| Err(AuthError::Exceeds(right.name())))
}

/// The rights of a list of names. Unknown names, and none at all, are refused.
pub fn rights_named(names: &[String]) -> Result<Rights, AuthError> {
    for (position, name) in names.iter().enumerate() {
        if !Permission::ALL.iter().any(|right| right.name() == name) {
            let shown = crate::base::text::cut(name, 40);
            let detail = format!("`{shown}` is not a permission.");
            return Err(AuthError::invalid(format!("/permissions/{position}"), "unknown_permission", detail));
        }
    }
    if names.is_empty() {
        return Err(AuthError::invalid("/permissions", "required", "Name at least one permission."));
    }
    Ok(Rights::from_names(names))
}

/// A user to be added.
pub struct NewUser {
    /// E-mail address, unique in the store.
    pub email: String,
    /// Name.
    pub name: String,
    /// At least ten characters; without one the user signs in by link only.
    pub password: Option<String>,
    /// What the user may do.
    pub rights: Rights,
}

/// The user with an e-mail address.
pub async fn user_by_email(scope: &Scope, email: &str) -> Result<UserId, Fault> {
    let found = scope.read(Permission::UserRead, |tx| store::user_of_email(tx, email).map_err(Fault::from)).await?;
    let missing = || Fault::new(Kind::Missing, "user_not_found", "There is no user with this e-mail address.");
    found.map(|user| user.id).ok_or_else(missing)
}

/// Adds a user, and notes in `control.db` where the e-mail address signs in.
pub async fn create_user(scope: &Scope, user: NewUser) -> Result<UserId, Fault> {
    scope.allow(USER_CREATE.permission)?;
    within(user.rights, scope.rights())?;
    let email = model::email(&user.email)?.to_owned();
    let name = model::name(&user.name)?.to_owned();
    let password_hash = match user.password {
        None => None,
        Some(password) => {
            model::password(&password)?;
            Some(hashed(password, &scope.shared().ids).await?)
        }
    };
    // The two files share no commit (D15). A route without a user is harmless; a user without a route could not sign in.
    let (route, tenant) = (email.clone(), scope.tenant().id);
    let control = scope.shared().tenants.control();
    control
        .write(Lane::Interactive, move |batch| {
            batch.atomic(|tx, _ledger| control_store::route_email(tx, &route, tenant))
        })
        .await?;
    let permissions = stored_rights(user.rights)?;
    scope
        .write(&USER_CREATE, move |cx| {
            let row = UserRow { id: cx.id(), email, name, password_hash, permissions, is_active: true };
            store::user_insert(cx.tx(), &row, cx.now()).map_err(|error| {
                if error.is_unique_violation() { Fault::from(AuthError::EmailTaken) } else { error.into() }
            })?;
            let body = serde_json::json!({ "permissions": user.rights.names() });
            cx.record(Fact::new("user.created", Entity::User, row.id, &body)?)?;
            Ok(row.id)
        })
        .await
}

/// A token to be made.
pub struct NewToken {
    /// Name.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// Not valid from then on.
    pub expires: Option<Timestamp>,
}

/// Makes a token whose rights lie within `holder`'s. Gives its row and its text, which is nowhere kept.
pub fn create_token_in(cx: &mut Cx<'_>, token: &NewToken, holder: Rights) -> Result<(TokenRow, String), Fault> {
    within(token.rights, holder)?;
    let name = model::name(&token.name)?.to_owned();
    if token.expires.is_some_and(|at| at <= cx.now()) {
        return Err(AuthError::invalid("/expires_at", "out_of_range", "`expires_at` must lie in the future.").into());
    }
    let secret = model::secret_text(&cx.ids().random());
    let row = TokenRow {
        id: cx.routed_id(),
        name,
        secret_hash: sha256(&[secret.as_bytes()]),
        permissions: stored_rights(token.rights)?,
        created: cx.now(),
        expires: token.expires,
        revoked: None,
        last_used: None,
    };
    store::token_insert(cx.tx(), &row)?;
    let body = serde_json::json!({ "name": row.name, "permissions": token.rights.names(), "expires_at": row.expires });
    cx.record(Fact::new("token.created", Entity::Token, row.id, &body)?)?;
    let text = model::show_token(row.id, &secret);
    Ok((row, text))
}

/// Makes a token. Gives its id and its text, which is nowhere kept.
pub async fn create_token(
    scope: &Scope,
    name: &str,
    rights: Rights,
    expires: Option<Timestamp>,
) -> Result<(TokenId, String), Fault> {
    let (token, holder) = (NewToken { name: name.to_owned(), rights, expires }, scope.rights());
    scope
        .write(&TOKEN_CREATE, move |cx| {
            let (row, text) = create_token_in(cx, &token, holder)?;
            Ok((row.id, text))
        })
        .await
}

/// Takes a token back. A repeat changes nothing.
pub fn revoke_token_in(cx: &mut Cx<'_>, id: TokenId) -> Result<(), Fault> {
    if store::token_get(cx.read(), id)?.is_none() {
        return Err(AuthError::NoToken.into());
    }
    if store::token_revoke(cx.tx(), id, cx.now())? {
        cx.record(Fact::new("token.revoked", Entity::Token, id, &serde_json::json!({}))?)?;
    }
    Ok(())
}

/// Tokens, newest first, with their rights.
pub async fn tokens(scope: &Scope, before: Option<[u8; 16]>, limit: u32) -> Result<Vec<(TokenRow, Rights)>, Fault> {
    scope
        .read(Permission::UserRead, |tx| {
            let rows = store::tokens_list(tx, before, limit)?;
            rows.into_iter()
                .map(|row| {
                    let rights = rights_of(&row.permissions)?;
                    Ok((row, rights))
                })
                .collect()
        })
        .await
}

/// Makes a code that starts one session of a user within 15 minutes.
pub async fn create_link(scope: &Scope, user: UserId) -> Result<String, Fault> {
    scope
        .write(&LINK_CREATE, move |cx| {
            if store::user_get(cx.read(), user)?.is_none() {
                return Err(AuthError::NoUser.into());
            }
            let secret = model::secret_text(&cx.ids().random());
            let id: LinkId = cx.routed_id();
            let expires = cx.now().plus(model::LINK_LASTS);
            let row = LinkRow { user, secret_hash: sha256(&[secret.as_bytes()]), expires, used: None };
            store::link_insert(cx.tx(), id, &row, cx.now().minus(LINK_KEPT))?;
            cx.record(Fact::new("user.link_created", Entity::User, user, &serde_json::json!({}))?)?;
            Ok(model::show_link(id, &secret))
        })
        .await
}

/// The name of a stored actor, for people: a user's or token's name, the kind of what has none, the id of the rest.
pub fn actor_name(tx: &ReadTx<'_>, kind: u8, id: [u8; 16]) -> Result<String, Fault> {
    let found = match kind {
        1 => store::user_get(tx, UserId::from(id))?.map(|user| user.name),
        2 => store::token_get(tx, TokenId::from(id))?.map(|token| token.name),
        _ => None,
    };
    Ok(found.or_else(|| Actor::show(kind, id)).unwrap_or_else(|| Actor::kind_name(kind).to_owned()))
}
