//! The audit log and the live stream over HTTP.

use super::service::{self, AuditFilter, NamedRow};
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Kind, Place};
use crate::base::id::{Id, RequestId, TenantId};
use crate::base::page::Page;
use crate::kernel::actor::Actor;
use crate::kernel::journal::{Entity, JournalRow};
use crate::kernel::ledger::Committed;
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::Shared;
use crate::kernel::web::call::{Answer, Call, json, page, page_number};
use crate::kernel::web::route::{Access, Route};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Streams per store at a time.
const STREAMS_MAX: usize = 50;
/// A quiet stream says this often that it is alive.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A stream ends after this long, so that whoever comes back shows his credentials again.
const STREAM_LASTS: Duration = Duration::from_mins(30);
/// Rows that are read at a time.
const ROWS_AT_A_TIME: u32 = 200;
/// Longest beginning of a kind to search for.
const PREFIX_MAX: usize = 64;
/// What a stream begins with: when to come back after it broke.
const GREETING: &str = "retry: 2000\n\n";

/// A fact.
#[derive(Serialize, JsonSchema)]
struct AuditRow {
    /// Position, from 1 without gaps.
    seq: i64,
    /// When.
    at: Timestamp,
    /// What became true, past tense.
    #[serde(rename = "type")]
    kind: String,
    /// What it is about.
    entity: String,
    /// Its id.
    entity_id: String,
    /// Who did it.
    actor: AuditActor,
    /// In which request.
    request_id: RequestId,
    /// Hash of the chain at this row, in hex.
    hash: String,
    /// Before and after; null once erased.
    data: serde_json::Value,
}

/// Who did something.
#[derive(Serialize, JsonSchema)]
struct AuditActor {
    /// `user`, `token`, `channel`, `operator` or `system`.
    kind: &'static str,
    /// Id, of those that have one.
    id: Option<String>,
    /// Name.
    name: String,
}

/// What a live view learns of a fact.
#[derive(Serialize, JsonSchema)]
struct LiveEvent<'a> {
    seq: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    entity: &'a str,
    entity_id: String,
    at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Only about this id, of any type.
    entity_id: Option<String>,
    /// Only types that begin so, such as `order.`.
    q: Option<String>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// Begin behind this position; without it, with what happens from now on. The header `Last-Event-ID` goes before it.
    #[schemars(range(min = 0))]
    after: Option<i64>,
}

/// The routes of the journal. Streams end when `stop` is cancelled.
pub fn routes(stop: &CancellationToken) -> Vec<Route> {
    let streams = Streams { stop: stop.clone(), open: Arc::default() };
    vec![
        Route::get("/api/v1/audit", "audit_list", Access::Needs(Permission::AuditRead), list)
            .summary("The journal: every fact with who made it true, newest first.")
            .query::<AuditQuery>()
            .answers::<Page<AuditRow>>(200, "The facts."),
        Route::get("/api/v1/events", "events_stream", Access::SignedIn, move |call| events(streams.clone(), call))
            .summary("What happens in the store, as server-sent events. Rows that the caller may not see are left out.")
            .query::<EventsQuery>()
            .answers_plain(200, "The stream.", Some("text/event-stream")),
    ]
}

fn typed_id(text: &str) -> Result<Id, Fault> {
    const PREFIXES: [&str; 12] = ["ten", "usr", "tok", "prd", "var", "whs", "cus", "ord", "chn", "msg", "job", "evt"];
    let refused = |detail: String| Fault::field(Place::Parameter("entity_id".into()), "invalid_id", detail);
    let prefix = text.split('_').next().and_then(|prefix| PREFIXES.into_iter().find(|known| *known == prefix));
    let prefix = prefix.ok_or_else(|| refused("`entity_id` must be an id such as `ord_…`.".to_owned()))?;
    Id::parse(text, prefix).map_err(|error| refused(error.to_string()))
}

fn wire(named: NamedRow) -> AuditRow {
    let NamedRow { row, actor } = named;
    let (kind, id) = row.actor;
    let data = row.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
    AuditRow {
        seq: row.seq,
        at: row.at,
        entity_id: Entity::show_id(&row.entity, row.entity_id),
        kind: row.kind,
        entity: row.entity,
        actor: AuditActor { kind: Actor::kind_name(kind), id: Actor::show(kind, id), name: actor },
        request_id: RequestId::from(row.request_id),
        hash: data_encoding::HEXLOWER.encode(&row.hash),
        data: data.unwrap_or(serde_json::Value::Null),
    }
}

async fn list(call: Call) -> Result<Answer, Fault> {
    let query: AuditQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    if query.q.as_ref().is_some_and(|prefix| prefix.chars().count() > PREFIX_MAX) {
        let detail = format!("`q` has at most {PREFIX_MAX} characters.");
        return Err(Fault::field(Place::Parameter("q".into()), "too_long", detail));
    }
    let entity = query.entity_id.as_deref().map(typed_id).transpose()?;
    let filter = AuditFilter { entity, prefix: query.q, before: page_number(&wanted)? };
    let rows = service::list(call.scope()?, filter, wanted.limit.saturating_add(1)).await?;
    let page = Page::cut(rows, wanted.limit, |named| named.row.seq.to_be_bytes().to_vec()).map(wire);
    json(200, &page)
}

