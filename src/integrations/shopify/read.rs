//! Readers of single values that know their place, so that every mistake is told with its JSON pointer and a sentence.

use super::wire::{AmountSet, ITEMS_MAX, Leaf, List, Node};
use crate::base::clock::Timestamp;
use crate::base::money::{Currency, Money};
use crate::base::quantity::QUANTITY_MAX;
use crate::base::text;
use crate::domain::channels::port::Unreadable;

/// A place in the body. Costs nothing until a pointer is asked for.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    up: Option<&'p At<'p>>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Root,
    Key(&'static str),
    Index(usize),
}

/// Parts per million in one.
const PPM_DIGITS: usize = 6;

impl<'p> At<'p> {
    /// The body as a whole.
    pub(super) const ROOT: At<'static> = At { up: None, step: Step::Root };

    /// A key of the object here.
    pub(super) const fn key(&'p self, key: &'static str) -> At<'p> {
        At { up: Some(self), step: Step::Key(key) }
    }

    /// An item of the list here.
    pub(super) const fn index(&'p self, index: usize) -> At<'p> {
        At { up: Some(self), step: Step::Index(index) }
    }

    fn pointer(&self) -> String {
        let mut path = self.up.map(At::pointer).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => path = format!("{path}/{key}"),
            Step::Index(index) => path = format!("{path}/{index}"),
        }
        path
    }

    /// A complaint about this place.
    pub(super) fn wrong(&self, reason: impl Into<String>) -> Unreadable {
        Unreadable { pointer: self.pointer(), reason: reason.into() }
    }

    /// A text of one line that is shown: breaks and tabs become spaces, other control characters and marks that turn the direction of
    /// writing are taken out, the rest is trimmed and cut to `max` characters. What is left empty is none.
    pub(super) fn prose(&self, leaf: &Leaf<'_>, max: usize) -> Result<Option<String>, Unreadable> {
        let Some(text) = self.text(leaf)? else { return Ok(None) };
        Ok(shown(text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }), max))
    }

    /// As [`At::prose`], but line breaks and tabs stay.
    pub(super) fn paragraphs(&self, leaf: &Leaf<'_>, max: usize) -> Result<Option<String>, Unreadable> {
        let Some(text) = self.text(leaf)? else { return Ok(None) };
        Ok(shown(text.chars(), max))
    }

    /// A text that is compared, such as an SKU. It is trimmed, but never changed otherwise: control characters are refused.
    pub(super) fn key_text(&self, leaf: &Leaf<'_>, max: usize) -> Result<Option<String>, Unreadable> {
        let Some(text) = self.text(leaf)? else { return Ok(None) };
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(self.wrong("holds a control character"));
        }
        if text.chars().count() > max {
            return Err(self.wrong(format!("is longer than {max} characters")));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn text<'l>(&self, leaf: &'l Leaf<'_>) -> Result<Option<&'l str>, Unreadable> {
        match leaf {
            Leaf::Absent => Ok(None),
            Leaf::Text(text) => Ok(Some(text)),
            Leaf::Whole(_) | Leaf::Decimal(_) | Leaf::Flag(_) | Leaf::Other => Err(self.wrong("is not a text")),
        }
    }

    /// True or false; absent is `default`.
    pub(super) fn flag(&self, leaf: &Leaf<'_>, default: bool) -> Result<bool, Unreadable> {
        match leaf {
            Leaf::Absent => Ok(default),
            Leaf::Flag(flag) => Ok(*flag),
            Leaf::Text(_) | Leaf::Whole(_) | Leaf::Decimal(_) | Leaf::Other => {
                Err(self.wrong("is neither true nor false"))
            }
        }
    }

    /// One of Shopify's 64-bit ids, as a number or as its digits.
    pub(super) fn id(&self, leaf: &Leaf<'_>) -> Result<Option<u64>, Unreadable> {
        let id = match leaf {
            Leaf::Absent => return Ok(None),
            Leaf::Whole(number) => u64::try_from(*number).ok(),
            Leaf::Text(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            Leaf::Text(_) | Leaf::Decimal(_) | Leaf::Flag(_) | Leaf::Other => None,
        };
        match id {
            Some(id) if id > 0 => Ok(Some(id)),
            _ => Err(self.wrong("is not an id, a whole number above 0 that fits 64 bits")),
        }
    }

    /// A count of pieces.
    pub(super) fn quantity(&self, leaf: &Leaf<'_>) -> Result<Option<i64>, Unreadable> {
        match leaf {
            Leaf::Absent => Ok(None),
            Leaf::Whole(number) if *number < 0 => Err(self.wrong(format!("{number} pieces are less than none"))),
            Leaf::Whole(number) => match i64::try_from(*number) {
                Ok(pieces) if pieces <= QUANTITY_MAX => Ok(Some(pieces)),
                _ => Err(self.wrong(format!("{number} pieces are more than the {QUANTITY_MAX} that a line can hold"))),
            },
            Leaf::Decimal(text) => Err(self.wrong(format!("{} is not a whole number of pieces", text::cut(text, 40)))),
            Leaf::Text(_) | Leaf::Flag(_) | Leaf::Other => Err(self.wrong("is not a whole number of pieces")),
        }
    }

    /// An instant.
    pub(super) fn time(&self, leaf: &Leaf<'_>) -> Result<Option<Timestamp>, Unreadable> {
        let Some(text) = self.text(leaf)? else { return Ok(None) };
        Timestamp::parse(text).map(Some).map_err(|error| self.wrong(error.to_string()))
    }

    /// Tells that a key is missing.
    pub(super) fn required<T>(&self, value: Option<T>) -> Result<T, Unreadable> {
        value.ok_or_else(|| self.wrong("is missing"))
    }

    /// The object here; `None` when absent.
    pub(super) fn object<'n, T>(&self, node: &'n Node<T>) -> Result<Option<&'n T>, Unreadable> {
        match node {
            Node::Other => Err(self.wrong("is not an object")),
            Node::Absent | Node::Object(_) => Ok(node.object()),
        }
    }

    /// The items here; none when absent.
    pub(super) fn list<'n, T>(&self, list: &'n List<T>) -> Result<&'n [T], Unreadable> {
        match list {
            List::Other => Err(self.wrong("is not a list")),
            List::Items(items) if items.len() > ITEMS_MAX => {
                Err(self.wrong(format!("holds more than {ITEMS_MAX} items")))
            }
            List::Absent | List::Items(_) => Ok(list.items()),
        }
    }

    /// A tax rate in parts per million; digits beyond are dropped. It is for show: no amount is computed from it.
    pub(super) fn rate_ppm(&self, leaf: &Leaf<'_>) -> Result<i64, Unreadable> {
        let decimal = match leaf {
            Leaf::Absent => return Ok(0),
            Leaf::Whole(number) => number.to_string(),
            Leaf::Decimal(text) => text.clone(),
            Leaf::Text(text) => text.to_string(),
            Leaf::Flag(_) | Leaf::Other => return Err(self.wrong("is not a rate, as in 0.07")),
        };
        let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
        let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(PPM_DIGITS).collect();
        let rate = format!("{whole}{digits}");
        let plain = rate.len() <= 12 && !whole.is_empty() && rate.bytes().all(|b| b.is_ascii_digit());
        match rate.parse() {
            Ok(ppm) if plain => Ok(ppm),
            _ => Err(self.wrong(format!("`{}` is not a rate, as in 0.07", text::cut(&decimal, 40)))),
        }
    }
}

