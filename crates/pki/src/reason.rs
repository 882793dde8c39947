use std::fmt;

use asn1::{Oid, Time};

use crate::EmailAddress;
use crate::certificate::Oddity;
use crate::crl::RevocationReason;
use crate::extensions::KeyUsage;

/// Why a certificate is not good for what was asked: the answer is no, and this is the rule that says so.
///
/// Shown as a predicate that follows "the certificate of …": lower case, no full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something stands where an address should, and is none (CASES T-09).
    AddressMalformed,
    /// The address is not among those that the certificate speaks for (RFC 8550 §3).
    AddressMismatch {
        /// The one that was asked for.
        asked: EmailAddress,
        /// Those in the certificate.
        found: Vec<EmailAddress>,
    },
    /// The certificate speaks for no mailbox at all (RFC 8550 §3).
    AddressMissing,
    /// The two signature algorithm fields differ (RFC 5280 §4.1.1.2).
    AlgorithmMismatch,
    /// A CA certificate where a person's is needed (RFC 8550 §4.4.1).
    CaAsLeaf,
    /// More certificates, signature checks or comparisons than the budget allows (CASES T-48).
    ChainTooComplex,
    /// More intermediate certificates than the limits allow.
    ChainTooLong,
    /// A critical extension that is not understood (RFC 5280 §4.2).
    CriticalExtensionUnknown(Oid),
    /// It was issued after the time until which its CA is trusted.
    DistrustedAfter {
        /// That time.
        on: Time,
    },
    /// The time is after notAfter (RFC 5280 §6.1.3).
    Expired {
        /// notAfter
        on: Time,
    },
    /// extKeyUsage is present and does not allow mail (RFC 8550 §4.4.4), or what else was asked for.
    ExtendedKeyUsage,
    /// An extension came twice (RFC 5280 §4.2).
    ExtensionDuplicated(Oid),
    /// An extension that matters cannot be parsed.
    ExtensionMalformed(Oid),
    /// An issuing certificate is not a CA's (RFC 5280 §6.1.4 (k)).
    IssuerNotCa,
    /// No certificate of the issuer is at hand.
    IssuerUnknown,
    /// The key is one that everybody has: a sample out of a document.
    KeyIsPublic,
    /// The key can be computed by others.
    KeyIsWeak {
        /// The weakness: `"ROCA"`, `"public exponent"`.
        because: &'static str,
    },
    /// The key is too short.
    KeyTooShort {
        /// Its bits.
        bits: u32,
    },
    /// The key's algorithm is not known, or its encoding is refused.
    KeyUnsupported,
    /// keyUsage does not allow it (RFC 5280 §4.2.1.3, RFC 8550 §4.4.2).
    KeyUsage {
        /// Any one of these was needed.
        needed: KeyUsage,
    },
    /// A name lies outside the permitted subtrees, or in an excluded one (RFC 5280 §4.2.1.10).
    NameConstraint {
        /// The name.
        name: String,
    },
    /// Something a conforming CA does not issue; refused under [`Conformance::Strict`](crate::Conformance).
    Nonconforming {
        /// What, with its clause.
        what: &'static str,
    },
    /// The time is before notBefore (RFC 5280 §6.1.3).
    NotYetValid {
        /// notBefore
        until: Time,
    },
    /// The structure is odd in a way that is never accepted.
    Odd(Oddity),
    /// More certificates follow than pathLenConstraint allows (RFC 5280 §6.1.4 (l)).
    PathLength,
    /// No acceptable policy is left where one is required (RFC 5280 §6.1.5 (g)).
    PolicyRequired,
    /// A policy mapping names anyPolicy (RFC 5280 §6.1.4 (a)).
    PolicyMapping,
    /// Whether it is revoked could not be found out, and the policy requires that it is.
    RevocationUnknown,
    /// It is revoked.
    Revoked {
        /// Since when.
        on: Time,
        /// Why.
        because: RevocationReason,
    },
    /// The signature is not the issuer's.
    SignatureInvalid,
    /// The signature's algorithm is not known or no longer good enough.
    SignatureUnacceptable {
        /// The algorithm.
        algorithm: Oid,
    },
    /// The chain ends in a self-issued certificate that is no trust anchor.
    UnknownAuthority,
}

