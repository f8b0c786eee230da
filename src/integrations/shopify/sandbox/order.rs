//! Orders of the emulated shop: generated from a seed, with sums that add up to the cent.

use crate::base::clock::Timestamp;

/// Article of the emulated shop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Article {
    /// Key that finds the variant in the store under test.
    pub sku: String,
    /// What the shopper reads.
    pub title: String,
    /// Cents for one piece.
    pub price: i64,
}

/// One line of an emulated order. All amounts are cents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SandboxLine {
    /// Shopify's id of the line.
    pub id: u64,
    /// What was bought.
    pub article: Article,
    /// Pieces ordered.
    pub quantity: i64,
    /// Pieces left after removals.
    pub current_quantity: i64,
    /// Parts of the discounts: index of the application and amount.
    pub discounts: Vec<(usize, i64)>,
    /// Percent.
    pub tax_rate: i64,
}

/// An emulated order. All amounts are cents of a euro.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SandboxOrder {
    /// Shopify's id of the order.
    pub id: u64,
    /// What the shopper calls it.
    pub number: u64,
    /// When it was bought.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// Whether prices hold the tax.
    pub taxes_included: bool,
    /// Lines.
    pub lines: Vec<SandboxLine>,
    /// Shipping.
    pub shipping: i64,
    /// Applications of discounts: `true` for a code, `false` for an automatic one, and its name.
    pub applications: Vec<(bool, &'static str)>,
    /// Who bought: a number that picks name and address.
    pub buyer: u64,
}

/// Percent of tax on shipping.
pub(super) const SHIPPING_TAX_RATE: i64 = 19;

/// `part` of `whole` of an amount, half a cent rounded up. For amounts of an emulated shop, which are small.
pub(super) const fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole <= 0 { 0 } else { (amount * part * 2 + whole).div_euclid(whole * 2) }
}

const fn tax(net: i64, rate: i64, included: bool) -> i64 {
    share(net, rate, if included { 100 + rate } else { 100 })
}

impl SandboxLine {
    /// Sum of the discounts.
    pub fn discount(&self) -> i64 {
        self.discounts.iter().map(|(_, part)| part).sum()
    }

    /// What the ordered pieces cost after discounts.
    pub fn net(&self) -> i64 {
        self.article.price * self.quantity - self.discount()
    }

    /// What was taken off for removed pieces.
    pub fn removed_net(&self) -> i64 {
        share(self.net(), self.quantity - self.current_quantity, self.quantity)
    }

    /// Tax of the ordered pieces.
    pub fn tax(&self, included: bool) -> i64 {
        tax(self.net(), self.tax_rate, included)
    }

    /// Tax of removed pieces.
    pub fn removed_tax(&self, included: bool) -> i64 {
        share(self.tax(included), self.quantity - self.current_quantity, self.quantity)
    }
}

/// The sums of an order, for what was ordered or for what is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sums {
    pub(super) gross: i64,
    pub(super) discount: i64,
    pub(super) subtotal: i64,
    pub(super) tax: i64,
    pub(super) total: i64,
}

impl SandboxOrder {
    pub(super) fn shipping_tax(&self) -> i64 {
        tax(self.shipping, SHIPPING_TAX_RATE, self.taxes_included)
    }

    pub(super) fn sums(&self, after_removals: bool) -> Sums {
        let (mut gross, mut discount, mut subtotal, mut tax) = (0, 0, 0, self.shipping_tax());
        for line in &self.lines {
            let mut net = line.net();
            let mut pieces = line.quantity;
            tax += line.tax(self.taxes_included);
            if after_removals {
                net -= line.removed_net();
                pieces = line.current_quantity;
                tax -= line.removed_tax(self.taxes_included);
            }
            gross += line.article.price * line.quantity;
            discount += line.article.price * pieces - net;
            subtotal += net;
        }
        let added_tax = if self.taxes_included { 0 } else { tax };
        Sums { gross, discount, subtotal, tax, total: subtotal + self.shipping + added_tax }
    }

    /// What the order costs, in cents.
    pub fn total(&self) -> i64 {
        self.sums(false).total
    }

    /// Takes pieces out of a line, as the merchant's edit does. `false` when there is no such line or it does not hold as many.
    pub fn set_current_quantity(&mut self, line: usize, pieces: i64, now: Timestamp) -> bool {
        let Some(line) = self.lines.get_mut(line).filter(|line| (0..=line.quantity).contains(&pieces)) else {
            return false;
        };
        line.current_quantity = pieces;
        self.touch(now);
        true
    }

