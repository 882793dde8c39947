use std::fmt;

/// Why the portal could not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The directory, or the message store, could not.
    Directory(directory::Error),
    /// It could not listen.
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        because: std::io::Error,
    },
    /// A password could not be hashed.
    Password {
        /// Why.
        because: String,
    },
    /// A setting is wrong.
    Setting {
        /// Which one.
        what: &'static str,
        /// What is wrong with it.
        because: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => write!(f, "{error}"),
            Self::Listen { address, because } => write!(f, "cannot listen on {address}: {because}"),
            Self::Password { because } => write!(f, "cannot hash a password: {because}"),
            Self::Setting { what, because } => write!(f, "{what}: {because}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory(error) => Some(error),
            Self::Listen { because, .. } => Some(because),
            _ => None,
        }
    }
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        Self::Directory(error)
    }
}
