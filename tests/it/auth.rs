//! Sign-in, tokens, sessions and the live stream, through the gate as a caller meets them.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bodega::base::clock::{Clock, ManualClock, Timestamp};
use bodega::base::id::{Entropy, IdMaker, RequestId, UserId};
use bodega::domain::audit;
use bodega::domain::auth::http::{Keeper, SessionContext};
use bodega::domain::auth::service::{self, NewUser};
use bodega::infra::vault::SystemEntropy;
use bodega::kernel::ledger::Hub;
use bodega::kernel::once::Running;
use bodega::kernel::permit::{Permission, Rights};
use bodega::kernel::scope::{RequestMeta, Scope, Shared};
use bodega::kernel::tenants::{Tenant, Tenants, TenantsConfig};
use bodega::kernel::web::limits::Limits;
use bodega::kernel::web::{Gate, WebConfig};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

const PASSWORD: &str = "correct horse battery";
const START: Timestamp = Timestamp(1_795_000_000_000);

struct Machine {
    shared: Arc<Shared>,
    clock: Arc<ManualClock>,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
    _folder: tempfile::TempDir,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answered {
    fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }

    fn cookie(&self) -> String {
        let set = self.headers["set-cookie"].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

impl Machine {
    fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let hub = Arc::new(Hub::default());
        let config = TenantsConfig { folder: folder.path().to_owned(), open_max: 8, may_create_key: true };
        let tenants = Tenants::open(&config, &as_clock, &entropy, &hub).unwrap();
        let ids = IdMaker::new(Arc::clone(&as_clock), entropy);
        let running = Running::default();
        let shared = Arc::new(Shared { tenants, clock: as_clock, ids, hub, reaction: |_, _| Ok(()), running });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let gate = Gate::new(Arc::clone(&shared), Arc::new(Keeper::new(tasks.clone())), &WebConfig { limits });
        let mut routes = bodega::domain::auth::http::routes(SessionContext { is_demo: true });
        routes.extend(audit::http::routes(&stop));
        let router = gate.router(&routes);
        Self { shared, clock, router, stop, tasks, _folder: folder }
    }

    fn meta(&self) -> RequestMeta {
        let id: RequestId = self.shared.ids.make();
        RequestMeta { id, rid: Arc::from("test"), trace: Arc::from("test") }
    }

    async fn store(&self, handle: &str) -> (Arc<Tenant>, Scope) {
        let now = self.clock.now();
        let tenant = self.shared.tenants.create(&self.shared.ids, now, handle, handle).await.unwrap();
        let scope = Scope::system(&self.shared, &tenant, self.meta()).await.unwrap();
        (tenant, scope)
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answered { status: parts.status, headers: parts.headers, body }
    }

    async fn sign_in(&self, email: &str, password: &str) -> Answered {
        self.send("POST", "/api/v1/session", &[], Some(json!({ "email": email, "password": password }))).await
    }
}

async fn user(scope: &Scope, email: &str, rights: Rights) -> UserId {
    let password = Some(PASSWORD.to_owned());
    let user = NewUser { email: email.to_owned(), name: "Ann".to_owned(), password, rights };
    service::create_user(scope, user).await.unwrap()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// RV13: forged cross-site requests are refused.
#[tokio::test]
async fn a_person_signs_in_by_password_works_by_cookie_and_signs_out() {
    let machine = Machine::start(Limits::default());
    let (tenant, scope) = machine.store("main").await;
    let id = user(&scope, "ann@example.test", Rights::all()).await;

    let answered = machine.sign_in("ANN@example.test", PASSWORD).await;
    assert_eq!(answered.status, 200, "{}", answered.body);
    let session = &answered.body;
    assert_eq!(session["user"], json!({ "id": id, "email": "ann@example.test", "name": "Ann" }));
    assert_eq!(session["tenant"], json!({ "id": tenant.id, "handle": "main", "name": "main" }));
    assert_eq!(session["permissions"].as_array().unwrap().len(), Permission::ALL.len());
    assert_eq!(session["demo"], json!(true));
    let set = answered.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "a cookie over plain http would be lost: {set}");

    let cookie = answered.cookie();
    let again = machine.send("GET", "/api/v1/session", &[("cookie", &cookie)], None).await;
    assert_eq!(again.body, *session);

    let csrf = session["csrf_token"].as_str().unwrap();
    let forged = machine.send("DELETE", "/api/v1/session", &[("cookie", &cookie)], None).await;
    assert_eq!(forged.code(), (403, "csrf_token_missing"));
    let wrong = [("cookie", cookie.as_str()), ("x-csrf-token", "guessed")];
    assert_eq!(machine.send("DELETE", "/api/v1/session", &wrong, None).await.status, 403);
    let right = [("cookie", cookie.as_str()), ("x-csrf-token", csrf)];
    let ended = machine.send("DELETE", "/api/v1/session", &right, None).await;
    assert_eq!(ended.status, 204);
    assert!(ended.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let after = machine.send("GET", "/api/v1/session", &[("cookie", &cookie)], None).await;
    assert_eq!(after.code(), (401, "session_ended"));
}

/// RA7.2
#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike_and_limited() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    user(&scope, "ann@example.test", Rights::all()).await;
    let (wrong, unknown) = (
        machine.sign_in("ann@example.test", "wrong horse battery").await,
        machine.sign_in("bob@example.test", PASSWORD).await,
    );
    assert_eq!(wrong.code(), (401, "wrong_credentials"));
    assert_eq!(wrong.code(), unknown.code());
    assert_eq!(wrong.body["detail"], unknown.body["detail"]);
    for _ in 0..8 {
        assert_eq!(machine.sign_in("bob@example.test", PASSWORD).await.status, 401);
    }
    assert_eq!(machine.sign_in("ann@example.test", PASSWORD).await.code(), (429, "rate_limited"));
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_and_its_cookie_does_not_bar_the_sign_in() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    user(&scope, "ann@example.test", Rights::all()).await;
    let cookie = machine.sign_in("ann@example.test", PASSWORD).await.cookie();
    machine.clock.advance(Duration::from_hours(12) - Duration::from_millis(1));
    assert_eq!(machine.send("GET", "/api/v1/session", &[("cookie", &cookie)], None).await.status, 200);
    machine.clock.advance(Duration::from_millis(1));
    let over = machine.send("GET", "/api/v1/session", &[("cookie", &cookie)], None).await;
    assert_eq!(over.code(), (401, "session_ended"));
    let body = json!({ "email": "ann@example.test", "password": PASSWORD });
    let again = machine.send("POST", "/api/v1/session", &[("cookie", &cookie)], Some(body)).await;
    assert_eq!(again.status, 200, "{}", again.body);
}

#[tokio::test]
async fn who_works_in_several_stores_is_asked_which_one() {
    let machine = Machine::start(Limits::default());
    let ((_, one), (_, two)) = (machine.store("one").await, machine.store("two").await);
    user(&one, "ann@example.test", Rights::all()).await;
    user(&two, "ann@example.test", Rights::all()).await;
    let asked = machine.sign_in("ann@example.test", PASSWORD).await;
    assert_eq!(asked.code(), (422, "store_choice_needed"));
    assert!(asked.body["detail"].as_str().unwrap().contains("one, two"), "{}", asked.body);
    assert_eq!(asked.body["errors"][0]["pointer"], "/tenant");
    let body = json!({ "email": "ann@example.test", "password": PASSWORD, "tenant": "two" });
    let answered = machine.send("POST", "/api/v1/session", &[], Some(body)).await;
    assert_eq!(answered.body["tenant"]["handle"], "two");
    let wrong = machine.sign_in("ann@example.test", "wrong horse battery").await;
    assert_eq!(wrong.code(), (401, "wrong_credentials"), "a stranger does not learn the stores' names");
}

#[tokio::test]
async fn a_link_starts_one_session_within_fifteen_minutes() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let id = user(&scope, "ann@example.test", Rights::all()).await;
    let redeem = |code: String| {
        let machine = &machine;
        async move { machine.send("POST", "/api/v1/session/link", &[], Some(json!({ "code": code }))).await }
    };
    let code = service::create_link(&scope, id).await.unwrap();
    let first = redeem(code.clone()).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert!(machine.send("GET", "/api/v1/session", &[("cookie", &first.cookie())], None).await.status.is_success());
    assert_eq!(redeem(code.clone()).await.code(), (401, "link_used"));
    let forged = format!("{}{}", &code[..code.len() - 2], "xx");
    assert_eq!(redeem(forged).await.code(), (401, "link_invalid"));
    assert_eq!(redeem("nonsense".to_owned()).await.code(), (401, "link_invalid"));
    let late = service::create_link(&scope, id).await.unwrap();
    machine.clock.advance(Duration::from_mins(15));
    assert_eq!(redeem(late).await.code(), (401, "link_expired"));
}

