//! Money in integer minor units. There is no float in it, and no sum that can wrap.

use std::fmt;

/// The largest amount either side of zero: a hundred trillion minor units, so that a million of them still fit 64 bits.
pub const MINOR_MAX: i64 = 100_000_000_000_000;

/// An ISO 4217 currency with 0, 2 or 3 decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

/// An amount of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Cents, yen, fils.
    pub minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// Why a text or a sum is not money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code with minor units.
    #[error("`{0}` is not a currency code of ISO 4217")]
    Currency(String),
    /// Not a plain decimal number.
    #[error("`{0}` is not an amount, as in 12.90")]
    Format(String),
    /// More decimals than the currency has.
    #[error("`{amount}` has more decimals than {currency} has")]
    Precision {
        /// The text as given.
        amount: String,
        /// The currency's code.
        currency: Currency,
    },
    /// Beyond [`MINOR_MAX`].
    #[error("the amount is larger than the store can hold")]
    Range,
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
}

impl Currency {
    /// Reads a code such as `EUR`. Upper case only, as the standard writes it.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::Currency(code.chars().take(8).collect());
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_not_three| unknown())?;
        if !bytes.iter().all(u8::is_ascii_uppercase) {
            return Err(unknown());
        }
        let known = iso_currency::Currency::from_code(code).ok_or_else(unknown)?;
        let exponent = known.exponent().and_then(|e| u8::try_from(e).ok()).ok_or_else(unknown)?;
        if exponent > 3 {
            return Err(unknown());
        }
        Ok(Self { code: bytes, exponent })
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("XXX")
    }

    /// How many decimals amounts have.
    pub const fn exponent(self) -> u8 {
        self.exponent
    }

    /// Minor units of one whole: 1, 100 or 1000.
    pub const fn unit(self) -> i64 {
        match self.exponent {
            0 => 1,
            1 => 10,
            2 => 100,
            _ => 1000,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Money {
    /// Nothing.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// An amount in minor units.
    pub fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor.unsigned_abs() > MINOR_MAX.unsigned_abs() {
            return Err(MoneyError::Range);
        }
        Ok(Self { minor, currency })
    }

    /// Reads a decimal text such as `-12.90`. Digits beyond the currency's decimals are refused unless they are zeros.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let format = || MoneyError::Format(amount.chars().take(40).collect());
        let (negative, digits) = match amount.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, amount),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let dangling = digits.contains('.') && fraction.is_empty();
        if whole.is_empty() || dangling || !plain(whole) || !plain(fraction) {
            return Err(format());
        }
        if whole.len() > 18 || fraction.len() > 18 {
            return Err(MoneyError::Range);
        }
        let decimals = usize::from(currency.exponent);
        let (kept, beyond) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
        if beyond.bytes().any(|b| b != b'0') {
            return Err(MoneyError::Precision { amount: amount.to_owned(), currency });
        }
        let whole: i64 = whole.parse().map_err(|_overflow| MoneyError::Range)?;
        let cents: i64 = format!("{kept:0<decimals$}0").parse().map_err(|_overflow| format())?;
        let minor = whole
            .checked_mul(currency.unit())
            .and_then(|units| units.checked_add(cents / 10))
            .ok_or(MoneyError::Range)?;
        Self::new(if negative { -minor } else { minor }, currency)
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Range)?;
        Self::new(minor, self.currency)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.plus(Self { minor: -other.minor, currency: other.currency })
    }

    /// The amount of `pieces` such pieces.
    pub fn times(self, pieces: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(pieces).ok_or(MoneyError::Range)?;
        Self::new(minor, self.currency)
    }

    /// The decimal text without the currency, as in `12.90`.
    pub fn amount(&self) -> String {
        let decimals = usize::from(self.currency.exponent);
        let sign = if self.minor < 0 { "-" } else { "" };
        let units = self.minor.unsigned_abs();
        let scale = self.currency.unit().unsigned_abs();
        if decimals == 0 {
            return format!("{sign}{units}");
        }
        format!("{sign}{}.{:0decimals$}", units / scale, units % scale)
    }

    /// Splits this amount over `weights` by largest remainder: the parts sum to the whole exactly, and ties go to the earlier weight.
    /// With no weight above zero everything goes to the first part; with no weights the answer is empty.
    pub fn allocate(self, weights: &[i64]) -> Vec<i64> {
        let total: i128 = weights.iter().map(|w| i128::from((*w).max(0))).sum();
        if total == 0 {
            let mut parts = vec![0; weights.len()];
            if let Some(first) = parts.first_mut() {
                *first = self.minor;
            }
            return parts;
        }
        let whole = i128::from(self.minor.unsigned_abs());
        let mut shares: Vec<(i128, i128)> = weights
            .iter()
            .map(|w| {
                let product = whole * i128::from((*w).max(0));
                (product / total, product % total)
            })
            .collect();
        let given: i128 = shares.iter().map(|(share, _)| share).sum();
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(shares.get(*i).map_or(0, |s| s.1)), *i));
        let missing = usize::try_from(whole - given).unwrap_or(0);
        for index in order.into_iter().take(missing) {
            if let Some(share) = shares.get_mut(index) {
                share.0 += 1;
            }
        }
        let sign = self.minor.signum();
        shares.into_iter().map(|(share, _)| sign * i64::try_from(share).unwrap_or(0)).collect()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Money on the wire: `{"amount":"12.90","currency":"EUR"}`.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Money")]
