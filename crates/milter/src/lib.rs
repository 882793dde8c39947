//! The mail filter protocol that Sendmail and Postfix speak, version 6: what a mail server tells a filter, and what the
//! filter asks it to change.
//!
//! Octets in, values out, and back: no socket, no clock, nothing of what the mail is about. A [`Decoder`] cuts the stream
//! into [`Command`]s and takes no packet that is larger than it was told; [`Negotiation`] says which steps a server
//! leaves out and which it wants no answer to; [`Response`]s go back; [`header_changes`] finds the few that make one
//! header another.
//!
//! There is no RFC. The numbers are those of `libmilter/mfdef.h`, and what Postfix makes of them.

mod changes;
mod command;
mod decoder;
mod error;
mod negotiation;
mod response;

pub use changes::{HeaderField, header_changes};
pub use command::{Client, Command};
pub use decoder::Decoder;
pub use error::Error;
pub use negotiation::{Actions, Negotiation, Offer, Steps};
pub use response::{BODY_CHUNK, LONGEST_VALUE, Response};
