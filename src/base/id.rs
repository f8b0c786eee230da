//! Typed, time-ordered ids: a `UUIDv7` stored as 16 bytes and shown as `prefix_` plus 26 Crockford base32 characters.

use crate::base::clock::{Clock, Timestamp};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 26;

/// Sixteen bytes of a `UUIDv7`. Byte order is creation order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

/// Why a text is not an id of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix before the underscore belongs to another type, or there is none.
    #[error("expected an id that starts with `{expected}_`, found `{found}`")]
    Prefix {
        /// The prefix this type carries.
        expected: &'static str,
        /// What stood before the underscore, cut to 16 characters.
        found: String,
    },
    /// The part after the prefix is not 26 base32 characters that fit 128 bits.
    #[error("the part after `{expected}_` must be 26 characters of 0-9 and a-z without i, l, o, u")]
    Body {
        /// The prefix this type carries.
        expected: &'static str,
    },
}

impl Id {
    /// Takes the stored form.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The stored form.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The routing number of the tenant that a routed id carries (bytes 9 to 12), decision D16.
    pub fn routing(&self) -> u32 {
        let [_, _, _, _, _, _, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    fn encode(self) -> [u8; TEXT_LEN] {
        let mut rest = u128::from_be_bytes(self.0);
        let mut text = [b'0'; TEXT_LEN];
        for slot in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 31).unwrap_or(0);
            *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        text
    }

    fn decode(text: &[u8]) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let mut value: u128 = 0;
        for (position, byte) in text.iter().enumerate() {
            let lower = byte.to_ascii_lowercase();
            let digit = ALPHABET.iter().position(|letter| *letter == lower)?;
            // 26 digits hold 130 bits: the first may only carry three.
            if position == 0 && digit > 7 {
                return None;
            }
            value = (value << 5) | u128::try_from(digit).ok()?;
        }
        Some(Self(value.to_be_bytes()))
    }

    /// Writes the 26 characters without a prefix.
    pub fn write_body(self, out: &mut impl fmt::Write) -> fmt::Result {
        let text = self.encode();
        out.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }

    /// Reads `prefix_body`.
    pub fn parse(text: &str, expected: &'static str) -> Result<Self, IdError> {
        let (prefix, body) = text.split_once('_').unwrap_or(("", text));
        if prefix != expected {
            let shown = if prefix.is_empty() { text } else { prefix };
            return Err(IdError::Prefix { expected, found: shown.chars().take(16).collect() });
        }
        Self::decode(body.as_bytes()).ok_or(IdError::Body { expected })
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_body(f)
    }
}

/// A typed id with a fixed prefix.
pub trait TypedId: Copy + fmt::Display + fmt::Debug + Ord + From<Id> + Into<Id> {
    /// The text before the underscore, as listed in the API conventions.
    const PREFIX: &'static str;

    /// The sixteen bytes as stored.
    fn bytes(self) -> [u8; 16] {
        let id: Id = self.into();
        *id.as_bytes()
    }

    /// Reads the text form. Either case is accepted.
    fn parse(text: &str) -> Result<Self, IdError> {
        Id::parse(text, Self::PREFIX).map(Self::from)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Id);

        impl $name {
            /// From the stored form, also in constants.
            pub const fn from_array(bytes: [u8; 16]) -> Self { Self(Id(bytes)) }
        }
        impl TypedId for $name { const PREFIX: &'static str = $prefix; }
        impl From<Id> for $name { fn from(id: Id) -> Self { Self(id) } }
        impl From<$name> for Id { fn from(id: $name) -> Self { id.0 } }
        impl From<[u8; 16]> for $name { fn from(bytes: [u8; 16]) -> Self { Self(Id(bytes)) } }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                self.0.write_body(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                <$name as TypedId>::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(rusqlite::types::ToSqlOutput::from(&self.0.0[..]))
            }
        }
        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                <[u8; 16]>::column_result(value).map(Self::from)
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                })
            }
        }
    )*};
}

ids! {
    /// A store: one file, one business.
    TenantId = "ten";
    /// A person who signs in.
    UserId = "usr";
    /// A role: a named set of permissions.
    RoleId = "rol";
    /// An API token.
    TokenId = "tok";
    /// A browser session.
    SessionId = "ses";
    /// A one-time sign-in link.
    LinkId = "lnk";
    /// A product: what the shopper sees as one thing.
    ProductId = "prd";
    /// A variant: what is counted, priced and sold.
    VariantId = "var";
    /// A warehouse or shop floor that holds stock.
    WarehouseId = "whs";
    /// One movement of stock.
    MovementId = "mov";
    /// Stock promised to an owner.
    ReservationId = "rsv";
    /// An order.
    OrderId = "ord";
    /// A line of an order.
    LineId = "lin";
    /// A payment attempt.
    PaymentId = "pay";
    /// A customer.
    CustomerId = "cus";
    /// A sales channel.
    ChannelId = "chn";
    /// A delivery received from outside.
    MessageId = "msg";
    /// A background job.
    JobId = "job";
    /// A fact in the journal, as a client sees it.
    EventId = "evt";
    /// A request.
    RequestId = "req";
}

