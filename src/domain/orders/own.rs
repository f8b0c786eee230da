//! Orders of the store's own: what a caller asks for becomes an order that can be placed.

use super::OrderError;
use super::model::{NewLine, NewOrder, OrderOrigin, OwnOrder, PaymentStatus, sum_lines};
use crate::base::error::Fault;
use crate::base::money::Money;
use crate::domain::catalog::service as catalog;
use crate::domain::customers::service as customers;
use crate::domain::payments::model::{AttemptState, NewAttempt};
use crate::kernel::command::Cx;

/// Looks up what an order of the store's own names, and sums it. Prices hold their tax.
pub fn build_in(cx: &mut Cx<'_>, own: &OwnOrder) -> Result<(NewOrder, NewAttempt), Fault> {
    let too_large = |_error| OrderError::TooLarge;
    let zero = Money::zero(own.currency);
    let mut lines = Vec::with_capacity(own.lines.len());
    for (position, line) in own.lines.iter().enumerate() {
        let found = match (line.variant, &line.sku) {
            (Some(id), _) => catalog::variant_get(cx.read(), id)?,
            (None, Some(sku)) => catalog::variant_by_sku(cx.read(), sku)?,
            (None, None) => None,
        };
        let found = found.ok_or_else(|| OrderError::NoVariant {
            position,
            wanted: line.variant.map(|id| id.to_string()).or_else(|| line.sku.clone()).unwrap_or_default(),
        })?;
        lines.push(NewLine {
            external_id: None,
            variant: Some(found.id),
            product: Some(found.product_id),
            sku: Some(found.sku),
            title: found.title,
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
        origin: OrderOrigin { external_id: own.external_id.clone(), ..OrderOrigin::default() },
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
