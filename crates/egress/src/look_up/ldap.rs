//! LDAP, as far as looking up and publishing certificates needs it: bind, search, modify (RFC 4511).
//!
//! Ours, not a library's, because of what a server may answer: the library at hand reads answers of any size into
//! memory, and a message without elements makes it panic. Here every message is bounded before it is read, and read by
//! the same ASN.1 reader as everything else that strangers send.

use std::fmt;
use std::time::Duration;

use asn1::{Class, Encoding, Reader, Tag, Writer};
use pki::{Certificate, EmailAddress};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::filter::{Filter, escape};
use super::{MOST_CERTIFICATES, certificates_in};
use crate::url::Host;
use crate::{Error, TlsRoots};

/// An LDAP server that the operator named.
#[derive(Debug, Clone)]
pub struct LdapDirectory {
    host: Host,
    port: u16,
    base: String,
    filter: String,
    bind: Option<Bind>,
    tls: Option<TlsRoots>,
    timeout: Duration,
}

/// Whom to log in as.
#[derive(Clone)]
pub struct Bind {
    /// The distinguished name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl LdapDirectory {
    /// At `ldaps://HOST[:PORT]` with the roots that its certificate chains to, or at `ldap://HOST[:PORT]` in the clear.
    ///
    /// `filter` is in RFC 4515's form with `{address}` where the address belongs, such as `(mail={address})`.
    pub fn new(url: &str, base: &str, filter: &str, roots: Option<TlsRoots>) -> Result<Self, Error> {
        let refused =
            |because: &str| Error::Malformed { what: "the LDAP server's URL", because: format!("{because}: {url}") };
        let (secure, rest) = match url.split_once("://") {
            Some(("ldaps", rest)) => (true, rest),
            Some(("ldap", rest)) => (false, rest),
            _ => return Err(refused("it begins neither with ldaps:// nor with ldap://")),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| refused("the port is no number"))?)
            }
            _ => (rest, if secure { 636 } else { 389 }),
        };
        let host = Host::parse(host).ok_or_else(|| refused("the host is odd"))?;
        // CASES T-123: LDAPS without anybody to verify the server against would only look like it.
        let tls = match (secure, roots) {
            (true, Some(roots)) => Some(roots),
            (true, None) => return Err(refused("there are no roots to verify it against")),
            (false, _) => None,
        };
        if !filter.contains("{address}") {
            return Err(Error::Malformed { what: "the LDAP filter", because: "there is no {address} in it".into() });
        }
        Filter::parse(&filter.replace("{address}", "x"))?;
        let timeout = Duration::from_secs(5);
        Ok(Self { host, port, base: base.to_owned(), filter: filter.to_owned(), bind: None, tls, timeout })
    }

    /// Logs in first.
    #[must_use]
    pub fn bind(self, bind: Bind) -> Self {
        Self { bind: Some(bind), ..self }
    }

    /// All certificates of the entries that fit an address.
    pub(crate) async fn ask(&self, address: &EmailAddress) -> Result<Vec<Certificate>, Error> {
        self.in_time(async {
            let filter = Filter::parse(&self.filter.replace("{address}", &escape(&address.to_string())))?;
            let mut connection = self.connect().await?;
            connection.search(&self.base, &filter).await
        })
        .await
    }

    /// Puts a person's certificates into their entry in place of those that are there: `userCertificate;binary`
    /// (RFC 4523 §2.1) and `userSMIMECertificate` (RFC 2798 §2.8).
    ///
    /// The entry must be there: people are not ours to make.
    pub async fn publish(&self, address: &EmailAddress, certificates: &[Certificate]) -> Result<(), Error> {
        self.in_time(async {
            let filter = Filter::parse(&self.filter.replace("{address}", &escape(&address.to_string())))?;
            let mut connection = self.connect().await?;
            let entry = connection.entry(&self.base, &filter).await?;
            let ders: Vec<Vec<u8>> = certificates.iter().map(|certificate| certificate.der().to_vec()).collect();
            let bag = match certificates {
                [] => Vec::new(),
                certificates => vec![cms::certificates_only(certificates)],
            };
            connection.replace(&entry, &[(USER_CERTIFICATE, ders), (USER_SMIME_CERTIFICATE, bag)]).await
        })
        .await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(done) => done,
            Err(_) => Err(Error::TimedOut { host: self.host.to_string() }),
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let host = self.host.to_string();
        let unreachable = |error: std::io::Error| Error::Unreachable { host: host.clone(), because: error.to_string() };
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((plain, self.port)).await.map_err(unreachable)?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(roots) => Box::new(roots.connect(&host, stream).await?),
            None => Box::new(stream),
        };
        let mut connection = Connection { host, stream, message: 0, octets_left: MOST_OCTETS };
        if let Some(bind) = &self.bind {
            connection.bind(bind).await?;
        }
        Ok(connection)
    }
}