impl Reason {
    /// One word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AddressMalformed => "address-malformed",
            Self::AddressMismatch { .. } => "address-mismatch",
            Self::AddressMissing => "address-missing",
            Self::AlgorithmMismatch => "algorithm-mismatch",
            Self::CaAsLeaf => "ca-as-leaf",
            Self::ChainTooComplex => "chain-too-complex",
            Self::ChainTooLong => "chain-too-long",
            Self::CriticalExtensionUnknown(_) => "critical-extension-unknown",
            Self::DistrustedAfter { .. } => "distrusted-after",
            Self::Expired { .. } => "expired",
            Self::ExtendedKeyUsage => "extended-key-usage",
            Self::ExtensionDuplicated(_) => "extension-duplicated",
            Self::ExtensionMalformed(_) => "extension-malformed",
            Self::IssuerNotCa => "issuer-not-ca",
            Self::IssuerUnknown => "issuer-unknown",
            Self::KeyIsPublic => "key-is-public",
            Self::KeyIsWeak { .. } => "key-is-weak",
            Self::KeyTooShort { .. } => "key-too-short",
            Self::KeyUnsupported => "key-unsupported",
            Self::KeyUsage { .. } => "key-usage",
            Self::NameConstraint { .. } => "name-constraint",
            Self::Nonconforming { .. } => "nonconforming",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Odd(_) => "odd",
            Self::PathLength => "path-length",
            Self::PolicyRequired => "policy-required",
            Self::PolicyMapping => "policy-mapping",
            Self::RevocationUnknown => "revocation-unknown",
            Self::Revoked { .. } => "revoked",
            Self::SignatureInvalid => "signature-invalid",
            Self::SignatureUnacceptable { .. } => "signature-unacceptable",
            Self::UnknownAuthority => "unknown-authority",
        }
    }

    /// How much this reason tells, where several paths fail for several: the largest is shown.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::IssuerUnknown => 0,
            Self::SignatureInvalid => 1,
            Self::SignatureUnacceptable { .. } | Self::KeyUnsupported => 2,
            Self::UnknownAuthority => 3,
            Self::ChainTooLong => 4,
            Self::IssuerNotCa => 5,
            Self::ChainTooComplex => 6,
            Self::RevocationUnknown => 30,
            Self::Expired { .. } | Self::NotYetValid { .. } => 20,
            Self::Revoked { .. } => 40,
            _ => 10,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressMismatch { asked, found } => {
                write!(f, "does not speak for {asked}, but for ")?;
                for (index, address) in found.iter().enumerate() {
                    write!(f, "{}{address}", if index > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Self::AddressMalformed => f.write_str("has a malformed email address"),
            Self::AddressMissing => f.write_str("names no email address"),
            Self::AlgorithmMismatch => f.write_str("names two different signature algorithms"),
            Self::CaAsLeaf => f.write_str("is a CA's, not a person's"),
            Self::ChainTooComplex => f.write_str("has a chain too complex to check"),
            Self::ChainTooLong => f.write_str("has a chain with too many intermediate certificates"),
            Self::CriticalExtensionUnknown(oid) => write!(f, "has the critical extension {oid}, which is not known"),
            Self::DistrustedAfter { on } => {
                write!(f, "was issued after {}, when its CA was no longer trusted", date(*on))
            }
            Self::Expired { on } => write!(f, "expired on {}", date(*on)),
            Self::ExtendedKeyUsage => f.write_str("is not for email by its extended key usage"),
            Self::ExtensionDuplicated(oid) => write!(f, "has the extension {oid} twice"),
            Self::ExtensionMalformed(oid) => write!(f, "has an extension {oid} that cannot be parsed"),
            Self::IssuerNotCa => f.write_str("issued another one without being a CA's"),
            Self::IssuerUnknown => f.write_str("has an issuer whose certificate is not at hand"),
            Self::KeyIsPublic => f.write_str("has a sample key that everybody knows"),
            Self::KeyIsWeak { because } => write!(f, "has a weak key ({because})"),
            Self::KeyTooShort { bits } => write!(f, "has a key of only {bits} bits"),
            Self::KeyUnsupported => f.write_str("has a key of a kind that is not supported"),
            Self::KeyUsage { needed } => write!(f, "has a key usage without {needed}"),
            Self::NameConstraint { name } => write!(f, "has a name that a CA above may not certify: {name}"),
            Self::Nonconforming { what } => write!(f, "does not conform: {what}"),
            Self::NotYetValid { until } => write!(f, "is not valid before {}", date(*until)),
            Self::Odd(oddity) => write!(f, "is malformed: {oddity}"),
            Self::PathLength => f.write_str("is deeper below a CA than that CA may reach"),
            Self::PolicyRequired => f.write_str("was not issued under an acceptable policy"),
            Self::PolicyMapping => f.write_str("maps the policy anyPolicy"),
            Self::RevocationUnknown => f.write_str("could not be checked for revocation"),
            Self::Revoked { on, because } => write!(f, "was revoked on {} ({because})", date(*on)),
            Self::SignatureInvalid => f.write_str("has a signature that is not its issuer's"),
            Self::SignatureUnacceptable { algorithm } => write!(f, "is signed with {algorithm}, which is not accepted"),
            Self::UnknownAuthority => f.write_str("comes from a CA that is not trusted here"),
        }
    }
}

fn date(time: Time) -> String {
    let parts = time.parts();
    format!("{:04}-{:02}-{:02}", parts.year, parts.month, parts.day)
}
