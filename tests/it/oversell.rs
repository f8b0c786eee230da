//! The last piece is sold once.
