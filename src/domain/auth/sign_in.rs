//! Starting and ending browser sessions, by password or by one-time link.

use super::AuthError;
use super::model;
use super::service::{fits, rights_of};
use super::store::{self, UserRow};
use crate::base::error::Fault;
use crate::base::id::{SessionId, UserId};
use crate::infra::db::ReadTx;
use crate::infra::vault::{hmac_sha256, same, sha256};
use crate::kernel::actor::Actor;
use crate::kernel::command::{Command, Cx};
use crate::kernel::control_store;
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::{RequestMeta, Scope, Shared};
use crate::kernel::tenants::Tenant;
use std::sync::Arc;

// The right to start and end one's own session is proven by the credentials, not by a permission: these run with all rights.
const SESSION_START: Command = Command::new("auth.session_start", Permission::UserWrite);
const SESSION_END: Command = Command::new("auth.session_end", Permission::UserWrite);

/// Stores that a password is tried in when the body names none. Each costs one hash.
const STORES_TRIED_MAX: usize = 8;

/// A hash of no password, of the same cost as a real one: trying it takes the time that a real one takes.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A session as its user sees it.
pub struct SessionView {
    /// Id.
    pub user_id: UserId,
    /// E-mail address.
    pub email: String,
    /// Name.
    pub name: String,
    /// Where.
    pub tenant: Arc<Tenant>,
    /// With which rights.
    pub rights: Rights,
    /// What unsafe requests must carry.
    pub csrf: String,
}

/// A session that was just started.
pub struct Started {
    /// The value of its cookie, which is nowhere kept.
    pub cookie: String,
    /// What its user sees.
    pub view: SessionView,
}

/// The CSRF token of a session: derived, so that nothing has to be stored for it.
pub fn csrf_of(secret: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&hmac_sha256(secret.as_bytes(), b"bodega csrf 1"))
}

fn failed<T>(how: &'static str, error: AuthError) -> Result<T, Fault> {
    metrics::counter!("bodega_sign_in_failures_total", "by" => how).increment(1);
    let fault = Fault::from(error);
    tracing::warn!(by = how, code = fault.code, "sign-in refused");
    Err(fault)
}

/// Signs in by password. `handle` names the store when the e-mail address and password fit in several.
pub async fn by_password(
    shared: &Arc<Shared>,
    request: &RequestMeta,
    email: &str,
    password: &str,
    handle: Option<&str>,
) -> Result<Started, Fault> {
    if password.chars().count() > model::PASSWORD_MAX {
        return failed("password", AuthError::Credentials);
    }
    let email = email.trim();
    let routes = shared.tenants.control().read(|tx| control_store::tenants_of_email(tx, email)).await?;
    let active = routes.into_iter().filter_map(|id| shared.tenants.get(id)).filter(|tenant| tenant.is_active);
    let stores = active.filter(|tenant| handle.is_none_or(|wanted| wanted == tenant.handle)).take(STORES_TRIED_MAX);
    let stores: Vec<Arc<Tenant>> = stores.collect();
    if stores.is_empty() {
        fits(password, NO_PASSWORD.to_owned()).await?;
        return failed("password", AuthError::Credentials);
    }
    let (mut found, mut is_disabled) = (Vec::new(), false);
    for tenant in stores {
        let file = shared.tenants.file_async(tenant.id).await?;
        let user = file.read(|tx| store::user_of_email(tx, email)).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let does_fit = fits(password, hash.unwrap_or_else(|| NO_PASSWORD.to_owned())).await?;
        match user {
            Some(user) if does_fit && user.is_active => found.push((tenant, user.id)),
            Some(_) if does_fit => is_disabled = true,
            _ => {}
        }
    }
    match found.as_slice() {
        [] if is_disabled => failed("password", AuthError::UserDisabled),
        [] => failed("password", AuthError::Credentials),
        [(tenant, user)] => start(shared, request, tenant, *user, None).await,
        several => {
            let handles = several.iter().map(|(tenant, _)| tenant.handle.clone()).collect();
            Err(AuthError::StoreChoice(handles).into())
        }
    }
}

/// Signs in by the code of a one-time link, which is used up by it.
pub async fn by_link(shared: &Arc<Shared>, request: &RequestMeta, code: &str) -> Result<Started, Fault> {
    let Some((id, secret)) = model::read_link(code.trim()) else { return failed("link", AuthError::LinkInvalid) };
    let Some(tenant) = shared.tenants.routed(id) else { return failed("link", AuthError::LinkInvalid) };
    if !tenant.is_active {
        return failed("link", AuthError::StoreDisabled);
    }
    let file = shared.tenants.file_async(tenant.id).await?;
    let link = file.read(|tx| store::link_get(tx, id)).await?;
    let hash = sha256(&[secret.as_bytes()]);
    let Some(link) = link.filter(|link| same(&link.secret_hash, &hash)) else {
        return failed("link", AuthError::LinkInvalid);
    };
    if link.used.is_some() {
        return failed("link", AuthError::LinkUsed);
    }
    if link.expires <= shared.clock.now() {
        return failed("link", AuthError::LinkExpired);
    }
    start(shared, request, &tenant, link.user, Some(id)).await
}

