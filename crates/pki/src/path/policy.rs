use asn1::{Oid, Time};

use crate::EmailAddress;

/// What a path is checked for: everything that is not in the certificates themselves.
#[derive(Debug, Clone)]
pub struct PathPolicy {
    /// The time to judge by: when the mail arrived, or now (CASES S-26). Never a time out of the message.
    pub at: Time,
    /// What the leaf's key is to be used for.
    pub purpose: Purpose,
    /// The mailbox that the leaf must speak for.
    pub address: Option<EmailAddress>,
    /// How much must be known about revocation.
    pub revocation: Revocation,
    /// user-initial-policy-set (RFC 5280 §6.1.1 (c)); `None` is any policy.
    pub initial_policies: Option<Vec<Oid>>,
    /// initial-explicit-policy (RFC 5280 §6.1.1 (f)).
    pub require_explicit_policy: bool,
    /// initial-policy-mapping-inhibit (RFC 5280 §6.1.1 (e)).
    pub inhibit_policy_mapping: bool,
    /// initial-any-policy-inhibit (RFC 5280 §6.1.1 (g)).
    pub inhibit_any_policy: bool,
    /// How much of RFC 5280 §4 a certificate must keep.
    pub conformance: Conformance,
    /// Bounds on the work.
    pub limits: PathLimits,
}

impl PathPolicy {
    /// The default at a time: any purpose, any address, revocation where something is known about it.
    pub fn at(at: Time) -> Self {
        Self {
            at,
            purpose: Purpose::Any,
            address: None,
            revocation: Revocation::IfAvailable,
            initial_policies: None,
            require_explicit_policy: false,
            inhibit_policy_mapping: false,
            inhibit_any_policy: false,
            conformance: Conformance::Practical,
            limits: PathLimits::default(),
        }
    }

    /// The same for this purpose.
    #[must_use]
    pub fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// The same for this mailbox.
    #[must_use]
    pub fn address(self, address: EmailAddress) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The same with this much revocation.
    #[must_use]
    pub fn revocation(self, revocation: Revocation) -> Self {
        Self { revocation, ..self }
    }

    /// Whether RFC 8550's rules for people's certificates hold: they do as soon as mail is meant.
    pub(crate) fn is_for_mail(&self) -> bool {
        matches!(self.purpose, Purpose::Sign | Purpose::Encrypt) || self.address.is_some()
    }
}

/// What the leaf's key is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// RFC 5280 alone: keyUsage and extKeyUsage of the leaf are not looked at.
    Any,
    /// Verifying signed mail.
    Sign,
    /// Encrypting mail.
    Encrypt,
    /// Verifying OCSP responses.
    Ocsp,
    /// Verifying CRLs.
    Crl,
}

/// How much must be known about revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// Every certificate below the anchor must be known to be good.
    Required,
    /// Revoked is refused, unknown is let pass and reported.
    IfAvailable,
    /// Not looked at.
    Off,
}

/// How much of RFC 5280 §4 a certificate must keep where a verifier is free to let it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conformance {
    /// What real CAs have issued is accepted where it does no harm: a serial number of zero, a missing
    /// authorityKeyIdentifier.
    Practical,
    /// Everything that RFC 5280 §4 says a CA MUST do.
    Strict,
}

/// Bounds on the work of one check, or of one message (CASES T-48, N-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathLimits {
    /// Intermediate certificates in one path, self-issued ones not counted.
    pub depth: usize,
    /// Certificates considered.
    pub certificates: u32,
    /// Signatures verified.
    pub signatures: u32,
    /// Partial paths followed.
    pub paths: u32,
    /// Names compared with constraints.
    pub comparisons: u32,
}

impl Default for PathLimits {
    fn default() -> Self {
        Self { depth: 10, certificates: 100, signatures: 200, paths: 1_000, comparisons: 250_000 }
    }
}