impl fmt::Display for LdapDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "ldaps" } else { "ldap" };
        write!(f, "{scheme}://{}:{}/{}", self.host, self.port, self.base)
    }
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bind({})", self.name)
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Connection {
    host: String,
    stream: Box<dyn Stream>,
    message: u64,
    octets_left: usize,
}

/// One entry of a search's answer.
struct Entry {
    name: String,
    values: Vec<Vec<u8>>,
}

impl Connection {
    async fn bind(&mut self, bind: &Bind) -> Result<(), Error> {
        self.send(|w| {
            w.constructed(application(0), |w| {
                w.unsigned(3);
                w.octet_string(bind.name.as_bytes());
                w.primitive(Tag::context(0), bind.password.as_bytes());
            });
        })
        .await?;
        self.result(1).await
    }

    async fn search(&mut self, base: &str, filter: &Filter) -> Result<Vec<Certificate>, Error> {
        let entries = self.entries(base, filter, SOUGHT).await?;
        let mut certificates: Vec<Certificate> = Vec::new();
        for value in entries.iter().flat_map(|entry| &entry.values) {
            for certificate in certificates_in(value) {
                if certificates.len() < MOST_CERTIFICATES && !certificates.contains(&certificate) {
                    certificates.push(certificate);
                }
            }
        }
        Ok(certificates)
    }

    /// The name of the one entry that fits.
    async fn entry(&mut self, base: &str, filter: &Filter) -> Result<String, Error> {
        // RFC 4511 §4.5.1.8: "1.1" asks for no attribute.
        let mut entries = self.entries(base, filter, &["1.1"]).await?;
        match (entries.pop(), entries.is_empty()) {
            (Some(entry), true) => Ok(entry.name),
            (None, _) => Err(Error::Useless { what: "the LDAP answer", because: "there is no such entry" }),
            (Some(_), false) => Err(Error::Useless { what: "the LDAP answer", because: "several entries fit" }),
        }
    }

    async fn entries(&mut self, base: &str, filter: &Filter, attributes: &[&str]) -> Result<Vec<Entry>, Error> {
        self.send(|w| {
            w.constructed(application(3), |w| {
                w.octet_string(base.as_bytes());
                // wholeSubtree, neverDerefAliases
                w.primitive(Tag::ENUMERATED, &[2]);
                w.primitive(Tag::ENUMERATED, &[0]);
                w.unsigned(MOST_ENTRIES as u64);
                w.unsigned(5);
                w.boolean(false);
                filter.encode(w);
                w.sequence(|w| attributes.iter().for_each(|name| w.octet_string(name.as_bytes())));
            });
        })
        .await?;
        let mut entries = Vec::new();
        loop {
            let (tag, content) = self.receive().await?;
            match tag {
                4 if entries.len() < MOST_ENTRIES => entries.push(parse_entry(&content).map_err(malformed)?),
                4 => return Err(Error::TooLarge { what: "the LDAP answer", limit: MOST_ENTRIES }),
                // CASES T-123: a referral to another server is not followed.
                19 => {}
                5 => {
                    let status = parse_result(&content).map_err(malformed)?;
                    // RFC 4511 §A.1: more entries than were asked for, or no such object, is an answer, too.
                    return match status {
                        0 | 4 => Ok(entries),
                        32 => Ok(Vec::new()),
                        status => Err(Error::Status { host: self.host.clone(), status }),
                    };
                }
                _ => return Err(self.odd("an answer to another question")),
            }
        }
    }

    async fn replace(&mut self, entry: &str, attributes: &[(&str, Vec<Vec<u8>>)]) -> Result<(), Error> {
        self.send(|w| {
            w.constructed(application(6), |w| {
                w.octet_string(entry.as_bytes());
                w.sequence(|w| {
                    for (name, values) in attributes {
                        w.sequence(|w| {
                            // replace
                            w.primitive(Tag::ENUMERATED, &[2]);
                            w.sequence(|w| {
                                w.octet_string(name.as_bytes());
                                w.constructed(Tag::SET, |w| values.iter().for_each(|value| w.octet_string(value)));
                            });
                        });
                    }
                });
            });
        })
        .await?;
        self.result(7).await
    }