/// SC7: a token is refused from its end on, also by a process that verified it a moment before.
#[tokio::test]
async fn an_expired_and_a_revoked_token_are_refused_also_when_they_were_cached() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let expires = Some(START.plus(Duration::from_mins(5)));
    let (_, short) = service::create_token(&scope, "short", Rights::all(), expires).await.unwrap();
    let (id, long) = service::create_token(&scope, "long", Rights::all(), None).await.unwrap();
    let ask = |token: &str| {
        let (machine, header) = (&machine, bearer(token));
        async move { machine.send("GET", "/api/v1/tokens", &[("authorization", &header)], None).await }
    };
    assert_eq!(ask(&short).await.status, 200);
    machine.clock.advance(Duration::from_mins(5));
    assert_eq!(ask(&short).await.code(), (401, "token_expired"));
    assert_eq!(ask(&long).await.status, 200);
    let path = format!("/api/v1/tokens/{id}");
    let removed = machine.send("DELETE", &path, &[("authorization", &bearer(&long))], None).await;
    assert_eq!(removed.status, 204);
    assert_eq!(ask(&long).await.code(), (401, "token_revoked"));
}

#[tokio::test]
async fn a_token_opens_its_own_store_only() {
    let machine = Machine::start(Limits::default());
    let ((_, one), (two, _)) = (machine.store("one").await, machine.store("two").await);
    let (_, token) = service::create_token(&one, "one", Rights::all(), None).await.unwrap();
    let elsewhere: bodega::base::id::TokenId = machine.shared.ids.make_routed(two.routing);
    let secret = token.split_at(4 + 26 + 1).1;
    let moved = bodega::domain::auth::model::show_token(elsewhere, secret);
    let unknown = bodega::domain::auth::model::show_token(machine.shared.ids.make_routed(1), secret);
    let no_tail = token[..token.len() - 1].to_owned();
    for wrong in [moved, unknown, no_tail, "bdg_".to_owned(), "x".repeat(5000)] {
        let answered = machine.send("GET", "/api/v1/tokens", &[("authorization", &bearer(&wrong))], None).await;
        assert_eq!(answered.code(), (401, "token_invalid"), "{wrong}");
    }
    let basic = machine.send("GET", "/api/v1/tokens", &[("authorization", "Basic YTpi")], None).await;
    assert_eq!(basic.code(), (401, "unknown_auth_scheme"));
    assert_eq!(machine.send("GET", "/api/v1/tokens", &[], None).await.code(), (401, "not_signed_in"));
}