/// Where random bytes come from. The system's source in production, a seeded one in tests.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice.
    fn fill(&self, out: &mut [u8]);
}

struct Minted {
    last_ms: i64,
    counter: u16,
    pool: [u8; 512],
    used: usize,
}

/// Makes ids. Ids of one maker never go backwards, also when the clock does.
#[derive(Clone)]
pub struct IdMaker {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state: Arc<Mutex<Minted>>,
}

impl IdMaker {
    /// A maker over the given time and chance.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let state = Minted { last_ms: 0, counter: 0, pool: [0; 512], used: 512 };
        Self { clock, entropy, state: Arc::new(Mutex::new(state)) }
    }

    /// The next id of a type.
    pub fn make<T: TypedId>(&self) -> T {
        T::from(self.next(None))
    }

    /// The next id, with the tenant's routing number inside (D16).
    pub fn make_routed<T: TypedId>(&self, routing: u32) -> T {
        T::from(self.next(Some(routing)))
    }

    /// Fresh random bytes, for secrets.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.entropy.fill(&mut out);
        out
    }

    fn next(&self, routing: Option<u32>) -> Id {
        let Timestamp(now) = self.clock.now();
        let mut state = self.state.lock();
        if now > state.last_ms {
            state.last_ms = now;
            state.counter = 0;
        } else if state.counter == 0x0fff {
            state.last_ms = state.last_ms.saturating_add(1);
            state.counter = 0;
        } else {
            state.counter = state.counter.saturating_add(1);
        }
        let mut tail = [0_u8; 8];
        if state.used.saturating_add(tail.len()) > state.pool.len() {
            self.entropy.fill(&mut state.pool);
            state.used = 0;
        }
        let from = state.used;
        for (slot, byte) in tail.iter_mut().zip(state.pool.iter().skip(from)) {
            *slot = *byte;
        }
        state.used = from.saturating_add(8);
        let ms = u64::try_from(state.last_ms).unwrap_or(0);
        let counter = state.counter;
        drop(state);

        let mut id = (u128::from(ms) << 80) | u128::from(u64::from_be_bytes(tail) & 0x3fff_ffff_ffff_ffff);
        id |= (0x7 << 76) | (u128::from(counter) << 64) | (0b10 << 62);
        if let Some(number) = routing {
            id = (id & !(0xffff_ffff << 24)) | (u128::from(number) << 24);
        }
        Id(id.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0xab);
        }
    }

    fn maker(clock: &Arc<ManualClock>) -> IdMaker {
        IdMaker::new(Arc::<ManualClock>::clone(clock), Arc::new(Zeros))
    }

    #[test]
    fn the_text_form_reads_back_in_either_case() {
        let clock = Arc::new(ManualClock::at(Timestamp(1_763_690_000_000)));
        let id: OrderId = maker(&clock).make();
        let text = id.to_string();
        assert_eq!(text.len(), "ord_".len() + TEXT_LEN);
        assert_eq!(OrderId::parse(&text), Ok(id));
        let upper = format!("ord_{}", text.trim_start_matches("ord_").to_uppercase());
        assert_eq!(OrderId::parse(&upper), Ok(id));
    }

    #[test]
    fn a_foreign_prefix_says_which_is_expected() {
        let clock = Arc::new(ManualClock::at(Timestamp(1_763_690_000_000)));
        let id: OrderId = maker(&clock).make();
        let error = ProductId::parse(&id.to_string()).unwrap_err();
        assert_eq!(error.to_string(), "expected an id that starts with `prd_`, found `ord`");
        assert!(matches!(OrderId::parse("ord_short"), Err(IdError::Body { .. })));
        assert!(matches!(OrderId::parse(&format!("ord_{}", "z".repeat(26))), Err(IdError::Body { .. })));
    }

    #[test]
    fn ids_never_go_backwards_even_when_the_clock_does() {
        let clock = Arc::new(ManualClock::at(Timestamp(1_763_690_000_000)));
        let maker = maker(&clock);
        let mut last: OrderId = maker.make();
        for step in 0..10_000_i64 {
            if step == 5_000 {
                clock.set(Timestamp(1_000_000_000_000));
            }
            let next: OrderId = maker.make();
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn a_routed_id_carries_its_tenants_number() {
        let clock = Arc::new(ManualClock::at(Timestamp(1_763_690_000_000)));
        let id: ChannelId = maker(&clock).make_routed(0xdead_beef);
        assert_eq!(Id::from(id).routing(), 0xdead_beef);
    }
}