async fn start(
    shared: &Arc<Shared>,
    request: &RequestMeta,
    tenant: &Arc<Tenant>,
    user: UserId,
    link: Option<crate::base::id::LinkId>,
) -> Result<Started, Fault> {
    let file = shared.tenants.file_async(tenant.id).await?;
    let scope =
        Scope::new(Arc::clone(shared), Arc::clone(tenant), file, Actor::User(user), Rights::all(), request.clone());
    let (user, cookie, csrf) = scope
        .write(&SESSION_START, move |cx| {
            // Two uses of a link may have come this far; the row lets one through.
            if let Some(id) = link
                && !store::link_use(cx.tx(), id, cx.now())?
            {
                return failed("link", AuthError::LinkUsed);
            }
            start_in(cx, user, if link.is_some() { "link" } else { "password" })
        })
        .await?;
    let view = view_of(user, tenant, csrf)?;
    Ok(Started { cookie, view })
}

fn start_in(cx: &mut Cx<'_>, user: UserId, by: &'static str) -> Result<(UserRow, String, String), Fault> {
    let user = store::user_get(cx.read(), user)?.ok_or(AuthError::Credentials)?;
    if !user.is_active {
        return failed(by, AuthError::UserDisabled);
    }
    let secret = model::secret_text(&cx.ids().random());
    let id: SessionId = cx.routed_id();
    let expires = cx.now().plus(model::SESSION_LASTS);
    store::session_insert(cx.tx(), id, user.id, sha256(&[secret.as_bytes()]), cx.now(), expires)?;
    cx.record(Fact::new("session.started", Entity::User, user.id, &serde_json::json!({ "by": by }))?)?;
    let csrf = csrf_of(&secret);
    Ok((user, model::show_session(id, &secret), csrf))
}

fn view_of(user: UserRow, tenant: &Arc<Tenant>, csrf: String) -> Result<SessionView, Fault> {
    let rights = rights_of(&user.permissions)?;
    Ok(SessionView { user_id: user.id, email: user.email, name: user.name, tenant: Arc::clone(tenant), rights, csrf })
}

fn own_session(scope: &Scope, cookie: Option<&str>) -> Result<(UserId, SessionId, String), AuthError> {
    let Actor::User(user) = scope.actor() else { return Err(AuthError::NoSession) };
    let (id, secret) = cookie.and_then(model::read_session).ok_or(AuthError::NoSession)?;
    Ok((user, id, csrf_of(secret)))
}

/// The caller's own session. `cookie` is the one he was admitted by.
pub async fn current(scope: &Scope, cookie: Option<&str>) -> Result<SessionView, Fault> {
    let (user, _, csrf) = own_session(scope, cookie)?;
    let found = scope.file().read(|tx: &ReadTx<'_>| store::user_get(tx, user)).await?;
    view_of(found.ok_or(AuthError::SessionEnded)?, scope.tenant(), csrf)
}

/// Ends the caller's own session. `cookie` is the one he was admitted by.
pub async fn end(scope: &Scope, cookie: Option<&str>) -> Result<(), Fault> {
    let (user, id, _) = own_session(scope, cookie)?;
    let own = Scope::new(
        Arc::clone(scope.shared()),
        Arc::clone(scope.tenant()),
        Arc::clone(scope.file()),
        scope.actor(),
        Rights::all(),
        scope.request().clone(),
    );
    own.write(&SESSION_END, move |cx| {
        if store::session_delete(cx.tx(), id)? {
            cx.record(Fact::new("session.ended", Entity::User, user, &serde_json::json!({}))?)?;
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::vault::{SystemEntropy, hash_password, password_fits};

    /// Sign-in takes the same time for an unknown e-mail address: the stand-in is a hash like any other, of the same cost.
    #[test]
    fn the_stand_in_hash_costs_what_a_real_one_costs_and_fits_nothing() {
        let real = hash_password("correct horse", &SystemEntropy).unwrap();
        let settings = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(settings(NO_PASSWORD), settings(&real));
        assert_eq!(NO_PASSWORD.len(), real.len());
        assert!(argon2::password_hash::PasswordHash::new(NO_PASSWORD).is_ok());
        assert!(!password_fits("correct horse", NO_PASSWORD));
        assert!(!password_fits("", NO_PASSWORD));
    }

    #[test]
    fn the_csrf_token_follows_from_the_secret_alone() {
        assert_eq!(csrf_of("a"), csrf_of("a"));
        assert_ne!(csrf_of("a"), csrf_of("b"));
        assert!(!csrf_of("secret").contains("secret"));
    }
}
