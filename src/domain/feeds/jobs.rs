//! The jobs that push products and stock.

use super::model::{ProductPush, attributes_hash};
use super::pace::{Group, Pace, Turn};
use super::port::{FeedAccount, FeedPort, FeedPorts, ProductInput, PushContext, PushError, StockPush};
use super::service::{self, PushPayload};
use super::told::{DueStock, Told};
use super::{PRODUCT_LANE, PUSH_PRODUCT, PUSH_STOCK, STOCK_LANE, model};
use crate::base::error::Fault;
use crate::base::id::TenantId;
use crate::infra::vault::sha256;
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;
use crate::kernel::work::handler::FEED_LADDER;
use crate::kernel::work::{Handler, JobRun, Outcome, Policy, Running};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a push waits for a product that the vendor does not show yet.
const NOT_YET: Duration = Duration::from_secs(30);

/// The line of one store to its account: the port, which keeps its token, and the pace.
struct Line {
    made_of: [u8; 32],
    port: Arc<dyn FeedPort>,
    pace: Pace,
}

/// The lines of all stores, one each.
struct Lines {
    ports: Arc<dyn FeedPorts>,
    open: Mutex<HashMap<TenantId, Arc<Line>>>,
}

impl Lines {
    /// The store's line, made anew when its connection is another one.
    fn line(&self, scope: &Scope, told: &Told) -> Result<Arc<Line>, String> {
        let tenant = scope.tenant();
        let key = service::credentials(&tenant.key, &told.connection).map_err(|error| error.to_string())?;
        let connection = &told.connection;
        let made_of =
            sha256(&[connection.endpoint.as_bytes(), b"\0", connection.account_id.as_bytes(), b"\0", key.as_bytes()]);
        let mut open = self.open.lock();
        if let Some(line) = open.get(&tenant.id).filter(|line| line.made_of == made_of) {
            return Ok(Arc::clone(line));
        }
        let port = self.ports.port(&connection.endpoint, &key)?;
        let line = Arc::new(Line { made_of, port, pace: Pace::new(Arc::clone(scope.clock())) });
        open.insert(tenant.id, Arc::clone(&line));
        Ok(line)
    }
}

/// The handlers of feeds over one set of lines.
pub fn handlers(ports: Arc<dyn FeedPorts>) -> Vec<Arc<dyn Handler>> {
    let lines = Arc::new(Lines { ports, open: Mutex::new(HashMap::new()) });
    vec![Arc::new(PushProduct(Arc::clone(&lines))), Arc::new(PushStock(lines))]
}

const fn policy(kind: &'static str, lane: u8) -> Policy {
    Policy { kind, lane, ladder: FEED_LADDER, concurrency: 4, time_max: Duration::from_secs(60) }
}

struct PushProduct(Arc<Lines>);
struct PushStock(Arc<Lines>);

impl Handler for PushProduct {
    fn policy(&self) -> Policy {
        policy(PUSH_PRODUCT, PRODUCT_LANE)
    }

    fn run<'a>(&'a self, run: &'a JobRun) -> Running<'a> {
        Box::pin(async move { push_product(&self.0, run).await.map_or_else(|ended| ended, |()| Outcome::Done) })
    }
}

impl Handler for PushStock {
    fn policy(&self) -> Policy {
        policy(PUSH_STOCK, STOCK_LANE)
    }

    fn run<'a>(&'a self, run: &'a JobRun) -> Running<'a> {
        Box::pin(async move { push_stock(&self.0, run).await.map_or_else(|ended| ended, |()| Outcome::Done) })
    }
}

/// What a run has at hand once it is to call the vendor.
struct Desk<'a> {
    run: &'a JobRun,
    line: Arc<Line>,
    account: FeedAccount,
    context: PushContext,
}

/// What the product push of a run came to.
enum Product {
    /// The vendor has it: it took it, or has a newer version.
    Stands,
    /// It refuses the attributes.
    Refused(String),
}

async fn read(run: &JobRun) -> Result<Option<Told>, Outcome> {
    let PushPayload { variant_id } = run.payload()?;
    Ok(run.scope.read(Permission::FeedRead, |tx| service::told(tx, variant_id)).await?)
}

