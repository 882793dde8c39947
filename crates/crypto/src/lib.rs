//! The only door to cryptographic primitives, and the private-key trait.
