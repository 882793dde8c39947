use std::net::IpAddr;

use crate::{Actions, Error, Offer, Steps};

/// What a mail server tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `A`: the message is no more.
    Abort,
    /// `B`: a piece of the body.
    Body(Vec<u8>),
    /// `C`: a client has come.
    Connect(Client),
    /// `T`: DATA was said.
    Data,
    /// `E`: the body has ended, with its last piece.
    EndOfBody(Vec<u8>),
    /// `N`: the header has ended.
    EndOfHeader,
    /// `L`: a header field. Lines of a folded value end with LF alone.
    Header {
        /// Its name.
        name: Vec<u8>,
        /// What stands behind the colon; without the first blank unless [`Steps::LEADING_SPACE`] was agreed upon.
        value: Vec<u8>,
    },
    /// `H`: HELO or EHLO was said.
    Helo(String),
    /// `D`: what the server has to say about the step that comes next.
    Macros {
        /// The letter of that step.
        step: u8,
        /// Names, without their braces, with values.
        values: Vec<(String, String)>,
    },
    /// `M`: MAIL was said: the address as it was written, then parameters.
    Mail(Vec<String>),
    /// `O`: what the server offers.
    Negotiate(Offer),
    /// `Q`: it was the last.
    Quit,
    /// `K`: it was the last of this client; another comes on the same connection.
    QuitClient,
    /// `R`: RCPT was said: the address as it was written, then parameters.
    Recipient(Vec<String>),
    /// `U`: something was said that the server does not know.
    Unknown,
}

/// The server's client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// What it is called, by its address.
    pub name: String,
    /// Its address; none for a program on the same machine.
    pub address: Option<IpAddr>,
}

impl Command {
    /// From a packet without its length.
    ///
    /// # Errors
    /// When its letter is unknown, or it does not hold what it should.
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        let Some((&letter, data)) = packet.split_first() else { return Err(malformed("packet", "it is empty")) };
        match letter {
            b'A' => nothing("abort", data, Self::Abort),
            b'B' => Ok(Self::Body(data.to_vec())),
            b'C' => client(data).map(Self::Connect),
            b'D' => {
                let Some((&step, data)) = data.split_first() else {
                    return Err(malformed("macros", "no step is named"));
                };
                Ok(Self::Macros { step, values: macros(data)? })
            }
            b'E' => Ok(Self::EndOfBody(data.to_vec())),
            b'H' => {
                let [name] = exactly("hello", data)?;
                Ok(Self::Helo(text(name)))
            }
            b'K' => nothing("quit", data, Self::QuitClient),
            b'L' => {
                let [name, value] = exactly("header field", data)?;
                Ok(Self::Header { name: name.to_vec(), value: value.to_vec() })
            }
            b'M' => arguments("sender", data).map(Self::Mail),
            b'N' => nothing("end of header", data, Self::EndOfHeader),
            b'O' => offer(data).map(Self::Negotiate),
            b'Q' => nothing("quit", data, Self::Quit),
            b'R' => arguments("recipient", data).map(Self::Recipient),
            b'T' => nothing("data", data, Self::Data),
            b'U' => Ok(Self::Unknown),
            letter => Err(Error::Unknown { letter }),
        }
    }
}

fn malformed(what: &'static str, because: &'static str) -> Error {
    Error::Malformed { what, because }
}

fn nothing(what: &'static str, data: &[u8], command: Command) -> Result<Command, Error> {
    if data.is_empty() { Ok(command) } else { Err(malformed(what, "it has data")) }
}

/// The strings of a packet, each ended by a NUL.
fn strings<'a>(what: &'static str, data: &'a [u8]) -> Result<impl Iterator<Item = &'a [u8]>, Error> {
    let Some((0, strings)) = data.split_last() else { return Err(malformed(what, "a string does not end")) };
    Ok(strings.split(|&octet| octet == 0))
}

fn exactly<'a, const COUNT: usize>(what: &'static str, data: &'a [u8]) -> Result<[&'a [u8]; COUNT], Error> {
    let strings: Vec<&[u8]> = strings(what, data)?.take(COUNT + 1).collect();
    strings.try_into().map_err(|_| malformed(what, "it has another number of strings"))
}

fn arguments(what: &'static str, data: &[u8]) -> Result<Vec<String>, Error> {
    Ok(strings(what, data)?.map(text).collect())
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn macros(data: &[u8]) -> Result<Vec<(String, String)>, Error> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let mut strings = strings("macros", data)?;
    let mut values = Vec::new();
    while let Some(name) = strings.next() {
        let value = strings.next().ok_or_else(|| malformed("macros", "a name has no value"))?;
        let name = text(name);
        let bare = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(&name);
        values.push((bare.to_owned(), text(value)));
    }
    Ok(values)
}

