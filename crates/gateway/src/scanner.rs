//! A scanner behind the decryption: encrypted mail passes the ones before us unread (CASES T-34).
//!
//! It speaks `INSTREAM` of clamd, which other scanners understand as well.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Error;

/// Where a scanner listens: `clamd://HOST:PORT` or `clamd:/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanner {
    /// A socket in the file system.
    File(PathBuf),
    /// Host and port.
    Network(String),
}

/// What a scanner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scanned {
    Clean,
    /// What it found, by its name.
    Found(String),
}

impl Scanner {
    /// Has a mail looked at. Whatever is no clear word is an error, and the mail is held.
    pub(crate) fn scan(&self, mail: &mut dyn Read) -> io::Result<Scanned> {
        match self {
            Self::File(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                ask(stream, mail)
            }
            Self::Network(place) => {
                let no_address = || io::Error::new(io::ErrorKind::NotFound, "the scanner has no address");
                let address = place.to_socket_addrs()?.next().ok_or_else(no_address)?;
                let stream = TcpStream::connect_timeout(&address, CONNECT)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                ask(stream, mail)
            }
        }
    }
}

fn ask<S: Read + Write>(mut stream: S, mail: &mut dyn Read) -> io::Result<Scanned> {
    stream.write_all(b"zINSTREAM\0")?;
    let mut piece = vec![0; 32 * 1_024];
    loop {
        let read = mail.read(&mut piece)?;
        let length = u32::try_from(read).unwrap_or(0);
        stream.write_all(&length.to_be_bytes())?;
        if read == 0 {
            break;
        }
        stream.write_all(piece.get(..read).unwrap_or_default())?;
    }
    stream.flush()?;
    let mut answer = Vec::new();
    let mut octet = [0];
    while answer.len() < MOST_ANSWER && stream.read(&mut octet)? == 1 && octet != [0] {
        answer.extend_from_slice(&octet);
    }
    let answer: String = String::from_utf8_lossy(&answer).chars().filter(|c| !c.is_control()).collect();
    let (_, word) = answer.split_once(": ").unwrap_or_default();
    match word.strip_suffix(" FOUND") {
        _ if word == "OK" => Ok(Scanned::Clean),
        Some(name) => Ok(Scanned::Found(name.chars().take(100).collect())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "the scanner gave no clear answer")),
    }
}

impl FromStr for Scanner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Settings { what: format!("{text} is not clamd://HOST:PORT or clamd:/PATH") };
        let rest = text.strip_prefix("clamd:").ok_or_else(wrong)?;
        if let Some(place) = rest.strip_prefix("//") {
            let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
            return match !host.is_empty() && port.parse::<u16>().is_ok() {
                true => Ok(Self::Network(place.to_owned())),
                false => Err(wrong()),
            };
        }
        if rest.starts_with('/') { Ok(Self::File(rest.into())) } else { Err(wrong()) }
    }
}

impl fmt::Display for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "clamd:{}", path.display()),
            Self::Network(place) => write!(f, "clamd://{place}"),
        }
    }
}

const CONNECT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);
const MOST_ANSWER: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that answers the same whatever it is told.
    struct Fixed(&'static [u8], Vec<u8>);

    impl Read for Fixed {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0.read(out)
        }
    }

    impl Write for Fixed {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.1.write(piece)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn t_34_only_a_clear_word_is_one() {
        let said = |answer: &'static [u8]| ask(Fixed(answer, Vec::new()), &mut &b"mail"[..]);
        assert_eq!(said(b"stream: OK\0").unwrap(), Scanned::Clean);
        assert_eq!(said(b"stream: Eicar-Test FOUND\0").unwrap(), Scanned::Found("Eicar-Test".into()));
        for unclear in [&b""[..], b"OK\0", b"stream: \0", b"INSTREAM size limit exceeded. ERROR\0", b"stream: NOT OK\0"]
        {
            assert!(said(unclear).is_err(), "{}", String::from_utf8_lossy(unclear));
        }
    }

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["clamd://127.0.0.1:3310", "clamd:/run/clamav/clamd.ctl"] {
            assert_eq!(text.parse::<Scanner>().unwrap().to_string(), text);
        }
        for wrong in ["clamd://host", "clamd:relative", "icap://x:1", "clamd://:1", "clamd://x:70000"] {
            assert!(wrong.parse::<Scanner>().is_err(), "{wrong}");
        }
    }
}