async fn push_product(lines: &Lines, run: &JobRun) -> Result<(), Outcome> {
    let Some(told) = read(run).await? else { return Ok(()) };
    let now = run.scope.clock().now();
    match told.product_push(now, run.job.created) {
        None | Some(ProductPush::Current(_)) => return hand_on(run, &told).await,
        Some(ProductPush::NotBefore(due)) => {
            hand_on(run, &told).await?;
            let reason = "the item was pushed twice within a day".to_owned();
            return Err(Outcome::Later { reason, due });
        }
        Some(ProductPush::Due(_)) => {}
    }
    let desk = Desk::open(lines, run, &told).await?;
    let version = told.next_version(now);
    match desk.product(&told, version).await {
        Ok(version) => {
            let is_told = told.due_stock().is_empty();
            run.complete(&service::RECORD_PRODUCT, move |cx| {
                service::record_product_in(cx, &told, version)?;
                if is_told { Ok(()) } else { service::enqueue_stock_of_in(cx, told.item.variant, &told.item.sku) }
            })
            .await?;
            Ok(())
        }
        Err(halt) => {
            if matches!(halt, Halt::Push(PushError::Invalid(_) | PushError::StaleVersion)) {
                hand_on(run, &told).await?;
            }
            Err(desk.outcome(&told, halt, true).await)
        }
    }
}

/// Asks for a stock push where stores of a product that stands at the vendor were told something else: another price, or stock of what is no longer
/// sold.
async fn hand_on(run: &JobRun, told: &Told) -> Result<(), Outcome> {
    if told.product.history.last.is_none() || told.due_stock().is_empty() {
        return Ok(());
    }
    let (variant, sku) = (told.item.variant, told.item.sku.clone());
    run.scope.write(&service::ASK_STOCK, move |cx| service::enqueue_stock_of_in(cx, variant, &sku)).await?;
    Ok(())
}

async fn push_stock(lines: &Lines, run: &JobRun) -> Result<(), Outcome> {
    let Some(mut told) = read(run).await? else { return Ok(()) };
    let now = run.scope.clock().now();
    let product = told.product_push(now, run.job.created);
    let is_product_due = matches!(product, Some(ProductPush::Due(_)));
    let was_accepted = told.product.history.last.is_some();
    if !is_product_due && (told.due_stock().is_empty() || !was_accepted) {
        return Ok(());
    }
    let desk = Desk::open(lines, run, &told).await?;
    let mut refusal = None;
    if is_product_due {
        if let Product::Refused(issue) = desk.product_first(&told).await? {
            if !was_accepted {
                return Err(Outcome::Dead(issue));
            }
            refusal = Some(issue);
        }
        let Some(again) = read(run).await? else { return Ok(()) };
        told = again;
    }
    let mut pushed = Vec::new();
    for due in told.due_stock() {
        if let Err(ended) = desk.stock(&told, &due).await {
            // What was told so far stands, whatever becomes of the rest.
            run.scope.write(&service::RECORD_STOCK, move |cx| service::record_stock_in(cx, &told, &pushed)).await?;
            return Err(ended);
        }
        pushed.push(due);
    }
    if let Some(issue) = refusal {
        tracing::info!(job = %run.job.id, issue, "stock was pushed for an item whose new attributes are refused");
    }
    let changed_later = matches!(product, Some(ProductPush::NotBefore(_)));
    run.complete(&service::RECORD_STOCK, move |cx| {
        if changed_later {
            service::enqueue_product_in(cx, told.item.variant)?;
        }
        service::record_stock_in(cx, &told, &pushed)
    })
    .await?;
    Ok(())
}

impl<'a> Desk<'a> {
    async fn open(lines: &Lines, run: &'a JobRun, told: &Told) -> Result<Self, Outcome> {
        let line = match lines.line(&run.scope, told) {
            Ok(line) => line,
            Err(error) => return Err(misconfigured(run, error).await),
        };
        let account = FeedAccount {
            account_id: told.connection.account_id.clone(),
            data_source: told.connection.data_source.clone(),
            content_language: told.connection.content_language.clone(),
            feed_label: told.connection.feed_label.clone(),
        };
        let trace = &run.scope.request().trace;
        let traceparent = trace.get(16..).map(|span| format!("00-{trace}-{span}-01"));
        // The job's id, not the run's: a repeat carries the same key (D4).
        let context = PushContext { request_id: run.job.id.to_string(), traceparent };
        line.pace.learn(line.port.as_ref(), &account, &context).await;
        Ok(Self { run, line, account, context })
    }

