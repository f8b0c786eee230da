//! The order as Shopify writes it in REST shape (API 2026-10), read without judging: every value may be absent, null or of another type,
//! so that `map` can name the place of a mistake. Keys that are not listed are skipped without recursion, however deep they go.
//!
//! A key of these structs that appears twice in one object is refused: two readers of such a body could see two different orders.

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A single value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Leaf<'a> {
    /// The key is not there, or its value is null.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Whole(i128),
    /// A number with decimals, in the shortest decimal text that reads back to it.
    Decimal(String),
    /// True or false.
    Flag(bool),
    /// A list or an object.
    Other,
}

/// An object, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Node<T> {
    /// The key is not there, or its value is null.
    #[default]
    Absent,
    /// An object.
    Object(Box<T>),
    /// Not an object.
    Other,
}

impl<T> Node<T> {
    /// The object, when it is one.
    pub(super) fn object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Absent | Self::Other => None,
        }
    }
}

/// A list, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum List<T> {
    /// The key is not there, or its value is null.
    #[default]
    Absent,
    /// A list. At most [`ITEMS_MAX`] and one more are kept.
    Items(Vec<T>),
    /// Not a list.
    Other,
}

impl<T> List<T> {
    /// The items; none when it is no list.
    pub(super) fn items(&self) -> &[T] {
        match self {
            Self::Items(items) => items,
            Self::Absent | Self::Other => &[],
        }
    }
}

/// The most items of one list that are read: above what Shopify puts into an order.
pub(super) const ITEMS_MAX: usize = 500;

macro_rules! scalar_visits {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::Other)
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::Other)
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::Other)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::Other)
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::Other)
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::Absent)
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

struct LeafVisitor;

impl<'de> Visitor<'de> for LeafVisitor {
    type Value = Leaf<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Leaf::Flag(flag))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Leaf::Whole(number.into()))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Leaf::Whole(number.into()))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Leaf::Decimal(number.to_string()))
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Leaf::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Leaf::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Leaf::Absent)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| Leaf::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        skip_object(object).map(|()| Leaf::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Leaf<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor)
    }
}

struct NodeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NodeVisitor<T> {
    type Value = Node<T>;
    scalar_visits!();
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| Node::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Node::Object(Box::new(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Node<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;
    scalar_visits!();
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() <= ITEMS_MAX {
            match list.next_element_seed(PhantomData::<T>)? {
                Some(item) => items.push(item),
                None => return Ok(List::Items(items)),
            }
        }
        skip_list(list).map(|()| List::Items(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        skip_object(object).map(|()| List::Other)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Parses a body. `DeserializeSeed` for the whole body keeps trailing bytes an error.
pub(super) fn parse(body: &[u8]) -> Result<Node<Order<'_>>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let order = PhantomData::<Node<Order<'_>>>.deserialize(&mut reader)?;
    reader.end()?;
    Ok(order)
}

/// An amount in one currency.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Amount<'a> {
    /// Decimal text.
    pub amount: Leaf<'a>,
    /// ISO 4217.
    pub currency_code: Leaf<'a>,
}

/// An amount in the shop's currency and in the buyer's. Only the shop's is read.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct AmountSet<'a> {
    /// In the shop's currency.
    pub shop_money: Node<Amount<'a>>,
}

/// A tax of a line, of shipping or of the order.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct TaxLine<'a> {
    /// Name of the tax.
    pub title: Leaf<'a>,
    /// A fraction of one.
    pub rate: Leaf<'a>,
    /// The tax.
    pub price: Leaf<'a>,
    /// The tax in both currencies.
    pub price_set: Node<AmountSet<'a>>,
}

/// The part of a discount that falls on one line.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct DiscountAllocation<'a> {
    /// The part.
    pub amount: Leaf<'a>,
    /// The part in both currencies.
    pub amount_set: Node<AmountSet<'a>>,
}

/// A duty on one line.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Duty<'a> {
    /// Taxes on the duty.
    pub tax_lines: List<Node<TaxLine<'a>>>,
}

/// A line of goods.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct LineItem<'a> {
    pub(super) id: Leaf<'a>,
    pub(super) sku: Leaf<'a>,
    pub(super) title: Leaf<'a>,
    pub(super) name: Leaf<'a>,
    pub(super) variant_id: Leaf<'a>,
    pub(super) quantity: Leaf<'a>,
    pub(super) current_quantity: Leaf<'a>,
    pub(super) price: Leaf<'a>,
    pub(super) price_set: Node<AmountSet<'a>>,
    pub(super) total_discount: Leaf<'a>,
    pub(super) total_discount_set: Node<AmountSet<'a>>,
    pub(super) requires_shipping: Leaf<'a>,
    pub(super) tip: Node<IgnoredAny>,
    pub(super) tax_lines: List<Node<TaxLine<'a>>>,
    pub(super) duties: List<Node<Duty<'a>>>,
    pub(super) discount_allocations: List<Node<DiscountAllocation<'a>>>,
}

