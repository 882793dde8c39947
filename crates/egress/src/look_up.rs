//! Certificates from directories that the operator named: asked in the operator's order, believed in nothing.
//!
//! What comes back is a candidate for the address that was asked for. Whether it may be used is decided where every other
//! candidate is (F4): nothing here looks at chains, and whatever speaks for another address is dropped (CASES T-70).

mod filter;
mod http_directory;
mod ldap;
mod smimea;

use pki::{Certificate, EmailAddress};

use crate::Error;

pub use filter::escape;
pub use http_directory::HttpDirectory;
pub use ldap::{Bind, LdapDirectory};
pub(crate) use smimea::name_server;
pub use smimea::{Smimea, SmimeaSettings, owner_name};

/// One directory.
#[derive(Debug)]
pub enum Source {
    /// A key server with a URL template.
    Http(HttpDirectory),
    /// An LDAP server.
    Ldap(LdapDirectory),
    /// SMIMEA records in DNS.
    Smimea(Box<Smimea>),
}

/// The directories, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct LookUp {
    sources: Vec<Source>,
}

/// What a directory has for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Certificates that name the address: candidates.
    pub certificates: Vec<Certificate>,
    /// CA certificates that came along.
    pub intermediates: Vec<Certificate>,
    /// Where they were, for people and for the record.
    pub source: String,
}

/// What came of asking everybody.
#[derive(Debug, Default)]
pub struct Answers {
    /// The first directory that had something.
    pub found: Option<Found>,
    /// Those that were asked before and could not answer.
    pub failed: Vec<(String, Error)>,
}

impl LookUp {
    /// Asks `sources` from first to last.
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources }
    }

    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Asks one after another until one has a certificate that names `address`. One that cannot answer is passed over,
    /// and said.
    pub async fn find(&self, address: &EmailAddress) -> Answers {
        let mut answers = Answers::default();
        for source in &self.sources {
            match source.ask(address).await {
                Ok(all) => {
                    answers.found = fitting(all, address, source.to_string());
                    if answers.found.is_some() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::info!(source = %source, %error, "a directory did not answer");
                    answers.failed.push((source.to_string(), error));
                }
            }
        }
        answers
    }
}

impl Source {
    async fn ask(&self, address: &EmailAddress) -> Result<Vec<Certificate>, Error> {
        match self {
            Self::Http(directory) => directory.ask(address).await,
            Self::Ldap(directory) => directory.ask(address).await,
            Self::Smimea(dns) => dns.ask(address).await,
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(directory) => directory.fmt(f),
            Self::Ldap(directory) => directory.fmt(f),
            Self::Smimea(_) => f.write_str("SMIMEA"),
        }
    }
}

// CASES T-70: what names another address was not asked for.
fn fitting(all: Vec<Certificate>, address: &EmailAddress, source: String) -> Option<Found> {
    let (intermediates, others): (Vec<_>, Vec<_>) =
        all.into_iter().take(MOST_CERTIFICATES).partition(|certificate| certificate.is_ca());
    let certificates: Vec<_> =
        others.into_iter().filter(|certificate| certificate.email_addresses().contains(address)).collect();
    (!certificates.is_empty()).then_some(Found { certificates, intermediates, source })
}

/// Everything that is a certificate: DER, PEM, base64, certs-only CMS.
fn certificates_in(bytes: &[u8]) -> Vec<Certificate> {
    if cms::sniff(bytes).is_some() {
        let signed = cms::SignedDataReader::open(bytes).and_then(|reader| reader.finish(None));
        return signed.map(|signed| signed.certificates().to_vec()).unwrap_or_default();
    }
    Certificate::all_from(bytes).unwrap_or_default()
}

const MOST_CERTIFICATES: usize = 50;
