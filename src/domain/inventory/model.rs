//! Stock without a database: kinds of movements, and which warehouse serves a line.

use crate::base::clock::Timestamp;
use crate::base::id::{Id, LineId, MovementId, OrderId, ProductId, ReservationId, VariantId, WarehouseId};
use crate::base::quantity::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A level at or below this many available pieces is low.
pub const LOW_STOCK: i64 = 5;

/// Why pieces came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MovementKind {
    /// Delivered by a supplier.
    Receipt,
    /// Left with an order.
    Sale,
    /// Came back from a customer.
    Return,
    /// Corrected by hand.
    Adjustment,
    /// Between warehouses.
    Transfer,
    /// A count found another number.
    Count,
    /// Broken, spoilt, stolen.
    Damage,
}

impl MovementKind {
    const ALL: [Self; 7] =
        [Self::Receipt, Self::Sale, Self::Return, Self::Adjustment, Self::Transfer, Self::Count, Self::Damage];

    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Sale => "sale",
            Self::Return => "return",
            Self::Adjustment => "adjustment",
            Self::Transfer => "transfer",
            Self::Count => "count",
            Self::Damage => "damage",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where a reservation stands. Only an open one holds stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReservationState {
    /// Holds stock.
    Open,
    /// Given back.
    Released,
    /// Left with its order.
    Consumed,
    /// Given back because its time was up.
    Expired,
}

impl ReservationState {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Released => "released",
            Self::Consumed => "consumed",
            Self::Expired => "expired",
        }
    }
}

/// A place that holds stock.
#[derive(Clone, Debug)]
pub struct Warehouse {
    /// Id.
    pub id: WarehouseId,
    /// Short name, unique.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// The code under which Google knows the store, if it is one.
    pub store_code: Option<String>,
    /// Lower is asked first.
    pub priority: i64,
}

/// What one warehouse has of a variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// Where.
    pub warehouse: WarehouseId,
    /// Pieces that lie there.
    pub on_hand: i64,
    /// Pieces of them that are promised.
    pub reserved: i64,
}

impl Level {
    /// What can still be sold.
    pub fn available(&self) -> Quantity {
        Quantity::new(self.on_hand.saturating_sub(self.reserved)).unwrap_or(Quantity::ZERO)
    }
}

/// Pieces that one warehouse gives to a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pick {
    /// Where.
    pub warehouse: WarehouseId,
    /// How many, at least one.
    pub quantity: Quantity,
}

/// How a line is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// From where.
    pub picks: Vec<Pick>,
    /// What is not there.
    pub short: Quantity,
}

/// Chooses warehouses for a line: the first in `order` that has it whole; only if none has, it is split in that order (D32).
pub fn plan(wanted: Quantity, levels: &[Level], order: &[WarehouseId]) -> Plan {
    let ranked = || order.iter().filter_map(|id| levels.iter().find(|level| level.warehouse == *id));
    if let Some(whole) = ranked().find(|level| level.available() >= wanted) {
        let picks = if wanted.is_zero() { vec![] } else { vec![Pick { warehouse: whole.warehouse, quantity: wanted }] };
        return Plan { picks, short: Quantity::ZERO };
    }
    let mut short = wanted;
    let mut picks = Vec::new();
    for level in ranked() {
        let quantity = level.available().min(short);
        if !quantity.is_zero() {
            picks.push(Pick { warehouse: level.warehouse, quantity });
            short = short.less(quantity);
        }
    }
    Plan { picks, short }
}

/// What an owner asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    /// For which line.
    pub line: LineId,
    /// What.
    pub variant: VariantId,
    /// How many, at least one.
    pub quantity: Quantity,
}

/// What a line got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allocation {
    /// Which line.
    pub line: LineId,
    /// Of what.
    pub variant: VariantId,
    /// From where.
    pub picks: Vec<Pick>,
    /// What is not there.
    pub short: Quantity,
}

/// What happens when there is not enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenShort {
    /// Nothing is reserved at all: the sale has not happened yet.
    Refuse,
    /// What is missing becomes a shortfall: it was sold already.
    Record,
}

/// A change of `on_hand`, as a module or a person asks for it.
#[derive(Clone, Debug)]
pub struct Adjustment {
    /// Of what.
    pub variant: VariantId,
    /// Where.
    pub warehouse: WarehouseId,
    /// Pieces that come or go; not zero.
    pub delta: i64,
    /// Why.
    pub kind: MovementKind,
    /// Why, in words.
    pub reason: String,
    /// Anything else.
    pub note: String,
}

/// A movement as it was written.
#[derive(Clone, Debug)]
pub struct Movement {
    /// Position.
    pub seq: i64,
    /// Id.
    pub id: MovementId,
    /// Of what.
    pub variant: VariantId,
    /// Where.
    pub warehouse: WarehouseId,
    /// Why.
    pub kind: String,
    /// Pieces, signed.
    pub quantity: i64,
    /// `on_hand` after it.
    pub on_hand_after: i64,
    /// Why, in words.
    pub reason: String,
    /// Anything else.
    pub note: String,
    /// Stored kind and id of who did it.
    pub actor: (u8, [u8; 16]),
    /// When.
    pub at: Timestamp,
}

/// An open shortfall.
#[derive(Clone, Copy, Debug)]
pub struct Shortfall {
    /// Position; the lower is filled first.
    pub seq: i64,
    /// Whose.
    pub owner: Id,
    /// For which line.
    pub line: LineId,
    /// What is missing still.
    pub missing: Quantity,
}