/// A way of shipping.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct ShippingLine<'a> {
    pub(super) title: Leaf<'a>,
    pub(super) price: Leaf<'a>,
    pub(super) price_set: Node<AmountSet<'a>>,
    pub(super) discounted_price: Leaf<'a>,
    pub(super) discounted_price_set: Node<AmountSet<'a>>,
    pub(super) current_discounted_price_set: Node<AmountSet<'a>>,
    pub(super) is_removed: Leaf<'a>,
    pub(super) tax_lines: List<Node<TaxLine<'a>>>,
    pub(super) discount_allocations: List<Node<DiscountAllocation<'a>>>,
}

/// Pieces of a line that were refunded or removed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct RefundLineItem<'a> {
    pub(super) line_item_id: Leaf<'a>,
    pub(super) quantity: Leaf<'a>,
    pub(super) subtotal: Leaf<'a>,
    pub(super) subtotal_set: Node<AmountSet<'a>>,
    pub(super) total_tax: Leaf<'a>,
    pub(super) total_tax_set: Node<AmountSet<'a>>,
}

/// A refund, also one without money for goods that were removed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Refund<'a> {
    /// What it takes off each line.
    pub refund_line_items: List<Node<RefundLineItem<'a>>>,
}

/// The buyer.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Customer<'a> {
    pub(super) id: Leaf<'a>,
    pub(super) email: Leaf<'a>,
    pub(super) phone: Leaf<'a>,
    pub(super) first_name: Leaf<'a>,
    pub(super) last_name: Leaf<'a>,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct PostalAddress<'a> {
    pub(super) name: Leaf<'a>,
    pub(super) first_name: Leaf<'a>,
    pub(super) last_name: Leaf<'a>,
    pub(super) company: Leaf<'a>,
    pub(super) address1: Leaf<'a>,
    pub(super) address2: Leaf<'a>,
    pub(super) zip: Leaf<'a>,
    pub(super) city: Leaf<'a>,
    pub(super) province_code: Leaf<'a>,
    pub(super) country_code: Leaf<'a>,
    pub(super) phone: Leaf<'a>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Order<'a> {
    pub(super) id: Leaf<'a>,
    pub(super) name: Leaf<'a>,
    #[serde(rename = "order_number")]
    pub(super) number: Leaf<'a>,
    pub(super) created_at: Leaf<'a>,
    pub(super) processed_at: Leaf<'a>,
    pub(super) updated_at: Leaf<'a>,
    pub(super) cancelled_at: Leaf<'a>,
    pub(super) currency: Leaf<'a>,
    pub(super) taxes_included: Leaf<'a>,
    pub(super) duties_included: Leaf<'a>,
    pub(super) test: Leaf<'a>,
    pub(super) note: Leaf<'a>,
    pub(super) email: Leaf<'a>,
    pub(super) contact_email: Leaf<'a>,
    pub(super) phone: Leaf<'a>,
    pub(super) financial_status: Leaf<'a>,
    pub(super) payment_gateway_names: List<Leaf<'a>>,
    pub(super) total_outstanding: Leaf<'a>,
    pub(super) subtotal_price: Leaf<'a>,
    pub(super) subtotal_price_set: Node<AmountSet<'a>>,
    pub(super) total_discounts: Leaf<'a>,
    pub(super) total_discounts_set: Node<AmountSet<'a>>,
    pub(super) total_shipping_price_set: Node<AmountSet<'a>>,
    pub(super) total_tax: Leaf<'a>,
    pub(super) total_tax_set: Node<AmountSet<'a>>,
    pub(super) total_price: Leaf<'a>,
    pub(super) total_price_set: Node<AmountSet<'a>>,
    pub(super) current_subtotal_price: Leaf<'a>,
    pub(super) current_subtotal_price_set: Node<AmountSet<'a>>,
    pub(super) current_total_discounts: Leaf<'a>,
    pub(super) current_total_discounts_set: Node<AmountSet<'a>>,
    pub(super) current_shipping_price_set: Node<AmountSet<'a>>,
    pub(super) current_total_tax: Leaf<'a>,
    pub(super) current_total_tax_set: Node<AmountSet<'a>>,
    pub(super) current_total_price: Leaf<'a>,
    pub(super) current_total_price_set: Node<AmountSet<'a>>,
    pub(super) total_tip_received: Leaf<'a>,
    pub(super) total_cash_rounding_payment_adjustment_set: Node<AmountSet<'a>>,
    pub(super) original_total_duties_set: Node<AmountSet<'a>>,
    pub(super) current_total_duties_set: Node<AmountSet<'a>>,
    pub(super) original_total_additional_fees_set: Node<AmountSet<'a>>,
    pub(super) current_total_additional_fees_set: Node<AmountSet<'a>>,
    pub(super) tax_lines: List<Node<TaxLine<'a>>>,
    pub(super) customer: Node<Customer<'a>>,
    pub(super) shipping_address: Node<PostalAddress<'a>>,
    pub(super) line_items: List<Node<LineItem<'a>>>,
    pub(super) shipping_lines: List<Node<ShippingLine<'a>>>,
    pub(super) refunds: List<Node<Refund<'a>>>,
}
