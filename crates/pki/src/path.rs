//! Building and validating certification paths for email: RFC 5280 §6 with RFC 9618's policy graph,
//! RFC 8550's rules for people's certificates, and revocation by CRL and OCSP.
//!
//! The question is always the same: may this certificate be used for this address, for this purpose, at this
//! time, and why (not)? The answer is a [`Path`], which nothing else can make, or a [`Rejected`].

mod budget;
mod build;
mod cache;
mod conformance;
mod constraints;
mod explanation;
mod policy;
mod policy_graph;
mod revocation;
mod sources;
mod validate;

use std::fmt;

use asn1::{Oid, Time};

pub use budget::Budget;
pub use cache::PathCache;
pub use explanation::{Explanation, Outcome, Step, Verdict};
pub use policy::{Conformance, PathLimits, PathPolicy, Purpose, Revocation};
pub(crate) use revocation::Status;
pub use sources::{RevocationSource, RevocationSourceKind};
pub(crate) use validate::{is_understood, leaf_failures};

use crate::{Certificate, CertificateList, EmailAddress, OcspResponse, Reason, TrustAnchors};

/// What is known about whether a certificate was revoked. Unknown is never good (CASES T-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationStatus {
    /// Every certificate of the path was found not to be revoked.
    Good,
    /// One was revoked.
    Revoked,
    /// Nothing said that one was revoked, but not all could be found out.
    Unknown,
    /// Nobody asked.
    Unchecked,
}

impl fmt::Display for RevocationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::Unchecked => "unchecked",
        })
    }
}

/// Looks for a path from a certificate to a trust anchor and validates it.
///
/// ```
/// # fn check(anchors: &pki::TrustAnchors, alice: &pki::Certificate, bag: &[pki::Certificate], now: asn1::Time)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use pki::{EmailAddress, PathChecker, PathPolicy, Purpose};
///
/// let policy = PathPolicy::at(now).purpose(Purpose::Encrypt).address(EmailAddress::parse("alice@example.org")?);
/// match PathChecker::new(anchors, &policy).intermediates(bag).check(alice) {
///     Ok(path) => println!("trusted through {}", path.anchor()),
///     Err(rejected) => println!("{rejected}\n{}", rejected.explanation()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct PathChecker<'a> {
    anchors: &'a TrustAnchors,
    policy: &'a PathPolicy,
    intermediates: Vec<&'a Certificate>,
    crls: Vec<&'a CertificateList>,
    ocsp: Vec<&'a OcspResponse>,
    cache: Option<&'a PathCache>,
    budget: Option<&'a Budget>,
}

impl<'a> PathChecker<'a> {
    /// With nothing at hand but the anchors.
    pub fn new(anchors: &'a TrustAnchors, policy: &'a PathPolicy) -> Self {
        Self {
            anchors,
            policy,
            intermediates: Vec::new(),
            crls: Vec::new(),
            ocsp: Vec::new(),
            cache: None,
            budget: None,
        }
    }

    /// Also certificates that may lie between, in any order and number, useful or not.
    pub fn intermediates(mut self, certificates: impl IntoIterator<Item = &'a Certificate>) -> Self {
        self.intermediates.extend(certificates);
        self
    }

    /// Also revocation lists.
    pub fn crls(mut self, lists: impl IntoIterator<Item = &'a CertificateList>) -> Self {
        self.crls.extend(lists);
        self
    }

    /// Also OCSP responses.
    pub fn ocsp(mut self, responses: impl IntoIterator<Item = &'a OcspResponse>) -> Self {
        self.ocsp.extend(responses);
        self
    }

    /// Remembers verified signatures across calls.
    pub fn cache(mut self, cache: &'a PathCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Shares one budget among several calls, as all signers of one message do.
    pub fn budget(mut self, budget: &'a Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Builds paths from `leaf` to an anchor until one is valid, and says which; or why none is.
    pub fn check(&self, leaf: &Certificate) -> Result<Path, Rejected> {
        let own_budget;
        let budget = match self.budget {
            Some(budget) => budget,
            None => {
                own_budget = Budget::new(&self.policy.limits);
                &own_budget
            }
        };
        build::check(self, leaf, budget)
    }
}

/// A valid path: only [`PathChecker::check`] makes one.
#[derive(Debug, Clone)]
#[must_use]
pub struct Path {
    leaf: Certificate,
    certificates: Vec<Certificate>,
    address: Option<EmailAddress>,
    purpose: Purpose,
    at: Time,
    policies: Vec<Oid>,
    revocation: RevocationStatus,
    explanation: Explanation,
}

impl Path {
    /// The certificate that was asked about.
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// From the leaf to the anchor, both included.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The trust anchor at the end.
    pub fn anchor(&self) -> &Certificate {
        self.certificates.last().unwrap_or(&self.leaf)
    }

    /// The address that was asked for, which the leaf speaks for.
    pub fn address(&self) -> Option<&EmailAddress> {
        self.address.as_ref()
    }

    /// The purpose that was asked for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The time that it was checked for.
    pub fn checked_at(&self) -> Time {
        self.at
    }

    /// The policies that hold along the whole path (RFC 5280 §6.1.6).
    pub fn policies(&self) -> &[Oid] {
        &self.policies
    }

    /// What is known about revocation.
    pub fn revocation(&self) -> RevocationStatus {
        self.revocation
    }

    /// Each rule that mattered.
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }
}

/// The answer is no: the most telling reason, and how it was come by.
#[derive(Debug, Clone)]
pub struct Rejected(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    reason: Reason,
    certificate: Certificate,
    is_leaf: bool,
    address: Option<EmailAddress>,
    revocation: RevocationStatus,
    explanation: Explanation,
}

impl Rejected {
    /// Why.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The certificate that the reason speaks of: the leaf, or one above it.
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// Whether the reason speaks of the certificate that was asked about, not of one above.
    pub fn is_about_leaf(&self) -> bool {
        self.0.is_leaf
    }

    /// What is known about revocation.
    pub fn revocation(&self) -> RevocationStatus {
        self.0.revocation
    }

    /// Each rule that mattered.
    pub fn explanation(&self) -> &Explanation {
        &self.0.explanation
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.address, self.0.is_leaf) {
            (Some(address), true) if !matches!(self.0.reason, Reason::AddressMismatch { .. }) => {
                write!(f, "the certificate for {address} {}", self.0.reason)
            }
            (_, true) => write!(f, "the certificate of {} {}", self.0.certificate, self.0.reason),
            _ => write!(f, "the CA certificate of {} {}", self.0.certificate, self.0.reason),
        }
    }
}

impl std::error::Error for Rejected {}
