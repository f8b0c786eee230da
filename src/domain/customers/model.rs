//! What is known of a buyer, and what of a channel's words about one can be kept.

use crate::base::id::CustomerId;

/// Characters of a name.
const NAME_MAX: usize = 300;
/// Characters of a telephone number.
const PHONE_MAX: usize = 50;
/// Characters of an e-mail address.
const EMAIL_MAX: usize = 254;

/// A buyer as an order names one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewCustomer {
    /// What a buyer is known by.
    pub email: Option<String>,
    /// Given and family name.
    pub name: Option<String>,
    /// Telephone number as typed.
    pub phone: Option<String>,
}

/// A customer as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// What it is known by.
    pub email: Option<String>,
    /// Empty when it is not known.
    pub name: String,
    /// Telephone number as typed.
    pub phone: Option<String>,
}

impl NewCustomer {
    /// What of it can be kept: control characters become spaces, texts are trimmed and cut, and what is no e-mail address is left out.
    #[must_use]
    pub fn kept(self) -> Self {
        let email = kept(self.email, usize::MAX).filter(|email| is_email(email));
        Self { email, name: kept(self.name, NAME_MAX), phone: kept(self.phone, PHONE_MAX) }
    }
}

fn kept(text: Option<String>, max: usize) -> Option<String> {
    let clean: String = text?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut: String = clean.trim().chars().take(max).collect();
    let text = cut.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_email(text: &str) -> bool {
    let fits = (3..=EMAIL_MAX).contains(&text.chars().count()) && !text.contains(char::is_whitespace);
    fits && text.rsplit_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_cut_or_left_out() {
        let odd = NewCustomer {
            email: Some("no address".to_owned()),
            name: Some(format!("  Ada\nLovelace {}", "x".repeat(400))),
            phone: Some(" \t".to_owned()),
        };
        let kept = odd.kept();
        assert_eq!(kept.email, None);
        assert!(kept.name.as_deref().unwrap().starts_with("Ada Lovelace x"));
        assert_eq!(kept.name.unwrap().chars().count(), NAME_MAX);
        assert_eq!(kept.phone, None);
    }

    #[test]
    fn an_address_has_something_on_both_sides_of_its_at() {
        for text in ["a@b", "ada.lovelace+shop@example.org", "ü@exämple.org"] {
            assert!(is_email(text), "{text}");
        }
        for text in ["", "@b", "a@", "ab", "a b@c.org"] {
            assert!(!is_email(text), "{text}");
        }
        assert!(!is_email(&format!("{}@b.org", "a".repeat(250))));
    }
}
