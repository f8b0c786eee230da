//! Sums of generated carts against a reference that is written another way.

use super::*;
use crate::base::clock::Timestamp;
use crate::base::money::Currency;
use crate::domain::channels::port::{Charge, PaymentHint, PaymentStatus, Removed};
use proptest::prelude::*;

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::parse("EUR").unwrap()).unwrap()
}

fn line(price: i64, quantity: i64, discount: i64, tax: i64) -> IncomingLine {
    IncomingLine {
        external_id: "1".to_owned(),
        external_variant_id: None,
        sku: None,
        title: String::new(),
        quantity,
        current_quantity: quantity,
        unit_price: eur(price),
        discount: eur(discount),
        tax: eur(tax),
        tax_lines: Vec::new(),
        requires_shipping: true,
        removed: None,
    }
}

fn way(price: i64, discount: i64, tax: i64) -> IncomingShipping {
    IncomingShipping { title: String::new(), price: eur(price), discount: eur(discount), tax: eur(tax), now: None }
}

fn order(tax_inclusive: bool, lines: Vec<IncomingLine>, shipping: Vec<IncomingShipping>, total: i64) -> IncomingOrder {
    let none = Charge { ordered: eur(0), now: eur(0) };
    let stated = StatedTotals { subtotal: None, discount: None, shipping: None, tax: None, total: eur(total) };
    IncomingOrder {
        external_id: "1".to_owned(),
        external_number: None,
        version: Timestamp(0),
        placed_at: Timestamp(0),
        currency: eur(0).currency,
        tax_inclusive,
        lines,
        shipping,
        order_tax: eur(0),
        tip: eur(0),
        duties: none,
        fees: none,
        cash_rounding: eur(0),
        stated,
        stated_now: None,
        customer: None,
        shipping_address: None,
        payment_status: PaymentStatus::Paid,
        payments: PaymentHint::default(),
        cancelled_at: None,
        note: None,
        is_test: false,
    }
}

/// RA2.1
#[test]
fn tax_is_added_only_when_prices_do_not_hold_it() {
    for (inclusive, total) in [(true, 2000 - 150 + 490), (false, 2000 - 150 + 490 + 351 + 93)] {
        let order = order(inclusive, vec![line(1000, 2, 150, 351)], vec![way(490, 0, 93)], total);
        let sums = reconcile_totals(&order).unwrap();
        assert_eq!((sums.ordered.totals.total.minor, sums.ordered.totals.tax.minor, sums.flag()), (total, 444, None));
    }
}

/// RA2.1
#[test]
fn tax_that_only_the_order_states_counts_once() {
    let mut cart = order(false, vec![line(1000, 1, 0, 0)], vec![], 1060);
    cart.order_tax = eur(60);
    assert_eq!(reconcile_totals(&cart).unwrap().flag(), None);
    cart.lines = vec![line(1000, 1, 0, 60)];
    assert_eq!(reconcile_totals(&cart).unwrap().flag(), None);
}

/// RA2.2
#[test]
fn removed_pieces_take_what_the_channel_says_or_else_their_share() {
    let mut cart = order(true, vec![line(1000, 3, 100, 463)], vec![], 2900);
    let left = |cart: &IncomingOrder| {
        let totals = reconcile_totals(cart).unwrap().now.totals;
        (totals.subtotal.minor, totals.discount.minor, totals.tax.minor)
    };
    cart.lines[0].current_quantity = 2;
    assert_eq!(left(&cart), (1933, 67, 309));
    cart.lines[0].removed = Some(Removed { quantity: 1, subtotal: eur(966), tax: eur(154) });
    assert_eq!(left(&cart), (1934, 66, 309));
    // What it says is of other pieces than those that are gone: a share is taken.
    cart.lines[0].current_quantity = 1;
    assert_eq!(left(&cart), (967, 33, 154));
    cart.lines[0].current_quantity = 0;
    assert_eq!(left(&cart), (0, 0, 0));
}

/// D32
#[test]
fn rounding_to_the_coin_belongs_to_the_payment_wherever_the_channel_puts_it() {
    for (stated, flag) in [(1002, None), (1000, None), (1001, Some(eur(-1)))] {
        let mut cart = order(true, vec![line(1002, 1, 0, 0)], vec![], stated);
        cart.cash_rounding = eur(-2);
        let sums = reconcile_totals(&cart).unwrap();
        assert_eq!((sums.ordered.totals.payable, sums.flag()), (eur(1000), flag));
    }
}

/// D32
#[test]
fn what_is_still_stated_for_a_cancelled_order_does_not_flag_it() {
    let mut cart = order(true, vec![line(1000, 1, 0, 0)], vec![way(490, 0, 0)], 1490);
    cart.stated_now = Some(StatedTotals { total: eur(0), ..cart.stated });
    assert_eq!(reconcile_totals(&cart).unwrap().flag(), Some(eur(-1490)));
    cart.cancelled_at = Some(Timestamp(1));
    assert_eq!(reconcile_totals(&cart).unwrap().flag(), None);
}

