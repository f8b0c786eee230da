//! Sign-in, sessions and tokens over HTTP, and the keeper that the gate asks who a request comes from.

use super::AuthError;
use super::model::{self, TokenRow, cookie};
use super::service::{self, NewToken};
use super::sign_in::{self, SessionView, Started};
use super::verify::Verifier;
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Place};
use crate::base::id::{TenantId, TokenId, TypedId as _, UserId};
use crate::base::page::{Page, PageRequest};
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::Shared;
use crate::kernel::web::call::{Answer, Call, json_reply, no_content, page};
use crate::kernel::web::gate::Admitting;
use crate::kernel::web::limits::Class;
use crate::kernel::web::{Access, Admission, Gatekeeper, Route};
use axum::http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// Name of the session's cookie.
pub const COOKIE: &str = "bodega_session";

/// Knows who a request comes from: an API token as a bearer token, else the session's cookie.
pub struct Keeper {
    verifier: Verifier,
}

impl Keeper {
    /// A keeper that notes uses of tokens on tasks of the given tracker.
    pub const fn new(tasks: TaskTracker) -> Self {
        Self { verifier: Verifier::new(tasks) }
    }

    async fn find(&self, shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Option<Admission>, Fault> {
        let verified = if let Some(value) = headers.get(header::AUTHORIZATION) {
            let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(AuthError::Scheme)?;
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Err(AuthError::Scheme.into());
            }
            self.verifier.token(shared, token.trim()).await?
        } else if let Some(session) = session_cookie(headers) {
            self.verifier.session(shared, session).await?
        } else {
            return Ok(None);
        };
        Ok(Some(Admission {
            tenant: verified.tenant,
            actor: verified.actor,
            rights: verified.rights,
            csrf: verified.csrf,
        }))
    }
}

impl Gatekeeper for Keeper {
    fn admit<'a>(&'a self, shared: &'a Arc<Shared>, headers: &'a HeaderMap) -> Admitting<'a> {
        Box::pin(self.find(shared, headers))
    }
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(header::COOKIE).iter().find_map(|value| cookie(value.to_str().ok()?, COOKIE))
}

/// What a session's answer says of the process.
#[derive(Clone, Copy, Debug)]
pub struct SessionContext {
    /// Whether it is the demo.
    pub is_demo: bool,
}

/// A signed-in user.
#[derive(Serialize, JsonSchema)]
struct Session {
    /// Who.
    user: SessionUser,
    /// Where.
    tenant: SessionTenant,
    /// With which rights.
    permissions: Vec<&'static str>,
    /// Goes into the `X-CSRF-Token` header of every request that changes something.
    csrf_token: String,
    /// Whether this is the demo.
    demo: bool,
}

/// The user of a session.
#[derive(Serialize, JsonSchema)]
struct SessionUser {
    /// Id.
    id: UserId,
    /// E-mail address.
    email: String,
    /// Name.
    name: String,
}

/// The store of a session.
#[derive(Serialize, JsonSchema)]
struct SessionTenant {
    /// Id.
    id: TenantId,
    /// Short name in addresses.
    handle: String,
    /// Name.
    name: String,
}

/// E-mail address and password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    /// E-mail address.
    #[schemars(length(max = 254))]
    email: String,
    /// Password.
    #[schemars(length(max = 256))]
    password: String,
    /// The store's handle, for who works in several.
    tenant: Option<String>,
}

/// The code of a one-time link.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LinkBody {
    /// As it stands in the link's address.
    code: String,
}

/// An API token.
#[derive(Serialize, JsonSchema)]
struct Token {
    /// Id.
    id: TokenId,
    /// Name.
    name: String,
    /// What it may do.
    permissions: Vec<&'static str>,
    /// Made.
    created_at: Timestamp,
    /// Not valid from then on.
    expires_at: Option<Timestamp>,
    /// Taken back.
    revoked_at: Option<Timestamp>,
    /// Last use, to the minute.
    last_used_at: Option<Timestamp>,
}

/// An API token that was just made.
#[derive(Serialize, JsonSchema)]
struct CreatedToken {
    #[serde(flatten)]
    row: Token,
    /// The token itself. Shown this once; masked when the same request is repeated.
    token: String,
}

