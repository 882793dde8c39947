use std::fmt;

use asn1::Oid;

/// Why a cryptographic operation could not be done, or did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A signature, tag, padding or wrapped key that is not right. It never says more.
    BadValue,
    /// The key's encoding is not what its algorithm asks for.
    MalformedKey {
        /// What is wrong with it.
        because: &'static str,
    },
    /// The algorithm's parameters are not what its standard asks for.
    MalformedParameters {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// The operation does not exist for this kind of key.
    NotForThisKey {
        /// The operation: `"sign"`, `"decrypt"`, `"agree"`, `"decapsulate"`.
        operation: &'static str,
    },
    /// A password is to be tried at a price that no honest file asks.
    TooMuchWork {
        /// The rounds that one file may cost.
        limit: u64,
    },
    /// The token or service that holds the key did not answer.
    Unavailable {
        /// What it said.
        because: String,
    },
    /// An algorithm that is known by name, but has no sound implementation here.
    Unsupported {
        /// Its name.
        algorithm: String,
    },
    /// An algorithm that nothing here knows.
    Unknown {
        /// Its identifier.
        oid: Oid,
    },
    /// An algorithm that is read only to say what it is.
    Weak {
        /// Its name.
        algorithm: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadValue => f.write_str("the cryptographic check did not succeed"),
            Self::MalformedKey { because } => write!(f, "the key is malformed: {because}"),
            Self::MalformedParameters { algorithm } => write!(f, "the parameters of {algorithm} are malformed"),
            Self::NotForThisKey { operation } => write!(f, "this kind of key cannot {operation}"),
            Self::TooMuchWork { limit } => write!(f, "trying the password would take more than {limit} rounds"),
            Self::Unavailable { because } => write!(f, "the key cannot be reached: {because}"),
            Self::Unsupported { algorithm } => write!(f, "{algorithm} is not supported"),
            Self::Unknown { oid } => write!(f, "the algorithm {oid} is not known"),
            Self::Weak { algorithm } => write!(f, "{algorithm} is too weak to be accepted"),
        }
    }
}

impl std::error::Error for Error {}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::BadValue
    }
}

impl From<aws_lc_rs::error::KeyRejected> for Error {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self::MalformedKey { because: "it was rejected" }
    }
}