fn client(data: &[u8]) -> Result<Client, Error> {
    let bad = |because| malformed("client", because);
    let end = data.iter().position(|&octet| octet == 0).ok_or_else(|| bad("its name does not end"))?;
    let (name, rest) = data.split_at(end);
    let name = text(name);
    // Behind the NUL: the family of addresses, and for all but the unknown one a port and the address.
    let Some((family, rest)) = rest.get(1..).and_then(<[u8]>::split_first) else {
        return Err(bad("it has no family of addresses"));
    };
    if *family == b'U' {
        return if rest.is_empty() { Ok(Client { name, address: None }) } else { Err(bad("it has data")) };
    }
    let Some((_port, address)) = rest.split_first_chunk::<2>() else { return Err(bad("it has no port")) };
    let [address] = exactly("client", address)?;
    let address = match family {
        b'L' => None,
        b'4' | b'6' => {
            let address = text(address);
            // Sendmail's way of writing it.
            let bare = address.strip_prefix("IPv6:").unwrap_or(&address);
            Some(bare.parse().map_err(|_| bad("its address is none"))?)
        }
        _ => return Err(bad("its family of addresses is unknown")),
    };
    Ok(Client { name, address })
}

fn offer(data: &[u8]) -> Result<Offer, Error> {
    let bad = || malformed("negotiation", "it is not three numbers");
    let (version, data) = data.split_first_chunk::<4>().ok_or_else(bad)?;
    let (actions, data) = data.split_first_chunk::<4>().ok_or_else(bad)?;
    let (steps, data) = data.split_first_chunk::<4>().ok_or_else(bad)?;
    if !data.is_empty() {
        return Err(bad());
    }
    Ok(Offer {
        version: u32::from_be_bytes(*version),
        actions: Actions::from_bits(u32::from_be_bytes(*actions)),
        steps: Steps::from_bits(u32::from_be_bytes(*steps)),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]
mod tests {
    use super::*;

    #[test]
    fn packets_as_postfix_writes_them() {
        let parsed = |packet: &[u8]| Command::parse(packet).unwrap();
        let client = |name: &str, address: Option<&str>| {
            Command::Connect(Client { name: name.into(), address: address.map(|text| text.parse().unwrap()) })
        };
        assert_eq!(parsed(b"Clocalhost\x004\x00\x19127.0.0.1\0"), client("localhost", Some("127.0.0.1")));
        assert_eq!(parsed(b"Ca\x006\x00\x19IPv6:::1\0"), client("a", Some("::1")));
        assert_eq!(parsed(b"Clocalhost\0L\0\0/run/x\0"), client("localhost", None));
        assert_eq!(parsed(b"Cunknown\0U"), client("unknown", None));
        assert_eq!(
            parsed(b"M<alice@inside.example>\0SIZE=42\0"),
            Command::Mail(vec!["<alice@inside.example>".into(), "SIZE=42".into()])
        );
        let values = vec![("i".into(), "4XYZ".into()), ("auth_authen".into(), "alice".into())];
        assert_eq!(parsed(b"DMi\x004XYZ\0{auth_authen}\0alice\0"), Command::Macros { step: b'M', values });
        assert_eq!(parsed(b"DR"), Command::Macros { step: b'R', values: Vec::new() });
        let field = Command::Header { name: b"Subject".to_vec(), value: b" a\n b".to_vec() };
        assert_eq!(parsed(b"LSubject\0 a\n b\0"), field);
        assert_eq!(parsed(b"E"), Command::EndOfBody(Vec::new()));
        assert_eq!(parsed(b"Ub\0"), Command::Unknown);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for packet in [
            &b""[..],
            b"Z",
            b"Ax",
            b"C",
            b"Ca",
            b"Ca\0",
            b"Ca\0Ux",
            b"Ca\x004\0",
            b"Ca\x004\0\x00127.0.0.1",
            b"Ca\x004\0\x00300.0.0.1\0",
            b"Ca\0X\0\0a\0",
            b"D",
            b"DMi\0",
            b"DMi",
            b"H",
            b"Ha\0b\0",
            b"La\0",
            b"La\0b",
            b"La\0b\0c\0",
            b"M",
            b"M<a@b>",
            b"R",
            b"O",
            b"O\0\0\0\x06\0\0\0\x01",
            b"O\0\0\0\x06\0\0\0\x01\0\0\0\0x",
        ] {
            assert!(Command::parse(packet).is_err(), "{packet:?}");
        }
    }
}
