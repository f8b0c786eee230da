//! Complaints about a request's body, collected, so that its sender hears of all of them at once.

use super::error::{Fault, FieldFault, Place};
use super::text::is_clean;

/// What is wrong with a body so far.
#[derive(Default, Debug)]
pub struct Complaints(Vec<FieldFault>);

impl Complaints {
    /// One more, about what stands at `pointer` (RFC 6901).
    pub fn add(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.0.push(FieldFault { place: Place::Pointer(pointer.into()), code, detail: detail.into() });
    }

    /// Complains about a text that has not `min` to `max` characters, or holds control characters.
    pub fn text(&mut self, pointer: &str, text: &str, min: usize, max: usize) {
        if (min..=max).contains(&text.chars().count()) && is_clean(text) {
            return;
        }
        let name = pointer.rsplit('/').next().unwrap_or(pointer);
        let detail = if min == 0 {
            format!("`{name}` has at most {max} characters and no control characters.")
        } else {
            format!("`{name}` needs {min} to {max} characters without control characters.")
        };
        self.add(pointer, "invalid_text", detail);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Refuses the body if there are any.
    pub fn end(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::fields(self.0)) }
    }
}
