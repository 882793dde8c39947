use std::fmt;
use std::net::IpAddr;

/// Why nothing was fetched. Whatever it is, the status of a certificate stays unknown (CASES T-122).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An address that is never contacted: not http, not public, or a form that programs read differently.
    Forbidden {
        /// Host or URL.
        host: String,
        /// What is wrong with it.
        because: &'static str,
        /// What the host's name stands for.
        address: Option<IpAddr>,
    },
    /// The answer is not what it should be.
    Malformed {
        /// Of what.
        what: &'static str,
        /// In which way.
        because: String,
    },
    /// An ACME server said no, and why.
    Problem {
        /// Which server.
        host: String,
        /// In its words.
        problem: crate::acme::Problem,
        /// Seconds after which it wants to be asked again.
        retry_after: Option<u32>,
    },
    /// The host failed several times in a row and is left alone for a while.
    Resting {
        /// Which.
        host: String,
        /// For how long still.
        seconds: u64,
    },
    /// The server said no.
    Status {
        /// Which server.
        host: String,
        /// HTTP status or LDAP result code.
        status: u32,
    },
    /// It took too long.
    TimedOut {
        /// Which server.
        host: String,
    },
    /// The answer is larger than what is read.
    TooLarge {
        /// Of what.
        what: &'static str,
        /// Octets or entries.
        limit: usize,
    },
    /// The server cannot be reached, or the connection broke.
    Unreachable {
        /// Which server.
        host: String,
        /// What the system said.
        because: String,
    },
    /// The answer does not count: signed by somebody else, about another certificate, out of its time.
    Useless {
        /// Of what.
        what: &'static str,
        /// Why.
        because: &'static str,
    },
}

impl Error {
    /// Whether the same may work later: the server or the way to it is to blame, and not what was asked.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Resting { .. } | Self::TimedOut { .. } | Self::Unreachable { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            // RFC 8555 §6.7: what is about the server, or about the moment.
            Self::Problem { problem, .. } => {
                matches!(problem.kind.as_str(), "badNonce" | "rateLimited" | "serverInternal" | "orderNotReady")
            }
            _ => false,
        }
    }

    /// Seconds after which the server wants to be asked again, where it said so.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether it says something about the server, which is then left alone for a while.
    pub(crate) fn is_servers_fault(&self) -> bool {
        !matches!(self, Self::Forbidden { .. } | Self::Problem { .. } | Self::Resting { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden { host, because, address: Some(address) } => {
                write!(f, "{host} is not contacted: {address} {because}")
            }
            Self::Forbidden { host, because, address: None } => write!(f, "{host} is not contacted: it {because}"),
            Self::Malformed { what, because } => write!(f, "cannot read {what}: {because}"),
            Self::Problem { host, problem, .. } => write!(f, "{host} says: {problem}"),
            Self::Resting { host, seconds } => {
                write!(f, "{host} failed several times and is asked again in {seconds} s")
            }
            Self::Status { host, status } => write!(f, "{host} answered {status}"),
            Self::TimedOut { host } => write!(f, "{host} took too long"),
            Self::TooLarge { what, limit } => write!(f, "{what} is larger than {limit}"),
            Self::Unreachable { host, because } => write!(f, "cannot reach {host}: {because}"),
            Self::Useless { what, because } => write!(f, "{what} does not count: {because}"),
        }
    }
}

impl std::error::Error for Error {}