/// SC7, D6: one-time secrets are masked on replay, and nobody hands out what he does not hold.
#[tokio::test]
async fn a_tokens_secret_is_shown_once_also_when_its_request_is_repeated() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let rights: Rights = [Permission::UserRead, Permission::UserWrite].into_iter().collect();
    let (_, token) = service::create_token(&scope, "root", rights, None).await.unwrap();
    let header = bearer(&token);
    let headers = [("authorization", header.as_str()), ("idempotency-key", "k1")];
    let body = json!({ "name": "till", "permissions": ["user.read"] });
    let first = machine.send("POST", "/api/v1/tokens", &headers, Some(body.clone())).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let made = first.body["token"].as_str().unwrap().to_owned();
    let replay = machine.send("POST", "/api/v1/tokens", &headers, Some(body)).await;
    assert_eq!((replay.status.as_u16(), &replay.headers["idempotent-replayed"]), (201, &"true".parse().unwrap()));
    assert_eq!(replay.body["id"], first.body["id"]);
    assert!(replay.body["token"].as_str().unwrap().ends_with("_***"), "{}", replay.body);
    let used = machine.send("GET", "/api/v1/tokens", &[("authorization", &bearer(&made))], None).await;
    assert_eq!(used.body["data"].as_array().unwrap().len(), 2);
    assert!(!used.body.to_string().contains(made.split_at(31).1));

    let too_much = json!({ "name": "x", "permissions": ["order.write"] });
    let refused = machine.send("POST", "/api/v1/tokens", &[("authorization", &header)], Some(too_much)).await;
    assert_eq!(refused.code(), (403, "permission_missing"));
    let unknown = json!({ "name": "x", "permissions": ["order.fly"] });
    let refused = machine.send("POST", "/api/v1/tokens", &[("authorization", &header)], Some(unknown)).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/permissions/0");
    let audit = machine.send("GET", "/api/v1/audit", &[("authorization", &header)], None).await;
    assert_eq!(audit.code(), (403, "permission_missing"));
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_once_a_minute() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let (_, token) = service::create_token(&scope, "root", Rights::all(), None).await.unwrap();
    let header = bearer(&token);
    let mut noted = Vec::new();
    for _ in 0..4 {
        machine.send("GET", "/api/v1/tokens", &[("authorization", &header)], None).await;
        machine.tasks.close();
        machine.tasks.wait().await;
        machine.tasks.reopen();
        let rows = service::tokens(&scope, None, 10).await.unwrap();
        noted.push(rows[0].0.last_used.unwrap());
        machine.clock.advance(Duration::from_secs(40));
    }
    let after = |seconds| START.plus(Duration::from_secs(seconds));
    assert_eq!(noted, [after(0), after(0), after(80), after(80)]);
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_and_keeps_no_secret() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let id = user(&scope, "ann@example.test", Rights::all()).await;
    let cookie = machine.sign_in("ann@example.test", PASSWORD).await.cookie();
    let get = |path: String| {
        let (machine, cookie) = (&machine, &cookie);
        async move { machine.send("GET", &path, &[("cookie", cookie)], None).await.body }
    };
    let all = get("/api/v1/audit?limit=1".to_owned()).await;
    assert_eq!(all["data"][0]["type"], "session.started");
    assert_eq!(all["data"][0]["actor"], json!({ "kind": "user", "id": id, "name": "Ann" }));
    assert_eq!(all["data"][0]["hash"].as_str().unwrap().len(), 64);
    let next = all["next_cursor"].as_str().unwrap();
    let rest = get(format!("/api/v1/audit?cursor={next}")).await;
    assert_eq!(rest["data"][0]["type"], "user.created");
    assert_eq!(rest["data"][0]["actor"]["name"], "system");
    assert_eq!(rest["has_more"], false);
    let some = get(format!("/api/v1/audit?entity_id={id}&q=user.")).await;
    assert_eq!(some["data"].as_array().unwrap().len(), 1);
    assert_eq!(get("/api/v1/audit?q=session.".to_owned()).await["data"].as_array().unwrap().len(), 1);
    assert_eq!(get("/api/v1/audit?entity_id=nonsense".to_owned()).await["errors"][0]["parameter"], "entity_id");
    let text = format!("{all}{rest}");
    assert!(!text.contains("example.test") && !text.contains("argon2"), "{text}");
}

