use std::fmt;
use std::io;

/// Why the work could not be done. That a message is not to be trusted is no error: see [`crate::Rejected`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A CMS layer cannot be read or written.
    Cms(cms::Error),
    /// There is nothing in it.
    Empty,
    /// Reading or writing failed.
    Io(io::Error),
    /// The message's structure exceeds the limits.
    Mime(mime::Error),
    /// What should be a signature for content elsewhere is something else, with content of its own.
    NotDetached,
    /// There is no S/MIME layer where one is needed.
    NotSmime {
        /// What was looked for: `"signed"`, `"encrypted"`.
        wanted: &'static str,
    },
    /// The message is in no form that is known here.
    Unrecognised,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cms(error) => error.fmt(f),
            Self::Empty => f.write_str("there is nothing in it"),
            Self::Io(error) => error.fmt(f),
            Self::Mime(error) => error.fmt(f),
            Self::NotDetached => f.write_str("this is no detached signature, which has no content of its own"),
            Self::NotSmime { wanted } => write!(f, "the message is not {wanted} with S/MIME"),
            Self::Unrecognised => f.write_str("this is neither a mail nor an S/MIME file"),
        }
    }
}

impl Error {
    /// Whether it says something about this machine and nothing about the message: see [`cms::Error::is_local`].
    pub fn is_local(&self) -> bool {
        match self {
            Self::Cms(error) => error.is_local(),
            Self::Io(error) => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof),
            _ => false,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cms(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Mime(error) => Some(error),
            _ => None,
        }
    }
}

impl From<cms::Error> for Error {
    fn from(error: cms::Error) -> Self {
        match error {
            cms::Error::Io(error) => Self::Io(error),
            other => Self::Cms(other),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::from(cms::Error::from(error))
    }
}

impl From<mime::Error> for Error {
    fn from(error: mime::Error) -> Self {
        match error {
            mime::Error::Io(error) => error.into(),
            other => Self::Mime(other),
        }
    }
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        Self::Cms(error.into())
    }
}
