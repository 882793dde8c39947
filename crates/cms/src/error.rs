use std::fmt;
use std::io;

use asn1::Oid;

/// Why a CMS message could not be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not the ASN.1 they should be.
    Asn1(asn1::Error),
    /// A key could not do what was asked of it.
    Crypto(crypto::Error),
    /// Decryption did not succeed. It never says why (CASES T-24).
    DecryptionFailed,
    /// Reading or writing failed.
    Io(io::Error),
    /// None of the recipients is one of the given keys.
    NoMatchingRecipient,
    /// A credential cannot sign.
    NotASigner {
        /// Why not.
        because: &'static str,
    },
    /// A recipient cannot be encrypted to.
    NotARecipient {
        /// Why not.
        because: &'static str,
    },
    /// Another content type than the one that was asked for.
    OtherContentType {
        /// What it is.
        found: Oid,
    },
    /// Compressed content grows too large.
    TooCompressed {
        /// How many times as large it may be.
        limit: u64,
    },
    /// More of something than is read.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn1(error) => write!(f, "{error}"),
            Self::Crypto(error) => write!(f, "{error}"),
            Self::DecryptionFailed => f.write_str("the message cannot be decrypted"),
            Self::Io(error) => write!(f, "{error}"),
            Self::NoMatchingRecipient => f.write_str("the message is not encrypted to this key"),
            Self::NotASigner { because } => write!(f, "cannot sign with this certificate: {because}"),
            Self::NotARecipient { because } => write!(f, "cannot encrypt to this certificate: {because}"),
            Self::OtherContentType { found } => write!(f, "the content type is {found}"),
            Self::TooCompressed { limit } => write!(f, "the content grows to more than {limit} times its size"),
            Self::TooMany { what, limit } => write!(f, "there are more than {limit} {what}"),
        }
    }
}

impl Error {
    /// Whether it says something about this machine and nothing about the message: a key or a file that cannot be
    /// reached, or content beyond the limit of what is held.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Crypto(crypto::Error::Unavailable { .. }) => true,
            Self::Io(error) => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof),
            _ => false,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Asn1(error) => Some(error),
            Self::Crypto(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<asn1::Error> for Error {
    fn from(error: asn1::Error) -> Self {
        match error {
            asn1::Error::Io(error) => error.into(),
            other => Self::Asn1(other),
        }
    }
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        Self::Crypto(error)
    }
}

impl From<io::Error> for Error {
    /// An [`Error`] that travelled inside an `io::Error` comes out as itself.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(inner) => inner,
            Err(error) => match error.downcast::<asn1::Error>() {
                Ok(inner) => Self::Asn1(inner),
                Err(error) => Self::Io(error),
            },
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}
