//! What we write, others read, and the other way round: a matrix of algorithm and form with independent programs.
//! Development only: nothing shipped depends on it.
//!
//! Everybody, we included, is a `Peer`: it signs, verifies, encrypts, decrypts. A `Case` is one row and column of a
//! table; [`run`] lets each peer write it for us to read, and read it when we wrote it. What a peer cannot do stands in
//! `tests/interop/cannot.tsv` with a piece of the peer's own words as evidence; anything else that fails is a
//! difference. Which cells pass and which do not stands in `docs/reference/interop.md`, cell by cell; a cell that comes
//! out otherwise, better or worse, is a difference too.
#![allow(clippy::panic, reason = "a peer that is not there, or a scene that cannot be set up, must not go on")]

mod cases;
mod expectations;
mod mail;
mod matrix;
mod ours;
mod paths;
mod peer;
mod peers;
mod program;
mod report;
mod scene;
mod task;

pub use matrix::{Cell, Direction, Matrix, Outcome, run};
pub use paths::{PathVerdicts, path_verdicts};
pub use report::to_markdown;