#[derive(Clone)]
struct Streams {
    stop: CancellationToken,
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// One of a store's places for streams; free again when dropped.
struct Seat {
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Streams {
    fn sit(&self, tenant: TenantId) -> Result<Seat, Fault> {
        let mut open = self.open.lock();
        let count = open.entry(tenant).or_insert(0);
        if *count >= STREAMS_MAX {
            let detail = format!("{STREAMS_MAX} live views of this store are open already. Close one.");
            let fault = Fault::new(Kind::Unavailable, "too_many_streams", detail);
            return Err(fault.retry_in(Duration::from_secs(10)));
        }
        *count = count.saturating_add(1);
        Ok(Seat { open: Arc::clone(&self.open), tenant })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

/// A stream between two of its chunks. Holds no file: that of a quiet store may be closed.
struct Live {
    shared: Arc<Shared>,
    tenant: TenantId,
    actor: [u8; 16],
    rights: Rights,
    commits: Receiver<Committed>,
    stop: CancellationToken,
    position: i64,
    has_news: bool,
    ends: Duration,
    greeting: Option<&'static str>,
    _seat: Seat,
}

async fn events(streams: Streams, call: Call) -> Result<Answer, Fault> {
    let query: EventsQuery = call.query()?;
    let wanted = match call.header("last-event-id") {
        Some(text) => Some(position(text.parse().ok(), Place::Header("Last-Event-ID"))?),
        None => query.after.map(|seq| position(Some(seq), Place::Parameter("after".into()))).transpose()?,
    };
    let scope = call.scope()?;
    let tenant = scope.tenant().id;
    let seat = streams.sit(tenant)?;
    let shared = Arc::clone(&call.shared);
    // Before the head is read, so that no commit falls between the two.
    let commits = shared.hub.listen();
    let head = service::head(&shared, tenant).await?;
    let live = Live {
        ends: shared.clock.monotonic().saturating_add(STREAM_LASTS),
        tenant,
        actor: scope.actor().id_bytes(),
        rights: scope.rights(),
        commits,
        stop: streams.stop,
        // A position beyond the head is from before a restore.
        position: wanted.map_or(head, |seq| seq.min(head)),
        has_news: wanted.is_some(),
        greeting: Some(GREETING),
        shared,
        _seat: seat,
    };
    let chunks = futures_util::stream::unfold(live, |mut live| async move {
        let chunk = live.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), live))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy that collects answers would hold every event back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(Answer::Response(Box::new(response)))
}

fn position(seq: Option<i64>, place: Place) -> Result<i64, Fault> {
    let detail = "The position must be the id of an event.";
    seq.filter(|seq| *seq >= 0).ok_or_else(|| Fault::field(place, "invalid_position", detail))
}

impl Live {
    /// The next chunk; none when the stream ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting.to_owned());
        }
        loop {
            if self.stop.is_cancelled() || self.shared.clock.monotonic() >= self.ends {
                return None;
            }
            if self.has_news {
                match self.read().await {
                    Ok(text) if text.is_empty() => continue,
                    Ok(text) => return Some(text),
                    Err(fault) => {
                        // The reader comes back after two seconds and goes on where it stood.
                        tracing::debug!(%fault, "a live stream ended");
                        return None;
                    }
                }
            }
            let stop = self.stop.clone();
            tokio::select! {
                () = stop.cancelled() => return None,
                woken = tokio::time::timeout(PING_EVERY, self.news()) => match woken {
                    Ok(true) => self.has_news = true,
                    Ok(false) => return None,
                    Err(_elapsed) => return Some(":\n\n".to_owned()),
                },
            }
        }
    }

    /// Waits for a commit of this store. False when there will be none.
    async fn news(&mut self) -> bool {
        loop {
            match self.commits.recv().await {
                Ok(commit) if commit.tenant == self.tenant && commit.head > self.position => return true,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return true,
                Err(RecvError::Closed) => return false,
            }
        }
    }

    /// Reads on from the position. Empty when nothing of it is for this reader.
    async fn read(&mut self) -> Result<String, Fault> {
        let rows = service::after(&self.shared, self.tenant, self.position, ROWS_AT_A_TIME).await?;
        let is_all = u32::try_from(rows.len()).is_ok_and(|count| count < ROWS_AT_A_TIME);
        self.has_news = !is_all;
        let mut text = String::new();
        for row in rows {
            self.position = row.seq;
            if self.rights.has(service::needed(&row.entity, &row.kind)) {
                write_event(&mut text, &row)?;
            }
            // The reader's own rights may have changed, or his session ended: he comes back and shows his credentials.
            if row.entity_id == self.actor && matches!(row.kind.as_str(), "token.revoked" | "session.ended") {
                self.ends = Duration::ZERO;
            }
        }
        Ok(text)
    }
}

fn write_event(out: &mut String, row: &JournalRow) -> Result<(), Fault> {
    let entity_id = Entity::show_id(&row.entity, row.entity_id);
    let event = LiveEvent { seq: row.seq, kind: &row.kind, entity: &row.entity, entity_id, at: row.at };
    let data = serde_json::to_string(&event).map_err(|error| Fault::broken(error.to_string()))?;
    write!(out, "id: {}\nevent: {}\ndata: {data}\n\n", row.seq, row.kind)
        .map_err(|error| Fault::broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_ends() {
        let streams = Streams { stop: CancellationToken::new(), open: Arc::default() };
        let (one, other) = (TenantId::from_array([1; 16]), TenantId::from_array([2; 16]));
        let mut seats: Vec<Seat> = (0..STREAMS_MAX).map(|_| streams.sit(one).unwrap()).collect();
        let full = streams.sit(one).err().unwrap();
        assert_eq!((full.kind, full.code), (Kind::Unavailable, "too_many_streams"));
        assert!(streams.sit(other).is_ok());
        seats.pop();
        assert!(streams.sit(one).is_ok());
        drop(seats);
        assert!(streams.open.lock().is_empty());
    }

    #[test]
    fn an_id_of_any_type_is_understood() {
        assert!(typed_id("ord_00000000000000000000000000").is_ok());
        assert!(typed_id("ord_short").is_err());
        assert!(typed_id("xyz_00000000000000000000000000").is_err());
    }
}
