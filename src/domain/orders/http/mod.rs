//! Orders over HTTP.

mod body;

use self::body::{CancelBody, OrderBody};
use super::model::{OrderFilter, OrderSummary, WholeLine, WholeOrder};
use super::own;
use super::queries;
use super::service;
use super::timeline::Step;
use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{ChannelId, CustomerId, LineId, OrderId, PaymentId, ProductId, VariantId, WarehouseId};
use crate::base::money::MoneyWire;
use crate::base::page::Page;
use crate::domain::inventory::model::WhenShort;
use crate::kernel::actor::Actor;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, PageQuery, json, json_reply, page, page_number, page_of_few};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderSummary")]
struct SummaryWire {
    /// Id.
    id: OrderId,
    /// Number, counted per store.
    number: i64,
    /// What the shopper calls it.
    external_number: Option<String>,
    /// The channel that sold it; none for the store's own.
    channel_id: Option<ChannelId>,
    /// Who bought.
    customer: Option<CustomerWire>,
    /// When it was bought.
    placed_at: Timestamp,
    /// When it came.
    created_at: Timestamp,
    /// `open` or `cancelled`.
    status: String,
    /// `reserved`, `short`, `unmapped` or `none`.
    stock_status: &'static str,
    /// How far it is paid.
    payment_status: String,
    /// Whether its sums differ from the channel's.
    flagged: bool,
    /// What is asked for.
    total: MoneyWire,
    /// Lines of which pieces are left.
    line_count: i64,
    /// Pieces.
    quantity: i64,
    /// Pieces that are not there.
    short_quantity: i64,
}

/// Who bought.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderCustomer")]
struct CustomerWire {
    /// Id.
    id: CustomerId,
    /// Name.
    name: String,
    /// E-mail address.
    email: Option<String>,
}

/// An order with its lines.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Order")]
struct OrderWire {
    #[serde(flatten)]
    summary: SummaryWire,
    /// The channel's key.
    external_id: Option<String>,
    /// Of all amounts.
    currency: String,
    /// Whether prices hold the tax.
    tax_inclusive: bool,
    /// The shopper's words.
    note: String,
    /// Sums.
    totals: TotalsWire,
    /// The channel's total less ours, when they differ.
    difference: Option<MoneyWire>,
    /// Whether nothing may leave for it until somebody has looked.
    fulfilment_hold: bool,
    /// Lines.
    lines: Vec<LineWire>,
    /// Payment attempts.
    payments: Vec<PaymentWire>,
    /// Where it goes.
    shipping_address: Option<serde_json::Value>,
    /// Raised by each change.
    version: i64,
}

/// Sums of an order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderTotals")]
struct TotalsWire {
    /// Lines after discounts.
    subtotal: MoneyWire,
    /// All discounts.
    discount: MoneyWire,
    /// Shipping.
    shipping: MoneyWire,
    /// All taxes.
    tax: MoneyWire,
    /// What is asked for.
    total: MoneyWire,
}

/// A line.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderLine")]
struct LineWire {
    /// Id.
    id: LineId,
    /// Counted from one.
    position: i64,
    /// SKU as it was sold.
    sku: Option<String>,
    /// As the shopper saw it.
    title: String,
    /// What; none while the SKU is not known.
    variant_id: Option<VariantId>,
    /// Of which product.
    product_id: Option<ProductId>,
    /// Pieces.
    quantity: i64,
    /// Pieces that are promised or gone.
    reserved: i64,
    /// Pieces that are not there.
    short: i64,
    /// Of one piece.
    unit_price: MoneyWire,
    /// For all pieces.
    discount: MoneyWire,
    /// For all pieces.
    tax: MoneyWire,
    /// Price less discount.
    total: MoneyWire,
    /// From where.
    allocations: Vec<AllocationWire>,
}

/// Pieces from one warehouse.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Allocation")]
struct AllocationWire {
    /// Where.
    warehouse_id: WarehouseId,
    /// Its code.
    warehouse_code: String,
    /// Pieces.
    quantity: i64,
}