/// What a new token may do.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// Name, 1 to 200 characters.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// Names of permissions that the caller holds.
    #[schemars(length(min = 1))]
    permissions: Vec<String>,
    /// Not valid from then on; without it the token is valid until it is revoked.
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokensQuery {
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

/// The routes of sign-in and tokens.
pub fn routes(context: SessionContext) -> Vec<Route> {
    vec![
        Route::post("/api/v1/session", "session_start", Access::Public, move |call| by_password(context, call))
            .summary("Signs in by e-mail address and password.")
            .limited_as(Class::SignIn)
            .body::<SignInBody>()
            .answers::<Session>(200, "The session; its cookie is set.")
            .refuses(&[401]),
        Route::post("/api/v1/session/link", "session_start_by_link", Access::Public, move |call| {
            by_link(context, call)
        })
        .summary("Signs in by a one-time link.")
        .limited_as(Class::SignIn)
        .body::<LinkBody>()
        .answers::<Session>(200, "The session; its cookie is set.")
        .refuses(&[401]),
        Route::get("/api/v1/session", "session_get", Access::SignedIn, move |call| current(context, call))
            .summary("The session of the browser that asks.")
            .answers::<Session>(200, "The session."),
        Route::delete("/api/v1/session", "session_end", Access::SignedIn, end).summary("Signs out.").answers_plain(
            204,
            "The session has ended.",
            None,
        ),
        Route::get("/api/v1/tokens", "tokens_list", Access::Needs(Permission::UserRead), tokens)
            .summary("API tokens, newest first, without their secrets.")
            .query::<TokensQuery>()
            .answers::<Page<Token>>(200, "The tokens."),
        Route::post("/api/v1/tokens", "token_create", Access::Needs(Permission::UserWrite), create_token)
            .summary("Makes an API token. Its secret is shown in this answer only.")
            .body::<TokenBody>()
            .answers::<CreatedToken>(201, "The token."),
        Route::delete("/api/v1/tokens/{id}", "token_revoke", Access::Needs(Permission::UserWrite), revoke_token)
            .path::<TokenId>("id")
            .summary("Takes an API token back, at once and for good.")
            .answers_plain(204, "The token is revoked.", None),
    ]
}

fn shown(context: SessionContext, view: SessionView) -> Session {
    Session {
        user: SessionUser { id: view.user_id, email: view.email, name: view.name },
        tenant: SessionTenant {
            id: view.tenant.id,
            handle: view.tenant.handle.clone(),
            name: view.tenant.name.clone(),
        },
        permissions: view.rights.names(),
        csrf_token: view.csrf,
        demo: context.is_demo,
    }
}

/// `Secure` only over TLS: a browser would drop the cookie of a store that is reached by plain http on its own network.
fn set_cookie(value: &str, max_age_seconds: u64, is_secure: bool) -> (String, String) {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_seconds}{secure}");
    ("set-cookie".to_owned(), text)
}

fn started(context: SessionContext, is_secure: bool, started: Started) -> Result<Answer, Fault> {
    let mut reply = json_reply(200, &shown(context, started.view))?;
    reply.headers.push(set_cookie(&started.cookie, model::SESSION_LASTS.as_secs(), is_secure));
    Ok(Answer::Reply(reply))
}

async fn by_password(context: SessionContext, call: Call) -> Result<Answer, Fault> {
    let body: SignInBody = call.json()?;
    let outcome =
        sign_in::by_password(&call.shared, &call.request, &body.email, &body.password, body.tenant.as_deref()).await?;
    started(context, call.is_secure, outcome)
}

async fn by_link(context: SessionContext, call: Call) -> Result<Answer, Fault> {
    let body: LinkBody = call.json()?;
    let outcome = sign_in::by_link(&call.shared, &call.request, &body.code).await?;
    started(context, call.is_secure, outcome)
}

async fn current(context: SessionContext, call: Call) -> Result<Answer, Fault> {
    let view = sign_in::current(call.scope()?, session_cookie(&call.headers)).await?;
    json_reply(200, &shown(context, view)).map(Answer::Reply)
}

async fn end(call: Call) -> Result<Answer, Fault> {
    sign_in::end(call.scope()?, session_cookie(&call.headers)).await?;
    match no_content() {
        Answer::Reply(mut reply) => {
            reply.headers.push(set_cookie("", 0, call.is_secure));
            Ok(Answer::Reply(reply))
        }
        other @ Answer::Response(_) => Ok(other),
    }
}

fn wire(row: TokenRow, rights: Rights) -> Token {
    Token {
        id: row.id,
        name: row.name,
        permissions: rights.names(),
        created_at: row.created,
        expires_at: row.expires,
        revoked_at: row.revoked,
        last_used_at: row.last_used,
    }
}

fn before(page: &PageRequest) -> Result<Option<[u8; 16]>, Fault> {
    let Some(bytes) = &page.after else { return Ok(None) };
    let bytes = bytes.as_slice().try_into().map_err(|_length| {
        Fault::field(Place::Parameter("cursor".into()), "invalid_cursor", "`cursor` is not one that was given out.")
    })?;
    Ok(Some(bytes))
}

async fn tokens(call: Call) -> Result<Answer, Fault> {
    let query: TokensQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let rows = service::tokens(call.scope()?, before(&wanted)?, wanted.limit.saturating_add(1)).await?;
    let page = Page::cut(rows, wanted.limit, |(row, _)| row.id.bytes().to_vec()).map(|(row, rights)| wire(row, rights));
    json_reply(200, &page).map(Answer::Reply)
}

async fn create_token(call: Call) -> Result<Answer, Fault> {
    let body: TokenBody = call.json()?;
    let scope = call.scope()?;
    let rights = service::rights_named(&body.permissions)?;
    let token = NewToken { name: body.name, rights, expires: body.expires_at };
    let holder = scope.rights();
    let reply = scope.reply(&service::TOKEN_CREATE, move |cx| {
        let (row, text) = service::create_token_in(cx, &token, holder)?;
        let id = row.id;
        let mut created = CreatedToken { row: wire(row, rights), token: text };
        let reply = json_reply(201, &created)?;
        created.token = model::show_masked_token(id);
        Ok(reply.recorded_as(json_reply(201, &created)?.body))
    });
    reply.await.map(Answer::Reply)
}

async fn revoke_token(call: Call) -> Result<Answer, Fault> {
    let id: TokenId = call.id("id")?;
    call.scope()?.write(&service::TOKEN_REVOKE, move |cx| service::revoke_token_in(cx, id)).await?;
    Ok(no_content())
}
