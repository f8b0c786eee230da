//! Permissions: a closed list, and the set of them that a caller holds.

use std::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $bit:literal $text:literal,)*) => {
        /// One right. The number is its bit in stored sets and must not change.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Permission { $($(#[$doc])* $name = $bit,)* }

        impl Permission {
            /// All rights, in the order of the matrix.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as tokens and roles write it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            const fn bit(self) -> u64 {
                match self { $(Self::$name => 1 << $bit,)* }
            }
        }
    };
}

permissions! {
    /// See orders and their timelines.
    OrderRead = 0 "order.read",
    /// Place and change orders.
    OrderWrite = 1 "order.write",
    /// See products and variants.
    ProductRead = 2 "product.read",
    /// Change products and variants.
    ProductWrite = 3 "product.write",
    /// See stock, movements and reservations.
    InventoryRead = 4 "inventory.read",
    /// Move stock.
    InventoryWrite = 5 "inventory.write",
    /// See background jobs.
    JobRead = 6 "job.read",
    /// Retry and discard jobs.
    JobWrite = 7 "job.write",
    /// See channels, their inbox and quarantine.
    ChannelRead = 8 "channel.read",
    /// Change channels, replay messages, map SKUs.
    ChannelWrite = 9 "channel.write",
    /// See what Google was told.
    FeedRead = 10 "feed.read",
    /// Change the connection to Google.
    FeedWrite = 11 "feed.write",
    /// Read the journal.
    AuditRead = 12 "audit.read",
    /// See users and tokens.
    UserRead = 13 "user.read",
    /// Change users and tokens.
    UserWrite = 14 "user.write",
    /// Drive the demo's sandboxes.
    DemoWrite = 15 "demo.write",
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights(u64);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// Every right there is.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Whether the set holds `permission`.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// The names in the set, in the order of the matrix.
    pub fn names(self) -> Vec<&'static str> {
        Permission::ALL.iter().filter(|p| self.has(**p)).map(|p| p.name()).collect()
    }

    /// The set of the given names. Names that no release knows any more are passed over.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Self {
        let known = |name: &S| Permission::ALL.iter().copied().find(|p| p.name() == name.as_ref());
        names.iter().filter_map(known).collect()
    }
}

impl FromIterator<Permission> for Rights {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | permission.bit()))
    }
}
