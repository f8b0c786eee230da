//! Orders over HTTP.

use super::OrderError;
use super::model::{LINES_MAX, NewLine, NewOrder, OrderLine, OrderOrigin, OrderSummary, PaymentStatus, sum_lines};
use super::service;
use super::store::{self, OrderFilter};
use super::timeline::timeline;
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, FieldFault, Place};
use crate::base::id::{ChannelId, CustomerId, LineId, OrderId, PaymentId, ProductId, VariantId, WarehouseId};
use crate::base::money::{Currency, Money, MoneyWire};
use crate::base::page::Page;
use crate::base::quantity::{QUANTITY_MAX, Quantity};
use crate::base::text::is_clean;
use crate::domain::catalog::service as catalog;
use crate::domain::customers::model::NewCustomer;
use crate::domain::customers::service as customers;
use crate::domain::inventory::model::WhenShort;
use crate::domain::payments::model::{AttemptState, NewAttempt};
use crate::domain::payments::service as payments;
use crate::infra::db::ReadTx;
use crate::kernel::actor::Actor;
use crate::kernel::command::Cx;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, PageQuery, json, json_reply, missing, page, page_number, page_of_few};
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
    /// Lines.
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    /// ISO 4217.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    currency: String,
    /// 1 to 200 lines.
    #[schemars(length(min = 1, max = 200))]
    lines: Vec<OrderBodyLine>,
    /// Who buys.
    customer: Option<OrderBodyCustomer>,
    /// The shopper's words.
    #[schemars(length(max = 5000))]
    note: Option<String>,
    /// The caller's key of the order, unique in the store.
    #[schemars(length(min = 1, max = 100))]
    external_id: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderBodyLine {
    /// What. Either this or `sku`.
    variant_id: Option<VariantId>,
    /// What. Either this or `variant_id`.
    #[schemars(length(min = 1, max = 100))]
    sku: Option<String>,
    /// Pieces.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    quantity: i64,
    /// Of one piece, tax included, in the order's currency.
    unit_price: MoneyWire,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderBodyCustomer {
    /// E-mail address.
    #[schemars(length(max = 254))]
    email: Option<String>,
    /// Name.
    #[schemars(length(max = 300))]
    name: Option<String>,
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
    let rows = call
        .scope()?
        .read(Permission::OrderRead, |tx| store::orders_list(tx, &filter, limit).map_err(Fault::from))
        .await?;
    let page = Page::cut(rows, wanted.limit, |row| row.number.to_be_bytes().to_vec()).map(|row| summary(&row));
    json(200, &page)
}

/// An order as its page shows it, or none.
fn whole(tx: &ReadTx<'_>, id: OrderId) -> Result<Option<OrderWire>, Fault> {
    let Some(row) = store::order_get(tx, id)? else { return Ok(None) };
    let currency = row.totals.total.currency;
    let allocations = store::allocations_of(tx, id)?;
    let missing = store::missing_of(tx, id)?;
    let mut lines = Vec::new();
    for line in store::lines_of(tx, id, currency)? {
        let product_id = match line.variant {
            Some(variant) => catalog::variant_get(tx, variant)?.map(|found| found.product_id),
            None => None,
        };
        lines.push(line_wire(line, product_id, &allocations, &missing));
    }
    let attempts = payments::attempts_of(tx, id)?.into_iter().map(|attempt| PaymentWire {
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
    Ok(Some(OrderWire {
        summary: summary(&row),
        external_id: row.external_id.clone(),
        currency: currency.code().to_owned(),
        tax_inclusive: row.tax_inclusive,
        note: row.note.clone(),
        totals,
        difference: row.is_flagged().then(|| row.difference.into()),
        fulfilment_hold: row.is_flagged(),
        lines,
        payments: attempts.collect(),
        shipping_address: row.address.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        version: row.version,
    }))
}

fn line_wire(
    line: OrderLine,
    product_id: Option<ProductId>,
    allocations: &[(LineId, WarehouseId, String, i64)],
    missing: &[(LineId, i64)],
) -> LineWire {
    let own = allocations.iter().filter(|(id, ..)| *id == line.id);
    let allocations: Vec<AllocationWire> = own
        .map(|(_, warehouse, code, quantity)| AllocationWire {
            warehouse_id: *warehouse,
            warehouse_code: code.clone(),
            quantity: *quantity,
        })
        .collect();
    LineWire {
        id: line.id,
        position: line.position,
        sku: line.sku,
        title: line.title,
        variant_id: line.variant,
        product_id,
        quantity: line.quantity,
        reserved: allocations.iter().map(|part| part.quantity).sum(),
        short: missing.iter().filter(|(id, _)| *id == line.id).map(|(_, pieces)| *pieces).sum(),
        unit_price: line.unit_price.into(),
        discount: line.discount.into(),
        tax: line.tax.into(),
        total: line.total.into(),
        allocations,
    }
}

async fn get(call: Call) -> Result<Answer, Fault> {
    let id: OrderId = call.id("id")?;
    let found = call.scope()?.read(Permission::OrderRead, |tx| whole(tx, id)).await?;
    json(200, &found.ok_or_else(|| missing("order"))?)
}

async fn story(call: Call) -> Result<Answer, Fault> {
    let id: OrderId = call.id("id")?;
    let query: PageQuery = call.query()?;
    let steps = call
        .scope()?
        .read(Permission::OrderRead, |tx| {
            let order = store::order_get(tx, id)?.ok_or(OrderError::Missing)?;
            let lines = store::lines_of(tx, id, order.totals.total.currency)?;
            timeline(tx, id, &lines)
        })
        .await?;
    let wire = |step: super::timeline::Step| {
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
    let checked = check(body)?;
    let reply = call.scope()?.reply(&service::PLACE, move |cx| {
        let (order, attempt) = build(cx, &checked)?;
        let placed = service::place_in(cx, &order, Some(&attempt), WhenShort::Refuse)?;
        let wire = whole(cx.read(), placed.id)?.ok_or(OrderError::Missing)?;
        let mut reply = json_reply(201, &wire)?;
        reply.headers.push(("location".to_owned(), format!("/api/v1/orders/{}", placed.id)));
        Ok(reply)
    });
    reply.await.map(Answer::Reply)
}

/// A body whose fields hold by themselves; what they name is looked up in the transaction.
struct Checked {
    currency: Currency,
    lines: Vec<(Option<VariantId>, Option<String>, Quantity, Money)>,
    customer: Option<NewCustomer>,
    note: String,
    external_id: Option<String>,
}

fn complain(faults: &mut Vec<FieldFault>, pointer: String, code: &'static str, detail: impl Into<String>) {
    faults.push(FieldFault { place: Place::Pointer(pointer), code, detail: detail.into() });
}

fn check(body: OrderBody) -> Result<Checked, Fault> {
    let currency = Currency::parse(&body.currency)
        .map_err(|error| Fault::field(Place::Pointer("/currency".to_owned()), "unknown_currency", error.to_string()))?;
    let mut faults = Vec::new();
    if body.lines.is_empty() || body.lines.len() > LINES_MAX {
        complain(&mut faults, "/lines".to_owned(), "out_of_range", format!("An order has 1 to {LINES_MAX} lines."));
    }
    let mut lines = Vec::with_capacity(body.lines.len());
    for (index, line) in body.lines.into_iter().enumerate() {
        lines.extend(check_line(&mut faults, index, line, currency));
    }
    let note = body.note.unwrap_or_default();
    if note.chars().count() > 5000 || !is_clean(&note) {
        let detail = "`note` has at most 5000 characters and no control characters.";
        complain(&mut faults, "/note".to_owned(), "invalid_text", detail);
    }
    let external_id = body.external_id;
    if let Some(id) = &external_id
        && (!(1..=100).contains(&id.chars().count()) || !is_clean(id))
    {
        let detail = "`external_id` has 1 to 100 characters and no control characters.";
        complain(&mut faults, "/external_id".to_owned(), "invalid_text", detail);
    }
    let customer = body.customer.and_then(|customer| check_customer(&mut faults, customer));
    if !faults.is_empty() {
        return Err(Fault::fields(faults));
    }
    Ok(Checked { currency, lines, customer, note, external_id })
}

type CheckedLine = (Option<VariantId>, Option<String>, Quantity, Money);

fn check_line(
    faults: &mut Vec<FieldFault>,
    index: usize,
    line: OrderBodyLine,
    currency: Currency,
) -> Option<CheckedLine> {
    let at = |field: &str| format!("/lines/{index}/{field}");
    let before = faults.len();
    let quantity = Quantity::new(line.quantity).filter(|quantity| !quantity.is_zero());
    if quantity.is_none() {
        let detail = format!("`quantity` lies between 1 and {QUANTITY_MAX}.");
        complain(faults, at("quantity"), "out_of_range", detail);
    }
    if line.variant_id.is_some() == line.sku.is_some() {
        let detail = "A line names either `variant_id` or `sku`.";
        complain(faults, format!("/lines/{index}"), "variant_or_sku", detail);
    }
    let price = Money::try_from(&line.unit_price);
    match &price {
        Ok(price) if price.currency != currency => {
            let detail = format!("The price is in {}, the order in {currency}.", price.currency);
            complain(faults, at("unit_price/currency"), "mixed_currencies", detail);
        }
        Ok(price) if price.minor < 0 => {
            complain(faults, at("unit_price/amount"), "out_of_range", "A price is not below zero.");
        }
        Ok(_) => {}
        Err(error) => complain(faults, at("unit_price"), "invalid_money", format!("{error}.")),
    }
    if faults.len() > before {
        return None;
    }
    Some((line.variant_id, line.sku, quantity?, price.ok()?))
}

fn check_customer(faults: &mut Vec<FieldFault>, customer: OrderBodyCustomer) -> Option<NewCustomer> {
    let OrderBodyCustomer { email, name } = customer;
    if let Some(email) = &email {
        let is_address = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !is_address || email.chars().count() > 254 || !is_clean(email) {
            complain(faults, "/customer/email".to_owned(), "invalid_email", "`email` is not an e-mail address.");
        }
    }
    if name.as_ref().is_some_and(|name| name.chars().count() > 300 || !is_clean(name)) {
        let detail = "`name` has at most 300 characters and no control characters.";
        complain(faults, "/customer/name".to_owned(), "invalid_text", detail);
    }
    Some(NewCustomer { email, name, phone: None })
}

fn build(cx: &mut Cx<'_>, checked: &Checked) -> Result<(NewOrder, NewAttempt), Fault> {
    let too_large = |_error| OrderError::TooLarge;
    let zero = Money::zero(checked.currency);
    let mut lines = Vec::with_capacity(checked.lines.len());
    for (position, (variant, sku, quantity, price)) in checked.lines.iter().enumerate() {
        let found = match (variant, sku) {
            (Some(id), _) => catalog::variant_get(cx.read(), *id)?,
            (None, Some(sku)) => catalog::variant_by_sku(cx.read(), sku)?,
            (None, None) => None,
        };
        let found = found.ok_or_else(|| OrderError::NoVariant {
            position,
            wanted: variant.map(|id| id.to_string()).or_else(|| sku.clone()).unwrap_or_default(),
        })?;
        lines.push(NewLine {
            external_id: None,
            variant: Some(found.id),
            sku: Some(found.sku),
            title: found.title,
            quantity: *quantity,
            unit_price: *price,
            discount: zero,
            tax: zero,
            total: price.times(quantity.get()).map_err(too_large)?,
        });
    }
    let totals = sum_lines(checked.currency, &lines).map_err(too_large)?;
    let customer = match &checked.customer {
        Some(customer) => customers::link_in(cx, customer.clone())?,
        None => None,
    };
    let attempt = NewAttempt { provider: "manual".to_owned(), state: AttemptState::Pending, amount: totals.total };
    let order = NewOrder {
        origin: OrderOrigin { external_id: checked.external_id.clone(), ..OrderOrigin::default() },
        placed: cx.now(),
        currency: checked.currency,
        tax_inclusive: true,
        lines,
        totals,
        difference: zero,
        customer,
        payment_status: PaymentStatus::Pending,
        note: checked.note.clone(),
        address: None,
    };
    Ok((order, attempt))
}
