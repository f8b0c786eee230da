//! Who does something: carried by every scope, written into every journal row.

use crate::base::id::{ChannelId, Id, TokenId, UserId};

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// The product itself: jobs, sweeps, start-up.
    System,
    /// A person with a session.
    User(UserId),
    /// A program with an API token.
    Token(TokenId),
    /// A sales channel that delivered something.
    Channel(ChannelId),
    /// A person at the machine's command line.
    Operator,
}

impl Actor {
    /// The stored number of the kind.
    pub const fn kind_number(self) -> u8 {
        match self {
            Self::System => 0,
            Self::User(_) => 1,
            Self::Token(_) => 2,
            Self::Channel(_) => 3,
            Self::Operator => 4,
        }
    }

    /// The name of a stored kind.
    pub const fn kind_name(number: u8) -> &'static str {
        match number {
            0 => "system",
            1 => "user",
            2 => "token",
            3 => "channel",
            4 => "operator",
            _ => "unknown",
        }
    }

    /// The stored id; zeros where there is none.
    pub fn id_bytes(self) -> [u8; 16] {
        let id: Id = match self {
            Self::System | Self::Operator => return [0; 16],
            Self::User(id) => id.into(),
            Self::Token(id) => id.into(),
            Self::Channel(id) => id.into(),
        };
        *id.as_bytes()
    }

    /// The text form of a stored actor's id.
    pub fn show(number: u8, bytes: [u8; 16]) -> Option<String> {
        match number {
            1 => Some(UserId::from(bytes).to_string()),
            2 => Some(TokenId::from(bytes).to_string()),
            3 => Some(ChannelId::from(bytes).to_string()),
            _ => None,
        }
    }
}