    /// Waits for a turn.
    async fn turn(&self, group: Group) -> Result<(), Outcome> {
        match self.line.pace.turn(group) {
            Turn::After(Duration::ZERO) => Ok(()),
            Turn::After(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Turn::Later(wait) => {
                let due = self.run.scope.clock().now().plus(wait);
                Err(Outcome::Later { reason: "the vendor's limit on calls a minute is used up".to_owned(), due })
            }
        }
    }

    /// Pushes a product and gives the version that stands.
    async fn product(&self, told: &Told, version: i64) -> Result<i64, Halt> {
        self.turn(Group::Product).await.map_err(Halt::Ended)?;
        let input = ProductInput { item: told.item.feed_item(), availability: told.availability() };
        let pushed = self.line.port.push_product(&self.account, &input, version, &self.context).await;
        let stands = pushed.map_err(Halt::Push)?.version;
        self.line.pace.went_well();
        Ok(stands.max(version))
    }

    /// Pushes a product within a stock push, and records that without closing the job.
    async fn product_first(&self, told: &Told) -> Result<Product, Outcome> {
        let version = told.next_version(self.run.scope.clock().now());
        match self.product(told, version).await {
            Ok(version) => {
                let told = told.clone();
                let record =
                    move |cx: &mut crate::kernel::command::Cx<'_>| service::record_product_in(cx, &told, version);
                self.run.scope.write(&service::RECORD_PRODUCT, record).await?;
                Ok(Product::Stands)
            }
            Err(Halt::Push(PushError::StaleVersion)) => Ok(Product::Stands),
            Err(Halt::Push(PushError::Invalid(issue))) => {
                self.reject(told, &issue, true).await?;
                Ok(Product::Refused(issue))
            }
            Err(halt) => Err(self.outcome(told, halt, true).await),
        }
    }

    /// Tells one store.
    async fn stock(&self, told: &Told, due: &DueStock) -> Result<(), Outcome> {
        self.turn(Group::Stock).await?;
        let push = StockPush {
            offer_id: told.item.sku.clone(),
            store_code: due.store_code.clone(),
            quantity: due.quantity,
            availability: model::availability(due.quantity, None),
            price: Some(due.price),
            pickup: None,
            shelf: None,
            first_pushed_at: told.product.first,
        };
        match self.line.port.push_stock(&self.account, &push, &self.context).await {
            Ok(()) => {
                self.line.pace.went_well();
                Ok(())
            }
            Err(error) => Err(self.outcome(told, Halt::Push(error), false).await),
        }
    }

    async fn reject(&self, told: &Told, issue: &str, is_product: bool) -> Result<(), Fault> {
        let (told, issue) = (told.clone(), issue.to_owned());
        self.run.scope.write(&service::REJECT, move |cx| service::reject_in(cx, &told, &issue, is_product)).await
    }

    /// What a push that failed means for the job (D1).
    async fn outcome(&self, told: &Told, halt: Halt, is_product: bool) -> Outcome {
        let error = match halt {
            Halt::Ended(outcome) => return outcome,
            Halt::Push(error) => error,
        };
        let reason = error.to_string();
        let now = self.run.scope.clock().now();
        match error {
            PushError::Offline { until, .. } => Outcome::Park { reason, until },
            PushError::RateLimited { retry_after } => Outcome::Park { reason, until: Some(now.plus(retry_after)) },
            PushError::DailyQuota { until } => Outcome::Park { reason, until: Some(until) },
            PushError::NotYetVisible { give_up_at, .. } => {
                Outcome::Later { reason, due: now.plus(NOT_YET).min(give_up_at) }
            }
            PushError::StaleVersion => self.stale(told).await,
            PushError::Configuration(reason) => misconfigured(self.run, reason).await,
            PushError::Invalid(reason) => match self.reject(told, &reason, is_product).await {
                Ok(()) => Outcome::Dead(reason),
                Err(fault) => fault.into(),
            },
            PushError::Server(_) | PushError::Unknown(_) => Outcome::Retry(reason),
        }
    }

    /// The vendor has a newer version, and the newer one wins. It is ours if another job pushed meanwhile; else somebody else writes there too, or
    /// our records are older than what was pushed, and then the log says so.
    async fn stale(&self, told: &Told) -> Outcome {
        let read = read(self.run).await;
        let stands = read.ok().flatten().and_then(|now| now.product.history.hash);
        if stands != Some(attributes_hash(&told.item.feed_item())) {
            tracing::warn!(job = %self.run.job.id, sku = %told.item.sku, "the vendor has a newer version than was pushed");
        }
        Outcome::Done
    }
}

/// Why a push did not end in an answer of success.
enum Halt {
    /// There was no turn for it.
    Ended(Outcome),
    /// The vendor, or the way there.
    Push(PushError),
}

/// Nothing gets through until a person changes the set-up: said on the screen, and tried again at the runner's own spacing.
async fn misconfigured(run: &JobRun, reason: String) -> Outcome {
    let text = reason.clone();
    match run.scope.write(&service::NOTE_ERROR, move |cx| service::note_error_in(cx, &text)).await {
        Ok(()) => Outcome::Park { reason, until: None },
        Err(fault) => fault.into(),
    }
}
