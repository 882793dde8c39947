use std::fmt;

/// Why a mail server cannot be talked with any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A packet does not hold what its letter says.
    Malformed {
        /// The packet.
        what: &'static str,
        /// What is wrong.
        because: &'static str,
    },
    /// What should go back is more than a packet takes.
    TooLong {
        /// What it is.
        what: &'static str,
    },
    /// A packet says that it is larger than is taken.
    TooLarge {
        /// Octets that it says it has.
        length: usize,
        /// Octets that it may have.
        limit: usize,
    },
    /// A letter that no version up to 6 has.
    Unknown {
        /// The letter.
        letter: u8,
    },
    /// The mail server does not offer what this filter is nothing without.
    Unusable {
        /// What is missing.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { what, because } => write!(f, "cannot parse {what}: {because}"),
            Self::TooLong { what } => write!(f, "{what} is too long for a packet"),
            Self::TooLarge { length, limit } => write!(f, "a packet of {length} octets, where {limit} are taken"),
            Self::Unknown { letter } => write!(f, "a packet with the unknown letter {letter:#04x}"),
            Self::Unusable { what } => write!(f, "the mail server does not offer {what}"),
        }
    }
}

impl std::error::Error for Error {}
