use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the gateway could not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A listener's address cannot be used.
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        because: io::Error,
    },
    /// A socket in the file system cannot be used.
    BindSocket {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        because: io::Error,
    },
    /// The directory could not be asked or told.
    Directory {
        /// What it says.
        because: String,
    },
    /// Reading or writing failed.
    Io(io::Error),
    /// What was set makes no sense.
    Settings {
        /// What is wrong.
        what: String,
    },
    /// A certificate or key for TLS cannot be used.
    Tls {
        /// What is wrong.
        because: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, because } => write!(f, "cannot listen on {address}: {because}"),
            Self::BindSocket { path, because } => write!(f, "cannot listen on {}: {because}", path.display()),
            Self::Directory { because } => write!(f, "the directory cannot be used: {because}"),
            Self::Io(error) => error.fmt(f),
            Self::Settings { what } => write!(f, "the gateway's settings: {what}"),
            Self::Tls { because } => write!(f, "TLS cannot be set up: {because}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
