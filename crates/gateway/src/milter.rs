//! Sealpost as a mail filter (milter) of Postfix or Sendmail: the mail server keeps the mail, and asks at its end what to
//! change. Mail from inside is signed, mail from outside is verified and marked; nothing is encrypted or opened.
//!
//! Whoever reaches a filter for mail from inside has mail signed. Everything that comes over the socket is bounded before
//! it is read; whatever goes wrong ends in *not now*, never in a mail that goes on as it is.

mod message;
mod server;
mod session;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

pub(crate) use server::MilterServer;

use crate::{Error, Network, Side};

/// Where a mail server asks, and about whose mail.
#[derive(Debug, Clone)]
pub struct MilterSettings {
    /// Where to listen.
    pub address: MilterAddress,
    /// Whose mail is asked about here.
    pub side: Side,
    /// Who may connect by TCP; when empty everybody, and for mail from inside this machine alone.
    pub networks: Vec<Network>,
    /// Whether nothing is signed of whoever has not logged in, as the mail server says it by `{auth_authen}`.
    pub log_in: bool,
}

/// Where a filter listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MilterAddress {
    /// By TCP; port 0 takes a free one.
    Tcp(SocketAddr),
    /// At a socket in the file system, for its owner and its group.
    Unix(PathBuf),
}

impl FromStr for MilterAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(Error::Settings { what: format!("{text} is not unix:/PATH") }),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| Error::Settings { what: format!("{text} is neither ADDRESS:PORT nor unix:/PATH") }),
        }
    }
}

impl fmt::Display for MilterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:10030", "[::1]:10030", "unix:/run/sealpost/milter"] {
            assert_eq!(text.parse::<MilterAddress>().unwrap().to_string(), text);
        }
        for wrong in ["", "unix:", "unix:milter", "localhost:1", "127.0.0.1"] {
            assert!(wrong.parse::<MilterAddress>().is_err(), "{wrong}");
        }
    }
}
