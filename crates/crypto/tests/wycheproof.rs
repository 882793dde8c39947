//! Project Wycheproof: thousands of edge cases for every primitive.
//!
//! What a policy of ours refuses although it is legal is listed with its reason, and must really be refused.
#![allow(clippy::print_stdout, reason = "the counts are for people")]

mod wycheproof {
    pub(crate) mod aead;
    pub(crate) mod agreement;
    pub(crate) mod derivation;
    pub(crate) mod harness;
    pub(crate) mod signatures;
    pub(crate) mod transport;
}
