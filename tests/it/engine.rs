//! The engine under pressure.
