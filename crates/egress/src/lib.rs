//! The way out: revocation lists, OCSP answers and certificates from directories, fetched from servers of others.
//!
//! A crate of its own, for a boundary that the compiler holds: what talks to strangers' servers has no arrow to the
//! directory, and with it no mail and no keys. It is given certificates and gives certificates, lists and answers.
//!
//! - [`Fetcher`] asks the addresses that certificates name. They are a stranger's choice, so it goes to public addresses
//!   over HTTP only, a [`pki::Path`] shows that the chain ends in a trusted anchor before anybody is contacted, and time,
//!   size and redirects are bounded (CASES T-120 to T-122).
//! - [`LookUp`] asks the directories that the operator named: LDAP, SMIMEA in DNS, HTTP. What they answer is a candidate.
//! - [`acme`] gets certificates for the people inside, from the CA that the operator named. The requests that it hands in
//!   were signed elsewhere.
//! - [`Web`] asks web servers that the operator named, such as the provider at which people log in.
//! - [`publish`] is the other direction: our own certificates for LDAP and DNS.

pub mod acme;
mod address;
mod breaker;
mod error;
mod fetcher;
mod http;
pub mod look_up;
pub mod publish;
mod records;
mod resolve;
mod tls;
mod url;
mod web;

pub use address::is_public;
pub use error::Error;
pub use fetcher::{Fetched, Fetcher, FetcherLimits};
pub use look_up::{Found, LookUp, Source};
pub use records::{CaaRecord, DnsRecords, FoundRecords, Records};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub use tls::TlsRoots;
pub use web::{Web, form_encoded};

/// What skips a check.
pub mod danger {
    use std::sync::Arc;

    use crate::{Fetcher, FetcherLimits, Resolve};

    /// A fetcher that also goes to private and loopback addresses and to any port. For tests, whose servers are on
    /// loopback: with it a certificate could make this machine talk to its neighbours (CASES T-120).
    pub fn fetcher_to_anywhere(limits: FetcherLimits, resolver: Arc<dyn Resolve>) -> Fetcher {
        Fetcher::to_anywhere(limits, resolver)
    }
}
