//! Whole numbers of pieces.

/// The most pieces that one line, movement or level may hold. Keeps every sum of a store far from overflow.
pub const QUANTITY_MAX: i64 = 1_000_000_000;

/// A count of pieces from 0 to [`QUANTITY_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Quantity(i64);

impl Quantity {
    /// None.
    pub const ZERO: Self = Self(0);

    /// `None` when negative or above [`QUANTITY_MAX`].
    pub fn new(pieces: i64) -> Option<Self> {
        (0..=QUANTITY_MAX).contains(&pieces).then_some(Self(pieces))
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The smaller of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// What is left after taking `other`, at least zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// Whether there is none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl rusqlite::ToSql for Quantity {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl rusqlite::types::FromSql for Quantity {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        let pieces = i64::column_result(value)?;
        Self::new(pieces).ok_or(rusqlite::types::FromSqlError::OutOfRange(pieces))
    }
}