    /// Marks the order as changed: Shopify's times are whole seconds and each change has a later one.
    pub fn touch(&mut self, now: Timestamp) {
        let second = |at: Timestamp| at.seconds();
        let next = second(now).max(second(self.updated_at).saturating_add(1));
        self.updated_at = Timestamp(next.saturating_mul(1000));
    }
}

/// A small generator of even chance: enough for made-up orders, not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same for the same seed.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but not `end`.
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let end = u64::try_from(from.len()).unwrap_or(0);
        usize::try_from(self.below(end)).ok().and_then(|index| from.get(index))
    }

    fn one_to(&mut self, most: u64) -> i64 {
        i64::try_from(self.below(most)).unwrap_or(0) + 1
    }

    /// A random UUID of version 4.
    pub fn uuid(&mut self) -> String {
        let high = (self.next() & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (self.next() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        let tail = low & 0xffff_ffff_ffff;
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{tail:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48)
    }
}

/// What an order to be made up is about.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Articles to choose from.
    pub catalog: &'a [Article],
    /// Number of lines; 1 to 4 by chance when absent.
    pub lines: Option<usize>,
    /// Buy this article and no other.
    pub sku: Option<&'a str>,
    /// Pieces per line; 1 to 3 by chance when absent.
    pub quantity: Option<i64>,
}

/// Makes up an order of a German shop: 1 to 4 lines, four in ten with discounts, one in ten at net prices. `number` is unique per shop.
pub fn make_up(dice: &mut Dice, number: u64, now: Timestamp, wish: Wish<'_>) -> SandboxOrder {
    let id = 6_100_000_000_000 + number;
    let chosen = wish.sku.map(|sku| named(wish.catalog, sku));
    let count = wish.lines.unwrap_or_else(|| usize::try_from(dice.below(4)).unwrap_or(0) + 1);
    let count = if chosen.is_some() { 1 } else { count.clamp(1, 100) };
    let taxes_included = dice.below(10) != 0;
    let mut lines = Vec::with_capacity(count);
    for position in 0..count {
        let fallback = || Article { sku: "SANDBOX-1".to_owned(), title: "Musterartikel".to_owned(), price: 1_000 };
        let article = chosen.clone().or_else(|| dice.pick(wish.catalog).cloned()).unwrap_or_else(fallback);
        let quantity = wish.quantity.unwrap_or_else(|| dice.one_to(3)).clamp(1, 1_000_000);
        let line_id = 15_000_000_000_000 + number * 100 + u64::try_from(position).unwrap_or(0);
        let tax_rate = if dice.below(3) == 0 { 7 } else { 19 };
        lines.push(SandboxLine {
            id: line_id,
            article,
            quantity,
            current_quantity: quantity,
            discounts: Vec::new(),
            tax_rate,
        });
    }
    let mut order = SandboxOrder {
        id,
        number: 1_000 + number,
        placed_at: now,
        updated_at: Timestamp(now.seconds().saturating_mul(1000)),
        cancelled_at: None,
        taxes_included,
        lines,
        shipping: 0,
        applications: Vec::new(),
        buyer: dice.next(),
    };
    give_discounts(&mut order, dice);
    order.shipping = if order.sums(false).subtotal >= 5_000 { 0 } else { 490 };
    order
}

/// The article of that SKU; one that the catalog does not have costs 10 euros, so that unknown goods can be ordered too.
fn named(catalog: &[Article], sku: &str) -> Article {
    let known = catalog.iter().find(|article| article.sku == sku).cloned();
    known.unwrap_or_else(|| Article { sku: sku.to_owned(), title: sku.to_owned(), price: 1_000 })
}

/// An automatic discount falls on the first line, then a code takes its percent of what is left, as Shopify orders them.
fn give_discounts(order: &mut SandboxOrder, dice: &mut Dice) {
    if dice.below(5) == 0
        && let Some(first) = order.lines.first_mut()
        && first.net() > 2_000
    {
        first.discounts.push((order.applications.len(), 500));
        order.applications.push((false, "Willkommen"));
    }
    if dice.below(4) == 0 {
        let percent = dice.one_to(5) * 5;
        let application = order.applications.len();
        for line in &mut order.lines {
            line.discounts.push((application, share(line.net(), percent, 100)));
        }
        order.applications.push((true, "HERBST"));
    }
}
