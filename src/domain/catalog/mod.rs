//! The catalog: what the store sells.
//!
//! Purpose: keeps products and their variants, finds them by id, SKU, barcode and title, and says what changed in them.
//!
//! Words: a *product* is what a shopper sees as one thing. A *variant* of it is what is counted, priced and sold; it carries the SKU.
//! A product and its variants are one unit of change: the product's version rises with every change of either.
//!
//! Commands: `catalog.create_product`, `catalog.update_product`, `catalog.update_variant`.
//! Facts: `product.created`, `product.updated` (before and after of the changed fields only; also of a variant, which it then names) and
//! `price.changed`. Each touches the ids of the variants that it is about.
//!
//! Invariants: a product has 1 to 100 variants. A handle and an SKU are unique in the store, letter case counted. A price is never negative.
//! A command that changes nothing records nothing and leaves the version as it is.
//!
//! It does not know price lists or discounts, moves no stock (it reads levels through `v_inventory_level`) and pushes no feed: reactions to its
//! facts do.

pub mod check;
pub mod demo;
pub mod http;
pub mod model;
pub mod service;
pub mod store;

use crate::base::error::{FieldFault, Kind, Place, Problem};
use crate::infra::db::DbError;

/// Tables that `store.rs` owns.
pub const OWNS: &[&str] = &["catalog_product", "catalog_variant"];

/// Why the catalog refuses.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Fields hold what they must not hold.
    #[error("{}", complaint(.0))]
    Invalid(Vec<FieldFault>),
    /// SKUs of the request stand in the store already.
    #[error("{}", taken(.0))]
    SkuTaken(Vec<TakenSku>),
    /// The handle stands in the store already.
    #[error("The handle `{0}` is taken by another product.")]
    HandleTaken(String),
    /// No product of this id in this store.
    #[error("There is no such product.")]
    NoProduct,
    /// No variant of this id in this store.
    #[error("There is no such variant.")]
    NoVariant,
    /// `If-Match` names another version.
    #[error("It was changed meanwhile: it is now at version {0}. Read it again.")]
    Stale(i64),
    /// The file.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// An SKU that cannot be given to a second variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSku {
    /// Position of the variant in the request, from 0.
    pub position: usize,
    /// The SKU.
    pub sku: String,
}

fn complaint(fields: &[FieldFault]) -> String {
    match fields {
        [only] => only.detail.clone(),
        many => format!("{} fields need attention.", many.len()),
    }
}

fn taken(skus: &[TakenSku]) -> String {
    match skus {
        [only] => format!("The SKU `{}` is taken by another variant.", only.sku),
        many => format!("{} SKUs are taken by other variants.", many.len()),
    }
}

impl Problem for CatalogError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Refused,
            Self::SkuTaken(_) | Self::HandleTaken(_) => Kind::Conflict,
            Self::NoProduct | Self::NoVariant => Kind::Missing,
            Self::Stale(_) => Kind::Precondition,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "validation_failed",
            Self::SkuTaken(_) => "sku_taken",
            Self::HandleTaken(_) => "handle_taken",
            Self::NoProduct | Self::NoVariant => "not_found",
            Self::Stale(_) => "version_mismatch",
            Self::Db(error) => error.code(),
        }
    }

    fn fields(&self) -> Vec<FieldFault> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            Self::SkuTaken(skus) => {
                let field = |taken: &TakenSku| FieldFault {
                    place: Place::Pointer(format!("/variants/{}/sku", taken.position)),
                    code: "sku_taken",
                    detail: format!("The SKU `{}` is taken by another variant.", taken.sku),
                };
                skus.iter().map(field).collect()
            }
            Self::HandleTaken(_) => vec![FieldFault {
                place: Place::Pointer("/handle".to_owned()),
                code: "handle_taken",
                detail: self.to_string(),
            }],
            Self::Stale(_) => vec![FieldFault {
                place: Place::Header("If-Match"),
                code: "version_mismatch",
                detail: self.to_string(),
            }],
            Self::NoProduct | Self::NoVariant | Self::Db(_) => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            _ => None,
        }
    }
}