    async fn result(&mut self, tag: u32) -> Result<(), Error> {
        match self.receive().await? {
            (found, content) if found == tag => match parse_result(&content).map_err(malformed)? {
                0 => Ok(()),
                status => Err(Error::Status { host: self.host.clone(), status }),
            },
            _ => Err(self.odd("an answer to another question")),
        }
    }

    async fn send(&mut self, operation: impl FnOnce(&mut Writer)) -> Result<(), Error> {
        self.message += 1;
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.unsigned(self.message);
            operation(w);
        });
        let sent = async {
            self.stream.write_all(writer.as_slice()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| Error::Unreachable { host: self.host.clone(), because: error.to_string() })
    }

    /// The next message's operation: its tag and content.
    async fn receive(&mut self) -> Result<(u32, Vec<u8>), Error> {
        let broken = |error: std::io::Error| Error::Unreachable { host: self.host.clone(), because: error.to_string() };
        let mut start = [0; 2];
        self.stream.read_exact(&mut start).await.map_err(broken)?;
        let [tag, short] = start;
        if tag != 0x30 {
            return Err(self.odd("no message"));
        }
        // RFC 4511 §5.1: lengths are definite.
        let length = match short {
            0..=0x7f => usize::from(short),
            0x81..=0x84 => {
                let mut octets = [0; 4];
                let from = octets.len().saturating_sub(usize::from(short & 0x7f));
                let wanted = octets.get_mut(from..).unwrap_or_default();
                self.stream.read_exact(wanted).await.map_err(broken)?;
                usize::try_from(u32::from_be_bytes(octets)).unwrap_or(usize::MAX)
            }
            _ => return Err(self.odd("an endless message")),
        };
        let too_large = Error::TooLarge { what: "the LDAP answer", limit: MOST_OCTETS };
        self.octets_left = self.octets_left.checked_sub(length).ok_or(too_large)?;
        let mut content = vec![0; length];
        self.stream.read_exact(&mut content).await.map_err(broken)?;
        let mut reader = Reader::new(&content, Encoding::Ber).named("LDAPMessage");
        let id = reader.integer().map_err(malformed)?.to_u64();
        let operation = reader.element().map_err(malformed)?;
        let tag = operation.tag();
        // An unsolicited notification (RFC 4511 §4.4) has the number 0: the server hangs up.
        if id != Some(self.message) || tag.class != Class::Application {
            return Err(self.odd("an answer to another question"));
        }
        Ok((tag.number, operation.content().to_vec()))
    }

    fn odd(&self, because: &str) -> Error {
        Error::Malformed { what: "the LDAP answer", because: because.to_owned() }
    }
}

// SearchResultEntry ::= [APPLICATION 4] SEQUENCE { objectName LDAPDN, attributes PartialAttributeList }
fn parse_entry(content: &[u8]) -> Result<Entry, asn1::Error> {
    let mut reader = Reader::new(content, Encoding::Ber).named("SearchResultEntry");
    let name = String::from_utf8_lossy(&reader.octet_string()?).into_owned();
    let mut attributes = reader.sequence("attributes")?;
    let mut values = Vec::new();
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence("attribute")?;
        attribute.octet_string()?;
        let mut set = attribute.set("vals")?;
        while !set.is_empty() {
            let value = set.octet_string()?.into_owned();
            if values.len() < MOST_CERTIFICATES {
                values.push(value);
            }
        }
    }
    Ok(Entry { name, values })
}

// LDAPResult ::= SEQUENCE { resultCode ENUMERATED, matchedDN LDAPDN, diagnosticMessage LDAPString, … }
fn parse_result(content: &[u8]) -> Result<u32, asn1::Error> {
    let mut reader = Reader::new(content, Encoding::Ber).named("LDAPResult");
    let code = reader.expect(Tag::ENUMERATED)?.to_integer()?.to_u64();
    Ok(code.and_then(|code| u32::try_from(code).ok()).unwrap_or(u32::MAX))
}

fn malformed(error: asn1::Error) -> Error {
    Error::Malformed { what: "the LDAP answer", because: error.to_string() }
}

fn application(number: u32) -> Tag {
    Tag { class: Class::Application, constructed: true, number }
}

const USER_CERTIFICATE: &str = "userCertificate;binary";
/// RFC 2798 §2.8 has it in binary anyhow, and servers refuse the option there.
const USER_SMIME_CERTIFICATE: &str = "userSMIMECertificate";
/// With and without the option, as servers have them.
const SOUGHT: &[&str] = &[USER_CERTIFICATE, "userCertificate", USER_SMIME_CERTIFICATE, "userSMIMECertificate;binary"];
const MOST_ENTRIES: usize = 20;
/// Of all messages of one connection.
const MOST_OCTETS: usize = 4 << 20;
