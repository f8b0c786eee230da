//! Hands over to the library, so that tests reach everything.

fn main() {}
