use std::fmt;

use asn1::Time;

/// Why the directory could not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is one already.
    AlreadyExists {
        /// What.
        what: &'static str,
    },
    /// Somebody else was faster, or what was decided about is no longer what was shown (CASES T-66).
    Conflict {
        /// What stands against it.
        what: String,
    },
    /// What is stored cannot be right.
    Corrupt {
        /// What, and where.
        what: String,
    },
    /// A primitive failed.
    Crypto(crypto::Error),
    /// A file could not be read or written.
    Io(std::io::Error),
    /// More often than is allowed (CASES T-104, T-110).
    LimitReached {
        /// Of what.
        what: &'static str,
        /// When it may be tried again.
        until: Time,
    },
    /// What was given is not what it should be.
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        because: String,
    },
    /// The master key is not the one that these keys were sealed with (CASES T-125).
    MasterKeyWrong,
    /// The rules do not allow it.
    NotAllowed {
        /// What.
        what: &'static str,
    },
    /// There is none.
    NotFound {
        /// What.
        what: &'static str,
    },
    /// The database was written by a newer version (CASES R-12).
    SchemaTooNew {
        /// The version found.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The link or session is unknown, over, or was used before. One answer for all of them (CASES T-103, T-105).
    TokenInvalid,
    /// The database is away, slow, locked or read-only: hold what depends on it and try again (CASES R-06).
    Unavailable {
        /// What it said.
        because: String,
    },
}

impl Error {
    /// Whether it may work later without anybody doing anything about it: answer with a 4xx and keep the message.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Io(_) | Self::Crypto(crypto::Error::Unavailable { .. }))
    }

    pub(crate) fn corrupt(what: impl fmt::Display) -> Self {
        Self::Corrupt { what: what.to_string() }
    }

    pub(crate) fn conflict(what: impl fmt::Display) -> Self {
        Self::Conflict { what: what.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExists { what } => write!(f, "there is already {what}"),
            Self::Conflict { what } => write!(f, "{what}"),
            Self::Corrupt { what } => write!(f, "the directory is damaged: {what}"),
            Self::Crypto(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::LimitReached { what, until } => write!(f, "too many {what}; possible again at {until}"),
            Self::Malformed { what, because } => write!(f, "not {what}: {because}"),
            Self::MasterKeyWrong => f.write_str("the master key is not the one that the private keys were sealed with"),
            Self::NotAllowed { what } => write!(f, "not allowed: {what}"),
            Self::NotFound { what } => write!(f, "there is no such {what}"),
            Self::SchemaTooNew { found, known } => {
                write!(f, "the database has version {found}, and this program knows versions up to {known}")
            }
            Self::TokenInvalid => f.write_str("the link or session is not valid, or no longer"),
            Self::Unavailable { because } => write!(f, "the database is not available: {because}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Crypto(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        Self::Crypto(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<sqlx::Error> for Error {
    // What a database says about a statement that was prepared in a test is about its state, not about us.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) if error.is_unique_violation() => Self::AlreadyExists { what: "one like it" },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::corrupt(error),
            error => Self::Unavailable { because: error.to_string() },
        }
    }
}