/// Which levels a list shows.
#[derive(Debug, Default, Clone)]
pub struct LevelFilter {
    /// Part of SKU, barcode or title.
    pub q: Option<String>,
    /// Only there.
    pub warehouse: Option<WarehouseId>,
    /// Only of it.
    pub variant: Option<VariantId>,
    /// Only levels with nothing available.
    pub is_out: bool,
    /// Only levels with at most this many available, but some.
    pub low: Option<i64>,
    /// Only variants that somebody waits for.
    pub is_short: bool,
    /// Only after this variant's position and warehouse.
    pub after: Option<(i64, WarehouseId)>,
}

/// A level with what it is of.
#[derive(Debug, Clone)]
pub struct LevelRow {
    /// Position of the variant.
    pub seq: i64,
    /// Of what.
    pub variant: VariantId,
    /// Of which product.
    pub product: ProductId,
    /// SKU.
    pub sku: String,
    /// Title of product and variant.
    pub title: String,
    /// Where.
    pub warehouse: WarehouseId,
    /// Its code.
    pub warehouse_code: String,
    /// Pieces that lie there.
    pub on_hand: i64,
    /// Pieces of them that are promised.
    pub reserved: i64,
    /// Pieces of the variant that are missing, in all warehouses.
    pub short: i64,
    /// Last change.
    pub updated: Timestamp,
}

/// A reservation with what it is of.
#[derive(Debug, Clone)]
pub struct ReservationRow {
    /// Position.
    pub seq: i64,
    /// Id.
    pub id: ReservationId,
    /// Whose.
    pub owner: OrderId,
    /// Of what.
    pub variant: VariantId,
    /// SKU.
    pub sku: String,
    /// Where.
    pub warehouse: WarehouseId,
    /// Its code.
    pub warehouse_code: String,
    /// How many.
    pub quantity: i64,
    /// Stored name of the state.
    pub state: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A level that is not what its movements and reservations say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drift {
    /// Of what.
    pub variant: VariantId,
    /// Where.
    pub warehouse: WarehouseId,
    /// Pieces that lie there, as the level says.
    pub on_hand: i64,
    /// Sum of the movements.
    pub moved: i64,
    /// Pieces that are promised, as the level says.
    pub reserved: i64,
    /// Sum of the open reservations.
    pub promised: i64,
}

/// A level that differs, as a person is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "StockDifference")]
pub struct Difference {
    /// Of what.
    pub variant_id: VariantId,
    /// Its SKU.
    pub sku: String,
    /// Where.
    pub warehouse_code: String,
    /// Pieces that lie there, as the level says.
    pub on_hand: i64,
    /// Sum of the movements.
    pub moved: i64,
    /// Pieces that are promised, as the level says.
    pub reserved: i64,
    /// Sum of the open reservations.
    pub promised: i64,
    /// In words.
    pub explanation: String,
}

/// What a comparison of all levels found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of which moment.
    pub at: Timestamp,
    /// How long it took.
    pub took: std::time::Duration,
    /// Levels that were compared.
    pub levels: i64,
    /// Those that differ, at most 1,000.
    pub differences: Vec<Difference>,
}

/// A comparison as it is kept.
#[derive(Clone, Debug)]
pub struct Reconciliation {
    /// Position.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// Levels that were compared.
    pub levels: i64,
    /// Levels that differ.
    pub drifted: i64,
    /// JSON list of [`Difference`].
    pub differences: String,
    /// Who asked: stored number of the kind, id.
    pub actor: (u8, [u8; 16]),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn warehouse(number: u8) -> WarehouseId {
        WarehouseId::from_array([number; 16])
    }

    fn level(number: u8, on_hand: i64, reserved: i64) -> Level {
        Level { warehouse: warehouse(number), on_hand, reserved }
    }

    fn pieces(count: i64) -> Quantity {
        Quantity::new(count).unwrap()
    }

    #[test]
    fn a_line_goes_whole_to_the_first_warehouse_that_has_it() {
        let levels = [level(1, 2, 0), level(2, 9, 0)];
        let plan = plan(pieces(3), &levels, &[warehouse(1), warehouse(2)]);
        assert_eq!(plan.picks, [Pick { warehouse: warehouse(2), quantity: pieces(3) }]);
        assert_eq!(plan.short, Quantity::ZERO);
    }

    #[test]
    fn a_line_is_split_only_when_no_warehouse_has_it_whole() {
        let levels = [level(1, 2, 1), level(2, 3, 0)];
        let plan = plan(pieces(6), &levels, &[warehouse(2), warehouse(1)]);
        assert_eq!(
            plan.picks,
            [
                Pick { warehouse: warehouse(2), quantity: pieces(3) },
                Pick { warehouse: warehouse(1), quantity: pieces(1) }
            ]
        );
        assert_eq!(plan.short, pieces(2));
    }

    proptest! {
        #[test]
        fn a_plan_gives_out_what_is_wanted_and_never_more_than_is_available(
            wanted in 0_i64..50,
            stock in proptest::collection::vec((0_i64..20, 0_i64..20), 0..5),
        ) {
            let mut levels = Vec::new();
            for (number, (on_hand, reserved)) in (1_u8..).zip(&stock) {
                levels.push(level(number, *on_hand, (*reserved).min(*on_hand)));
            }
            let order: Vec<_> = levels.iter().map(|level| level.warehouse).collect();
            let plan = plan(pieces(wanted), &levels, &order);
            let picked: i64 = plan.picks.iter().map(|pick| pick.quantity.get()).sum();
            prop_assert_eq!(picked + plan.short.get(), wanted);
            for pick in &plan.picks {
                let level = levels.iter().find(|level| level.warehouse == pick.warehouse).unwrap();
                prop_assert!(pick.quantity <= level.available() && !pick.quantity.is_zero());
            }
            let available: i64 = levels.iter().map(|level| level.available().get()).sum();
            prop_assert_eq!(plan.short.get(), (wanted - available).max(0));
        }
    }
}
