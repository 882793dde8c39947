use std::fmt;
use std::io;

/// Why a message could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source failed.
    Io(io::Error),
    /// More than the limits allow.
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much is read.
        limit: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot read: {error}"),
            Self::TooMuch { what, limit } => write!(f, "the message has more than {limit} {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Bounds that are checked before work begins (CASES N-24, T-54).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one header section.
    pub header_bytes: usize,
    /// Fields of one header section.
    pub header_fields: usize,
    /// Nested multiparts.
    pub depth: usize,
    /// Parts in all.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: 1 << 20, header_fields: 10_000, depth: 50, parts: 1_000 }
    }
}