fn shown(text: impl Iterator<Item = char>, max: usize) -> Option<String> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept: String = text.filter(|c| (!c.is_control() || matches!(c, '\n' | '\t')) && !turns(*c)).collect();
    let kept = text::cut(kept.trim(), max);
    (!kept.is_empty()).then_some(kept)
}

/// Reads amounts of one order, which are all of one currency.
#[derive(Clone, Copy)]
pub(super) struct Purse(pub Currency);

/// Whether an amount may be below zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It may not.
    Positive,
    /// It may.
    Any,
}

impl Purse {
    /// An amount that stands as a plain text, as a set, or as both; the set's shop money counts first.
    pub(super) fn either(
        self,
        here: &At<'_>,
        (name, leaf): (&'static str, &Leaf<'_>),
        (set_name, set): (&'static str, &Node<AmountSet<'_>>),
    ) -> Result<Option<Money>, Unreadable> {
        match self.set(&here.key(set_name), set, Sign::Positive)? {
            Some(money) => Ok(Some(money)),
            None => self.plain(&here.key(name), leaf, Sign::Positive),
        }
    }

    /// The shop's side of an amount in two currencies.
    pub(super) fn set(self, at: &At<'_>, set: &Node<AmountSet<'_>>, sign: Sign) -> Result<Option<Money>, Unreadable> {
        let Some(set) = at.object(set)? else { return Ok(None) };
        let at = at.key("shop_money");
        let Some(money) = at.object(&set.shop_money)? else { return Ok(None) };
        let code_at = at.key("currency_code");
        if let Some(code) = code_at.text(&money.currency_code)?
            && code != self.0.code()
        {
            return Err(code_at.wrong(format!("`{}` is not {}, the order's currency", text::cut(code, 8), self.0)));
        }
        self.plain(&at.key("amount"), &money.amount, sign)
    }

    /// An amount as a text or a number.
    pub(super) fn plain(self, at: &At<'_>, leaf: &Leaf<'_>, sign: Sign) -> Result<Option<Money>, Unreadable> {
        let parsed = match leaf {
            Leaf::Absent => return Ok(None),
            Leaf::Text(text) => Money::parse(text, self.0),
            Leaf::Whole(number) => Money::parse(&number.to_string(), self.0),
            Leaf::Decimal(text) => Money::parse(text, self.0),
            Leaf::Flag(_) | Leaf::Other => return Err(at.wrong("is not an amount, as in 12.90")),
        };
        match parsed {
            Ok(money) if sign == Sign::Positive && money.minor < 0 => {
                Err(at.wrong(format!("{} is less than nothing", money.amount())))
            }
            Ok(money) => Ok(Some(money)),
            Err(error) => Err(at.wrong(error.to_string())),
        }
    }

    /// Nothing.
    pub(super) const fn zero(self) -> Money {
        Money::zero(self.0)
    }
}
