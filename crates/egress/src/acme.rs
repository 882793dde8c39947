//! ACME (RFC 8555) for S/MIME (RFC 8823): what is said to the server of a CA. The mail with the challenge comes in
//! elsewhere, and what is remembered from one step to the next is kept elsewhere.
//!
//! The account key signs what is said here and nothing else. The keys that certificates are for never come here: of
//! them there is a request, which is public.

mod account_key;
mod caa;
mod client;
mod objects;

pub use account_key::{AccountKey, ExternalBinding, key_authorization_digest};
pub use caa::{IssueMail, check_issue_mail};
pub use client::{Account, AcmeClient, AcmeLimits, Answered};
pub use objects::{Authorization, Challenge, Directory, Identifier, Order, Problem, Status};