/// D32
#[test]
fn two_errors_that_cancel_out_are_flagged_all_the_same() {
    let mut cart = order(true, vec![line(1000, 1, 0, 0)], vec![way(500, 0, 0)], 1500);
    cart.stated.subtotal = Some(eur(1100));
    assert_eq!(reconcile_totals(&cart).unwrap().flag(), Some(eur(100)));
}

/// RA2.1
#[test]
fn sums_that_pass_the_largest_amount_are_an_error_and_do_not_wrap() {
    let huge = crate::base::money::MINOR_MAX;
    let cart = order(true, vec![line(huge, 1, 0, 0), line(huge, 1, 0, 0)], vec![], 0);
    assert_eq!(reconcile_totals(&cart), Err(MoneyError::Range));
}

/// price, ordered, left, discount per mille, tax per mille, whether the channel tells what removal took
type Row = (i64, i64, i64, i64, i64, bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0_i64..500_000, 0_i64..2_000, 0_i64..2_000, 0_i64..=1_000, 0_i64..300, any::<bool>());
    proptest::collection::vec(row.prop_map(|(p, n, left, d, t, told)| (p, n, left.min(n), d, t, told)), 0..30)
}

/// Half away from zero, by remainder instead of by doubling.
fn part_of(amount: i128, part: i128, whole: i128) -> i128 {
    if whole == 0 {
        return 0;
    }
    let (quotient, rest) = (amount * part / whole, amount * part % whole);
    if rest >= whole - rest { quotient + 1 } else { quotient }
}

proptest! {
    /// RA2.1, RA2.2
    #[test]
    fn sums_of_any_cart_equal_those_of_the_reference(
        rows in rows(),
        ships in proptest::collection::vec((0_i64..5_000, 0_i64..=1_000, 0_i64..500, any::<bool>()), 0..4),
        inclusive in any::<bool>(),
        (tip, duties, fees, rounding) in (0_i64..5_000, 0_i64..5_000, 0_i64..5_000, -50_i64..50),
        off_by in -3_i64..=3,
    ) {
        let mut lines = Vec::new();
        let (mut ordered, mut left, mut tax, mut tax_left) = (0_i128, 0_i128, 0_i128, 0_i128);
        for (price, pieces, kept, discount, rate, told) in rows {
            let gross = price * pieces;
            let discount = gross * discount / 1_000;
            let net = gross - discount;
            let line_tax = net * rate / 1_000;
            let mut row = line(price, pieces, discount, line_tax);
            row.current_quantity = kept;
            ordered += i128::from(net);
            tax += i128::from(line_tax);
            if told && kept < pieces {
                let (gone, gone_tax) = (net * (pieces - kept) / pieces, line_tax * (pieces - kept) / pieces);
                row.removed = Some(Removed { quantity: pieces - kept, subtotal: eur(gone), tax: eur(gone_tax) });
                left += i128::from(net - gone);
                tax_left += i128::from(line_tax - gone_tax);
            } else {
                let (kept, pieces) = (i128::from(kept), i128::from(pieces));
                left += i128::from(price) * kept - part_of(i128::from(discount), kept, pieces);
                tax_left += part_of(i128::from(line_tax), kept, pieces);
            }
            lines.push(row);
        }
        let mut ways = Vec::new();
        for (price, discount, ship_tax, removed) in ships {
            let discount = price * discount / 1_000;
            let mut row = way(price, discount, ship_tax);
            ordered += i128::from(price - discount);
            tax += i128::from(ship_tax);
            if removed && price > discount {
                row.now = Some(eur(0));
            } else {
                left += i128::from(price - discount);
                tax_left += i128::from(ship_tax);
            }
            ways.push(row);
        }
        let added = i128::from(tip + duties + fees);
        let (total, total_left) = if inclusive { (ordered, left) } else { (ordered + tax, left + tax_left) };
        let (total, total_left) = (i64::try_from(total + added).unwrap(), i64::try_from(total_left + added).unwrap());

        let mut cart = order(inclusive, lines, ways, total + off_by);
        cart.tip = eur(tip);
        cart.duties = Charge { ordered: eur(duties), now: eur(duties) };
        cart.fees = Charge { ordered: eur(fees), now: eur(fees) };
        cart.stated_now = Some(StatedTotals { total: eur(total_left), ..cart.stated });
        let exact = reconcile_totals(&cart).unwrap();
        prop_assert_eq!(exact.ordered.totals.total, eur(total));
        prop_assert_eq!(exact.now.totals.total, eur(total_left));
        prop_assert_eq!(i128::from(exact.now.totals.tax.minor), if tax == 0 { 0 } else { tax_left });
        prop_assert_eq!(exact.flag(), (off_by != 0).then(|| eur(off_by)));

        cart.cash_rounding = eur(rounding);
        let rounded = reconcile_totals(&cart).unwrap();
        prop_assert_eq!(rounded.ordered.totals.payable, eur(total + rounding));
        prop_assert_eq!(rounded.flag(), (off_by != 0 && off_by != rounding).then(|| eur(off_by)));
    }
}
