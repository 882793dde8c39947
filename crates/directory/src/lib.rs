//! Who has which certificate, since when, by whose word.

pub mod harvest;