/// A payment attempt.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Payment")]
struct PaymentWire {
    /// Id.
    id: PaymentId,
    /// Who was asked.
    provider: String,
    /// `pending`, `authorized`, `captured`, `failed` or `cancelled`.
    status: String,
    /// How much.
    amount: MoneyWire,
    /// When.
    created_at: Timestamp,
}

/// A step of an order's story.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TimelineStep")]
struct StepWire {
    /// Position in the journal.
    seq: i64,
    /// When.
    at: Timestamp,
    /// What became true.
    #[serde(rename = "type")]
    kind: String,
    /// Who.
    actor: StepActor,
    /// In words.
    summary: String,
    /// The fact's body.
    data: serde_json::Value,
}

/// Who did a step.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TimelineActor")]
struct StepActor {
    /// `system`, `user`, `token`, `channel` or `operator`.
    kind: &'static str,
    /// Id, where the kind has one.
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrdersQuery {
    /// Number, external number, customer's name or e-mail.
    q: Option<String>,
    /// `open` or `cancelled`.
    status: Option<StatusWire>,
    /// `reserved`, `short` or `unmapped`.
    stock_status: Option<StockWire>,
    /// Sold there.
    channel_id: Option<ChannelId>,
    /// Only those whose sums differ from the channel's.
    flagged: Option<bool>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OrderStatus")]
enum StatusWire {
    Open,
    Cancelled,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StockStatus")]
enum StockWire {
    Reserved,
    Short,
    Unmapped,
}

/// The routes of orders.
pub fn routes() -> Vec<Route> {
    let read = Access::Needs(Permission::OrderRead);
    let write = Access::Needs(Permission::OrderWrite);
    vec![
        Route::get("/api/v1/orders", "orders_list", read, list)
            .summary("Orders, newest first.")
            .query::<OrdersQuery>()
            .answers::<Page<SummaryWire>>(200, "The orders."),
        Route::post("/api/v1/orders", "order_place", write, place)
            .summary("Places an order: validated, reserved and written in one transaction, or refused whole.")
            .body::<OrderBody>()
            .answers::<OrderWire>(201, "The order."),
        Route::get("/api/v1/orders/{id}", "order_get", read, get)
            .path::<OrderId>("id")
            .summary("One order with its lines.")
            .answers::<OrderWire>(200, "The order."),
        Route::post("/api/v1/orders/{id}/cancel", "order_cancel", write, cancel)
            .path::<OrderId>("id")
            .summary("Cancels an order of the store's own. One of a channel is cancelled at the channel.")
            .body::<CancelBody>()
            .answers::<OrderWire>(200, "The order, cancelled."),
        Route::get("/api/v1/orders/{id}/timeline", "order_timeline", read, story)
            .path::<OrderId>("id")
            .summary("What happened to an order, oldest first.")
            .query::<PageQuery>()
            .answers::<Page<StepWire>>(200, "The steps."),
    ]
}

fn summary(row: &OrderSummary) -> SummaryWire {
    SummaryWire {
        id: row.id,
        number: row.number,
        external_number: row.external_number.clone(),
        channel_id: row.channel,
        customer: row.customer.as_ref().map(|(id, email, name)| CustomerWire {
            id: *id,
            name: name.clone(),
            email: email.clone(),
        }),
        placed_at: row.placed,
        created_at: row.created,
        status: row.status.clone(),
        stock_status: row.stock_status(),
        payment_status: row.payment_status.clone(),
        flagged: row.is_flagged(),
        total: row.totals.total.into(),
        line_count: row.line_count,
        quantity: row.quantity,
        short_quantity: row.short,
    }
}

async fn list(call: Call) -> Result<Answer, Fault> {
    let query: OrdersQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let status = query.status.map(|status| match status {
        StatusWire::Open => "open".to_owned(),
        StatusWire::Cancelled => "cancelled".to_owned(),
    });
    let stock = query.stock_status.map(|stock| match stock {
        StockWire::Reserved => "reserved".to_owned(),
        StockWire::Short => "short".to_owned(),
        StockWire::Unmapped => "unmapped".to_owned(),
    });
    let filter = OrderFilter {
        q: query.q.filter(|q| !q.trim().is_empty()),
        status,
        stock,
        channel: query.channel_id,
        is_flagged: query.flagged.unwrap_or(false),
        before: page_number(&wanted)?,
    };
    let limit = wanted.limit.saturating_add(1);
    let rows = queries::orders(call.scope()?, &filter, limit).await?;
    let page = Page::cut(rows, wanted.limit, |row| row.number.to_be_bytes().to_vec()).map(|row| summary(&row));
    json(200, &page)
}

fn order_wire(order: WholeOrder) -> OrderWire {
    let row = order.summary;
    let payments = order.payments.into_iter().map(|attempt| PaymentWire {
        id: attempt.id,
        provider: attempt.provider,
        status: attempt.state,
        amount: attempt.amount.into(),
        created_at: attempt.created,
    });
    let totals = TotalsWire {
        subtotal: row.totals.subtotal.into(),
        discount: row.totals.discount.into(),
        shipping: row.totals.shipping.into(),
        tax: row.totals.tax.into(),
        total: row.totals.total.into(),
    };
    OrderWire {
        summary: summary(&row),
        currency: row.totals.total.currency.code().to_owned(),
        tax_inclusive: row.tax_inclusive,
        totals,
        difference: row.is_flagged().then(|| row.difference.into()),
        fulfilment_hold: row.is_flagged(),
        lines: order.lines.into_iter().map(line_wire).collect(),
        payments: payments.collect(),
        shipping_address: row.address.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        version: row.version,
        external_id: row.external_id,
        note: row.note,
    }
}

fn line_wire(whole: WholeLine) -> LineWire {
    let WholeLine { line, product, allocations, short } = whole;
    LineWire {
        id: line.id,
        position: line.position,
        sku: line.sku,
        title: line.title,
        variant_id: line.variant,
        product_id: product,
        quantity: line.quantity,
        reserved: allocations.iter().map(|part| part.quantity).sum(),
        short,
        unit_price: line.unit_price.into(),
        discount: line.discount.into(),
        tax: line.tax.into(),
        total: line.total.into(),
        allocations: allocations
            .into_iter()
            .map(|part| AllocationWire {
                warehouse_id: part.warehouse,
                warehouse_code: part.code,
                quantity: part.quantity,
            })
            .collect(),
    }
}

async fn get(call: Call) -> Result<Answer, Fault> {
    let id: OrderId = call.id("id")?;
    json(200, &order_wire(queries::order(call.scope()?, id).await?))
}

async fn story(call: Call) -> Result<Answer, Fault> {
    let id: OrderId = call.id("id")?;
    let query: PageQuery = call.query()?;
    let steps = queries::story(call.scope()?, id).await?;
    let wire = |step: Step| {
        let (kind, actor) = step.row.actor;
        StepWire {
            seq: step.row.seq,
            at: step.row.at,
            kind: step.row.kind,
            actor: StepActor { kind: Actor::kind_name(kind), name: Actor::show(kind, actor) },
            summary: step.summary,
            data: step.row.body.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        }
    };
    json(200, &page_of_few(&query, steps)?.map(wire))
}

async fn place(call: Call) -> Result<Answer, Fault> {
    let body: OrderBody = call.json()?;
    let own = body::check(body)?;
    let known = own::look_up(call.scope()?, &own).await?;
    let reply = call.scope()?.reply(&service::PLACE, move |cx| {
        let (order, attempt) = own::build_in(cx, &own, &known)?;
        let placed = service::place_in(cx, &order, Some(&attempt), WhenShort::Refuse)?;
        let whole = queries::placed(cx.read(), &order, &attempt, &placed, &known, cx.now())?;
        let mut reply = json_reply(201, &order_wire(whole))?;
        reply.headers.push(("location".to_owned(), format!("/api/v1/orders/{}", placed.id)));
        Ok(reply)
    });
    reply.await.map(Answer::Reply)
}

async fn cancel(call: Call) -> Result<Answer, Fault> {
    let id: OrderId = call.id("id")?;
    let (reason, restock) = body::check_cancel(&call.json()?)?;
    let reply = call.scope()?.reply(&service::CANCEL, move |cx| {
        service::cancel_own_in(cx, id, &reason, restock)?;
        json_reply(200, &order_wire(queries::order_in(cx.read(), id)?))
    });
    reply.await.map(Answer::Reply)
}
