use std::fmt;

use asn1::Oid;

/// What was odd in a certificate, short of making it unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// The two signature algorithm fields differ (RFC 5280 §4.1.1.2).
    AlgorithmMismatch,
    /// A default value is written out, against DER.
    DefaultEncoded,
    /// An extension came twice (RFC 5280 §4.2).
    DuplicateExtension(Oid),
    /// An empty list of extensions (RFC 5280 §4.1).
    ExtensionsEmpty,
    /// Extensions without version 3 (RFC 5280 §4.1.2.1).
    ExtensionsUnexpected,
    /// A GeneralizedTime before 2050 or the reverse (RFC 5280 §4.1.2.5).
    TimeForm,
    /// A known extension whose value cannot be parsed.
    MalformedExtension(Oid),
    /// BER, but not DER.
    NotDer,
    /// A serial number that is negative (RFC 5280 §4.1.2.2).
    SerialNegative,
    /// A serial number of zero.
    SerialZero,
    /// A serial number of more than twenty octets.
    SerialTooLong,
    /// issuerUniqueID or subjectUniqueID, which conforming CAs do not issue (RFC 5280 §4.1.2.8).
    UniqueIdentifiers,
    /// notAfter comes before notBefore.
    ValidityReversed,
}

impl Oddity {
    /// Whether it is never accepted, whatever the policy.
    pub(crate) fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::AlgorithmMismatch
                | Self::DuplicateExtension(_)
                | Self::ExtensionsUnexpected
                | Self::MalformedExtension(_)
                | Self::ValidityReversed
        )
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlgorithmMismatch => f.write_str("the two signature algorithm fields differ"),
            Self::DefaultEncoded => f.write_str("a default value is written out"),
            Self::DuplicateExtension(oid) => write!(f, "the extension {oid} comes twice"),
            Self::ExtensionsEmpty => f.write_str("the list of extensions is empty"),
            Self::ExtensionsUnexpected => f.write_str("it has extensions and is not of version 3"),
            Self::TimeForm => f.write_str("a time is in the form for other years"),
            Self::MalformedExtension(oid) => write!(f, "the extension {oid} cannot be parsed"),
            Self::NotDer => f.write_str("it is BER, not DER"),
            Self::SerialNegative => f.write_str("the serial number is negative"),
            Self::SerialZero => f.write_str("the serial number is zero"),
            Self::SerialTooLong => f.write_str("the serial number is longer than 20 octets"),
            Self::UniqueIdentifiers => f.write_str("it has unique identifiers"),
            Self::ValidityReversed => f.write_str("it ends before it begins"),
        }
    }
}