pub struct MoneyWire {
    /// Decimal text with at most the currency's decimals.
    #[schemars(regex(pattern = r"^-?[0-9]{1,15}(\.[0-9]{1,3})?$"))]
    pub amount: String,
    /// ISO 4217 code.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
}

impl From<Money> for MoneyWire {
    fn from(money: Money) -> Self {
        Self { amount: money.amount(), currency: money.currency.code().to_owned() }
    }
}

impl TryFrom<&MoneyWire> for Money {
    type Error = MoneyError;
    fn try_from(wire: &MoneyWire) -> Result<Self, MoneyError> {
        Self::parse(&wire.amount, Currency::parse(&wire.currency)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::parse("EUR").unwrap()).unwrap()
    }

    #[test]
    fn amounts_read_and_show_by_the_currencys_decimals() {
        for (text, code, minor) in [
            ("12.90", "EUR", 1290),
            ("-0.05", "EUR", -5),
            ("12", "EUR", 1200),
            ("12.9", "EUR", 1290),
            ("12.9000", "EUR", 1290),
            ("1500", "JPY", 1500),
            ("1.234", "KWD", 1234),
        ] {
            let money = Money::parse(text, Currency::parse(code).unwrap()).unwrap();
            assert_eq!(money.minor, minor, "{text} {code}");
        }
        assert_eq!(eur(-5).to_string(), "-0.05 EUR");
        assert_eq!(Money::parse("1500", Currency::parse("JPY").unwrap()).unwrap().amount(), "1500");
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        let euro = Currency::parse("EUR").unwrap();
        for text in ["", ".5", "5.", "1e3", "NaN", "1,5", "+1", "--1", " 1", "١"] {
            assert!(matches!(Money::parse(text, euro), Err(MoneyError::Format(_))), "{text}");
        }
        assert!(matches!(Money::parse("0.001", euro), Err(MoneyError::Precision { .. })));
        assert_eq!(Money::parse("99999999999999999", euro), Err(MoneyError::Range));
        for code in ["eur", "EURO", "XXX", "ZZZ", "€", ""] {
            assert!(Currency::parse(code).is_err(), "{code}");
        }
    }

    proptest! {
        #[test]
        fn allocated_parts_sum_to_the_whole_and_never_pass_their_fair_share_by_one(
            minor in -1_000_000_000_i64..1_000_000_000,
            weights in proptest::collection::vec(0_i64..1_000_000, 1..40),
        ) {
            let parts = eur(minor).allocate(&weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), minor);
            let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
            if total > 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = i128::from(minor.abs()) * i128::from(*weight);
                    let low = exact / total;
                    prop_assert!((low..=low + 1).contains(&i128::from(part.abs())));
                }
            }
        }

        #[test]
        fn the_text_form_reads_back(minor in -MINOR_MAX..MINOR_MAX) {
            let money = eur(minor);
            prop_assert_eq!(Money::parse(&money.amount(), money.currency), Ok(money));
        }
    }
}
