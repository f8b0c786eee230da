//! Finding and making customers.

use super::model::{Customer, NewCustomer};
use super::store;
use crate::base::error::Fault;
use crate::base::id::CustomerId;
use crate::infra::db::{DbError, ReadTx};
use crate::kernel::command::Cx;
use crate::kernel::journal::{Entity, Fact};
use serde_json::json;

/// The customer that an order names: found by e-mail address, or made. A name or telephone number that was missing is filled in; one that is
/// known stays. Without an address a customer is made only when there is a name, for there is nothing to find one by; else there is none.
pub fn link_in(cx: &mut Cx<'_>, new: NewCustomer) -> Result<Option<CustomerId>, Fault> {
    let new = new.kept();
    let known = match &new.email {
        Some(email) => store::customer_by_email(cx.read(), email)?,
        None => None,
    };
    if let Some(known) = known {
        fill(cx, &known, &new)?;
        return Ok(Some(known.id));
    }
    if new.email.is_none() && new.name.is_none() {
        return Ok(None);
    }
    let id: CustomerId = cx.id();
    store::customer_insert(cx.tx(), id, &new, cx.now())?;
    cx.record(Fact::new("customer.created", Entity::Customer, id, &json!({}))?)?;
    Ok(Some(id))
}

fn fill(cx: &mut Cx<'_>, known: &Customer, new: &NewCustomer) -> Result<(), Fault> {
    let mut filled = Vec::new();
    if known.name.is_empty() && new.name.is_some() {
        filled.push("name");
    }
    if known.phone.is_none() && new.phone.is_some() {
        filled.push("phone");
    }
    if filled.is_empty() {
        return Ok(());
    }
    store::customer_fill(cx.tx(), known.id, new, cx.now())?;
    cx.record(Fact::new("customer.updated", Entity::Customer, known.id, &json!({ "filled": filled }))?)?;
    Ok(())
}

/// One customer.
pub fn customer_get(tx: &ReadTx<'_>, id: CustomerId) -> Result<Option<Customer>, DbError> {
    store::customer_get(tx, id)
}
