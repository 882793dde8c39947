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
    /// Whether it says something about the server, which is then left alone for a while.
    pub(crate) fn is_servers_fault(&self) -> bool {
        !matches!(self, Self::Forbidden { .. } | Self::Resting { .. })
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
