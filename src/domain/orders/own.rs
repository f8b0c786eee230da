//! Orders of the store's own: what a caller asks for becomes an order that can be placed.

use super::OrderError;
use super::model::{NewLine, NewOrder, OrderOrigin, OwnLine, OwnOrder, PaymentStatus, sum_lines};
use super::service::PLACE;
use crate::base::error::Fault;
use crate::base::money::Money;
use crate::domain::catalog::model::VariantRef;
use crate::domain::catalog::service::{self as catalog, VariantName};
use crate::domain::customers::service as customers;
use crate::domain::inventory::model::Warehouse;
use crate::domain::inventory::queries as stock;
use crate::domain::payments::model::{AttemptState, NewAttempt};
use crate::kernel::command::Cx;
use crate::kernel::scope::Scope;
use std::sync::Arc;

/// What is known of an order's variants and of where it is served from before its command is queued: the writer has not to look that up.
#[derive(Debug)]
pub struct Known {
    /// Line by line; none where nothing was found.
    variants: Vec<Option<Arc<VariantRef>>>,
    /// All of them, the one that is asked first at the top.
    pub(super) warehouses: Arc<Vec<Warehouse>>,
}

/// Looks up what an order of the store's own names.
pub async fn look_up(scope: &Scope, own: &OwnOrder) -> Result<Known, Fault> {
    let mut variants = Vec::with_capacity(own.lines.len());
    for line in &own.lines {
        variants.push(match name_of(line) {
            Some(name) => catalog::variant_known(scope, PLACE.permission, name).await?,
            None => None,
        });
    }
    Ok(Known { variants, warehouses: stock::warehouses_known(scope, PLACE.permission).await? })
}

fn name_of(line: &OwnLine) -> Option<VariantName> {
    let by_id = line.variant.map(VariantName::Id);
    by_id.or_else(|| line.sku.clone().map(VariantName::Sku))
}

/// Makes an order of what the store's own names, and sums it. Prices hold their tax. What was not known is looked up again.
pub fn build_in(cx: &mut Cx<'_>, own: &OwnOrder, known: &Known) -> Result<(NewOrder, NewAttempt), Fault> {
    let too_large = |_error| OrderError::TooLarge;
    let zero = Money::zero(own.currency);
    let mut lines = Vec::with_capacity(own.lines.len());
    for (position, line) in own.lines.iter().enumerate() {
        let found = match known.variants.get(position).cloned().flatten() {
            Some(found) => Some(found),
            None => {
                name_of(line).map(|name| catalog::variant_named(cx.read(), &name)).transpose()?.flatten().map(Arc::new)
            }
        };
        let found = found.ok_or_else(|| OrderError::NoVariant {
            position,
            wanted: line.variant.map(|id| id.to_string()).or_else(|| line.sku.clone()).unwrap_or_default(),
        })?;
        lines.push(NewLine {
            external_id: None,
            variant: Some(found.id),
            product: Some(found.product_id),
            sku: Some(found.sku.clone()),
            title: found.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: zero,
            tax: zero,
            total: line.unit_price.times(line.quantity.get()).map_err(too_large)?,
        });
    }
    let totals = sum_lines(own.currency, &lines).map_err(too_large)?;
    let customer = match &own.customer {
        Some(customer) => customers::link_in(cx, customer.clone())?,
        None => None,
    };
    let attempt = NewAttempt { provider: "manual".to_owned(), state: AttemptState::Pending, amount: totals.total };
    let order = NewOrder {
        origin: OrderOrigin {
            external_id: own.external_id.clone(),
            warehouses: known.warehouses.iter().map(|warehouse| warehouse.id).collect(),
            ..OrderOrigin::default()
        },
        placed: cx.now(),
        currency: own.currency,
        tax_inclusive: true,
        lines,
        totals,
        difference: zero,
        customer,
        payment_status: PaymentStatus::Pending,
        note: own.note.clone(),
        address: None,
    };
    Ok((order, attempt))
}
