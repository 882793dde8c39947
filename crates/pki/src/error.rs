use std::fmt;

use crate::ocsp::OcspRefusal;

/// Why the work could not be done. A certificate that was read and found wanting is not an error: see
/// [`Reason`](crate::Reason).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not the ASN.1 they should be.
    Asn1(asn1::Error),
    /// Not an email address that could stand in a certificate or a From field.
    BadAddress {
        /// What is wrong with it.
        because: BadAddress,
    },
    /// A primitive failed or is not known.
    Crypto(crypto::Error),
    /// Neither DER nor PEM of the kind that was asked for.
    NotFound {
        /// What was looked for: `"certificate"`, `"CRL"`.
        what: &'static str,
    },
    /// The OCSP responder gave no answer.
    OcspRefused {
        /// Its word.
        refusal: OcspRefusal,
    },
    /// The PEM armour is broken.
    Pem(asn1::PemError),
    /// More than the limits allow.
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The limit in bytes or entries.
        limit: usize,
    },
    /// The structure is well-formed, but of a version or kind that is not read here.
    Unsupported {
        /// What it is.
        what: &'static str,
    },
}

/// What is wrong with an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAddress {
    /// A character that may not stand there, such as a space, a quote, a bracket, or a control.
    Character(char),
    /// The domain is empty, has an empty label, or one that is not a host name's.
    Domain,
    /// Nothing before the `@`, or a dot at the edge or doubled.
    LocalPart,
    /// Not exactly one `@`.
    At,
    /// Longer than a mailbox can be.
    TooLong,
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(c) => write!(f, "the character U+{:04X} may not stand in it", u32::from(*c)),
            Self::Domain => f.write_str("the domain is not a host name"),
            Self::LocalPart => f.write_str("the part before the @ is empty or has a dot out of place"),
            Self::At => f.write_str("there is not exactly one @"),
            Self::TooLong => f.write_str("it is too long"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn1(error) => error.fmt(f),
            Self::BadAddress { because } => write!(f, "not an email address: {because}"),
            Self::Crypto(error) => error.fmt(f),
            Self::NotFound { what } => write!(f, "there is no {what} in it"),
            Self::OcspRefused { refusal } => write!(f, "the OCSP responder gave no answer: {refusal}"),
            Self::Pem(error) => error.fmt(f),
            Self::TooLarge { what, limit } => write!(f, "{what} is larger than {limit}"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Asn1(error) => Some(error),
            Self::Crypto(error) => Some(error),
            Self::Pem(error) => Some(error),
            _ => None,
        }
    }
}

impl From<asn1::Error> for Error {
    fn from(error: asn1::Error) -> Self {
        Self::Asn1(error)
    }
}

impl From<asn1::PemError> for Error {
    fn from(error: asn1::PemError) -> Self {
        Self::Pem(error)
    }
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        Self::Crypto(error)
    }
}