struct Stream(Body, String);

impl Stream {
    /// Reads until `marker` has come, and gives all of it.
    async fn until(&mut self, marker: &str) -> String {
        while !self.1.contains(marker) {
            let frame = tokio::time::timeout(Duration::from_secs(10), self.0.frame()).await;
            let bytes = frame.expect("the event did not come").expect("the stream ended").unwrap();
            self.1.push_str(std::str::from_utf8(&bytes.into_data().unwrap()).unwrap());
        }
        std::mem::take(&mut self.1)
    }
}

async fn stream(machine: &Machine, token: &str, last: Option<&str>) -> Stream {
    let mut request = Request::get("/api/v1/events").header("authorization", bearer(token));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = machine.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = Stream(response.into_body(), String::new());
    stream.until("retry: 2000\n\n").await;
    stream
}

/// A live view resumes where it stood and sees what its reader may see.
#[tokio::test]
async fn the_live_stream_goes_on_where_it_broke_off() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let (_, token) = service::create_token(&scope, "watcher", Rights::all(), None).await.unwrap();
    let blind: Rights = [Permission::OrderRead].into_iter().collect();
    let (_, blind) = service::create_token(&scope, "blind", blind, None).await.unwrap();

    let mut live = stream(&machine, &token, None).await;
    let id = user(&scope, "ann@example.test", Rights::all()).await;
    let seen = live.until("\n\n").await;
    assert!(seen.starts_with("id: 3\nevent: user.created\ndata: "), "{seen}");
    let data: Value = serde_json::from_str(seen.trim().rsplit("data: ").next().unwrap()).unwrap();
    assert_eq!(data, json!({ "seq": 3, "type": "user.created", "entity": "user", "entity_id": id, "at": START }));
    drop(live);

    service::create_link(&scope, id).await.unwrap();
    let mut resumed = stream(&machine, &token, Some("3")).await;
    assert!(resumed.until("\n\n").await.starts_with("id: 4\nevent: user.link_created\n"));
    let mut from_start = stream(&machine, &token, Some("0")).await;
    let all = from_start.until("id: 4\n").await;
    assert_eq!(all.matches("event: ").count(), 4, "{all}");
    let mut beyond = stream(&machine, &token, Some("999")).await;

    let mut unseeing = stream(&machine, &blind, Some("0")).await;
    machine.stop.cancel();
    for ended in [&mut resumed, &mut from_start, &mut beyond, &mut unseeing] {
        let end = tokio::time::timeout(Duration::from_secs(10), ended.0.frame()).await.expect("the stream goes on");
        assert!(end.is_none(), "nothing more was to come");
    }
}

#[tokio::test]
async fn a_live_stream_ends_when_its_token_is_revoked() {
    let machine = Machine::start(Limits::default());
    let (_, scope) = machine.store("main").await;
    let rights: Rights = [Permission::OrderRead].into_iter().collect();
    let (id, token) = service::create_token(&scope, "watcher", rights, None).await.unwrap();
    let mut live = stream(&machine, &token, None).await;
    scope.write(&service::TOKEN_REVOKE, move |cx| service::revoke_token_in(cx, id)).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(10), live.0.frame()).await.expect("the stream goes on");
    assert!(end.is_none());
}
