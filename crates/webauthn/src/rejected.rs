use std::fmt;

/// Why an answer is not accepted: the step of Web Authentication Level 2 §7 at which it stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// The key is of an algorithm that was not offered.
    Algorithm,
    /// The attestation statement is of a format that is not asked for, or has something in it that `none` has not.
    Attestation {
        /// Its format.
        format: String,
    },
    /// It answers another question, or none of ours.
    Challenge,
    /// The counter did not go on: there may be a second authenticator with this key.
    Counter {
        /// What was known.
        known: u32,
        /// What it says now.
        shown: u32,
    },
    /// Another passkey answered than the one that is known.
    Credential,
    /// The page that asked stood within a page of another site.
    CrossOrigin,
    /// The bytes are not what they should be.
    Malformed {
        /// What they should be.
        what: &'static str,
        /// What is wrong.
        because: String,
    },
    /// It was asked for on another site.
    Origin {
        /// On which one.
        found: String,
    },
    /// It was made for another relying party.
    RelyingParty,
    /// The signature is not right.
    Signature,
    /// It says that it is bound to a TLS connection, and ours is not.
    TokenBinding,
    /// It answers another kind of question.
    Type {
        /// Of which kind.
        found: String,
    },
    /// The passkey belongs to somebody else.
    UserHandle,
    /// Nobody touched the authenticator.
    UserNotPresent,
    /// The authenticator did not find out who touched it, and that was required.
    UserNotVerified,
}

impl Rejected {
    pub(crate) fn malformed(what: &'static str, because: impl Into<String>) -> Self {
        Self::Malformed { what, because: because.into() }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm => f.write_str("the key's algorithm was not offered"),
            Self::Attestation { format } => write!(f, "an attestation of the format {format:?} is not asked for"),
            Self::Challenge => f.write_str("it answers another challenge"),
            Self::Counter { known, shown } => write!(f, "the counter went from {known} to {shown}"),
            Self::Credential => f.write_str("another passkey answered"),
            Self::CrossOrigin => f.write_str("the page stood within another site's page"),
            Self::Malformed { what, because } => write!(f, "not {what}: {because}"),
            Self::Origin { found } => write!(f, "it was asked for at {found:?}"),
            Self::RelyingParty => f.write_str("it was made for another relying party"),
            Self::Signature => f.write_str("the signature is not right"),
            Self::TokenBinding => f.write_str("it is bound to a TLS connection that is not ours"),
            Self::Type { found } => write!(f, "it answers a question of the kind {found:?}"),
            Self::UserHandle => f.write_str("the passkey belongs to somebody else"),
            Self::UserNotPresent => f.write_str("nobody touched the authenticator"),
            Self::UserNotVerified => f.write_str("the authenticator did not verify its user"),
        }
    }
}

impl std::error::Error for Rejected {}
