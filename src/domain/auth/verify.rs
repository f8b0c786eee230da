//! Who a credential belongs to. What was verified once is cached under its hash, so that the hot path reads no SQL.

use super::AuthError;
use super::model;
use super::service::rights_of;
use super::sign_in::csrf_of;
use super::store;
use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{Id, SessionId, TokenId};
use crate::infra::db::ReadTx;
use crate::infra::vault::{same, sha256};
use crate::kernel::actor::Actor;
use crate::kernel::cache::Tag;
use crate::kernel::command::Command;
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::{RequestMeta, Scope, Shared};
use crate::kernel::tenants::Tenant;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio_util::task::TaskTracker;

const TOKEN_USED: Command = Command::background("auth.token_used", Permission::UserWrite);

/// A token's last use is written at most this often, in milliseconds.
const USED_EVERY_MS: i64 = 60_000;

/// A credential that was found good, until one of the store's users, tokens or sessions changes.
struct Known {
    /// SHA-256 of the whole credential: the cache's own keys are shorter, and a mix-up here would be a stranger's rights.
    presented: [u8; 32],
    actor: Actor,
    rights: Rights,
    expires: Option<Timestamp>,
    csrf: Option<String>,
    used_ms: AtomicI64,
}

/// Somebody whose credential holds.
pub struct Verified {
    /// Where.
    pub tenant: Arc<Tenant>,
    /// Who.
    pub actor: Actor,
    /// With which rights.
    pub rights: Rights,
    /// What unsafe requests must carry; for sessions only.
    pub csrf: Option<String>,
}

/// Verifies credentials.
pub struct Verifier {
    tasks: TaskTracker,
}

impl Verifier {
    /// A verifier that notes uses of tokens on tasks of the given tracker.
    pub const fn new(tasks: TaskTracker) -> Self {
        Self { tasks }
    }

    /// Whose token it is.
    pub async fn token(&self, shared: &Arc<Shared>, text: &str) -> Result<Verified, Fault> {
        let (id, secret) = model::read_token(text).ok_or(AuthError::TokenInvalid)?;
        let tenant = tenant_of(shared, id, AuthError::TokenInvalid)?;
        let known = known(shared, &tenant, text, |tx, presented| read_token(tx, id, secret, presented)).await?;
        let now = shared.clock.now();
        if known.expires.is_some_and(|at| at <= now) {
            return Err(AuthError::TokenExpired.into());
        }
        self.note_use(shared, &tenant, id, &known, now);
        Ok(verified(tenant, &known))
    }

    /// Whose session it is.
    pub async fn session(&self, shared: &Arc<Shared>, text: &str) -> Result<Verified, Fault> {
        let (id, secret) = model::read_session(text).ok_or(AuthError::SessionEnded)?;
        let tenant = tenant_of(shared, id, AuthError::SessionEnded)?;
        let known = known(shared, &tenant, text, |tx, presented| read_session(tx, id, secret, presented)).await?;
        if known.expires.is_some_and(|at| at <= shared.clock.now()) {
            return Err(AuthError::SessionEnded.into());
        }
        Ok(verified(tenant, &known))
    }

    fn note_use(&self, shared: &Arc<Shared>, tenant: &Arc<Tenant>, id: TokenId, known: &Known, now: Timestamp) {
        let before = known.used_ms.load(Ordering::Relaxed);
        let is_due = now.0.saturating_sub(before) >= USED_EVERY_MS;
        // Of many requests in one instant, one writes.
        if !is_due || known.used_ms.compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let (shared, tenant) = (Arc::clone(shared), Arc::clone(tenant));
        drop(self.tasks.spawn(async move {
            if let Err(fault) = write_use(&shared, &tenant, id, now).await {
                tracing::debug!(%fault, "the use of a token was not noted");
            }
        }));
    }
}

async fn write_use(shared: &Arc<Shared>, tenant: &Arc<Tenant>, id: TokenId, at: Timestamp) -> Result<(), Fault> {
    let request: crate::base::id::RequestId = shared.ids.make();
    let text: Arc<str> = Arc::from(request.to_string());
    let meta = RequestMeta { id: request, rid: Arc::clone(&text), trace: text };
    let scope = Scope::system(shared, tenant, meta).await?;
    // No fact: it would be one a minute and token, and drop the cached credentials each time.
    scope.write(&TOKEN_USED, move |cx| store::token_used(cx.tx(), id, at).map_err(Fault::from)).await
}

fn tenant_of(shared: &Shared, id: impl Into<Id>, unknown: AuthError) -> Result<Arc<Tenant>, AuthError> {
    let tenant = shared.tenants.routed(id).ok_or(unknown)?;
    if tenant.is_active { Ok(tenant) } else { Err(AuthError::StoreDisabled) }
}

fn verified(tenant: Arc<Tenant>, known: &Known) -> Verified {
    Verified { tenant, actor: known.actor, rights: known.rights, csrf: known.csrf.clone() }
}

async fn known(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    text: &str,
    read: impl Fn(&ReadTx<'_>, [u8; 32]) -> Result<Known, Fault>,
) -> Result<Arc<Known>, Fault> {
    let presented = sha256(&[text.as_bytes()]);
    let cached = shared.hub.cache.get::<Known>(tenant.id, &presented, &[Tag::Auth]);
    let fill = match cached {
        Ok(known) if known.presented == presented => return Ok(known),
        Ok(_) => None,
        Err(fill) => Some(fill),
    };
    let file = shared.tenants.file_async(tenant.id).await?;
    let known = Arc::new(file.read(|tx| read(tx, presented)).await?);
    if let Some(fill) = fill {
        // Overtaken by a commit: the next request reads again.
        shared.hub.cache.put(fill, Arc::clone(&known));
    }
    Ok(known)
}

fn read_token(tx: &ReadTx<'_>, id: TokenId, secret: &str, presented: [u8; 32]) -> Result<Known, Fault> {
    let hash = sha256(&[secret.as_bytes()]);
    let row = store::token_get(tx, id)?.filter(|row| same(&row.secret_hash, &hash)).ok_or(AuthError::TokenInvalid)?;
    if row.revoked.is_some() {
        return Err(AuthError::TokenRevoked.into());
    }
    Ok(Known {
        presented,
        actor: Actor::Token(row.id),
        rights: rights_of(&row.permissions)?,
        expires: row.expires,
        csrf: None,
        used_ms: AtomicI64::new(row.last_used.map_or(0, |at| at.0)),
    })
}

fn read_session(tx: &ReadTx<'_>, id: SessionId, secret: &str, presented: [u8; 32]) -> Result<Known, Fault> {
    let hash = sha256(&[secret.as_bytes()]);
    let row = store::session_get(tx, id)?.filter(|row| same(&row.secret_hash, &hash) && row.is_active);
    let row = row.ok_or(AuthError::SessionEnded)?;
    Ok(Known {
        presented,
        actor: Actor::User(row.user),
        rights: rights_of(&row.permissions)?,
        expires: Some(row.expires),
        csrf: Some(csrf_of(secret)),
        used_ms: AtomicI64::new(0),
    })
}
