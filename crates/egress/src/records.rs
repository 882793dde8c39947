use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::config::{ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use crate::Error;

/// Records, once they are known.
pub type FoundRecords<'a, T> = Pin<Box<dyn Future<Output = io::Result<Vec<T>>> + Send + 'a>>;

/// Finds what DNS says about a name, other than its addresses. No records are no error; an error is worth another try.
pub trait Records: Send + Sync {
    /// The texts of `name`, each put together from its pieces (RFC 6376 §3.6.2.2).
    fn txt<'a>(&'a self, name: &'a str) -> FoundRecords<'a, Vec<u8>>;

    /// Which CAs may issue for `name` itself (RFC 8659).
    fn caa<'a>(&'a self, name: &'a str) -> FoundRecords<'a, CaaRecord>;
}

/// One property of a CAA record set (RFC 8659 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaaRecord {
    /// Whether a CA that does not know the property must not issue.
    pub critical: bool,
    /// `issue`, `issuemail`, …; in lower case.
    pub tag: String,
    /// What it says.
    pub value: String,
}

/// Asks DNS servers.
pub struct DnsRecords(TokioResolver);

impl DnsRecords {
    /// Asks these servers; the system's where there is none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, Error> {
        let because = |because: String| Error::Malformed { what: "the DNS settings", because };
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio().map_err(|error| because(error.to_string()))?,
            servers => {
                let servers = servers.iter().map(crate::look_up::name_server).collect();
                Resolver::builder_with_config(
                    ResolverConfig::from_name_servers(servers),
                    TokioRuntimeProvider::default(),
                )
            }
        };
        let options = builder.options_mut();
        options.timeout = Duration::from_secs(2);
        options.attempts = 2;
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        Ok(Self(builder.build().map_err(|error| because(error.to_string()))?))
    }

    async fn ask<T>(&self, name: &str, kind: RecordType, read: fn(&RData) -> Option<T>) -> io::Result<Vec<T>> {
        // The name is a whole one: no search list makes another of it.
        let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).map_err(io::Error::other)?;
        match tokio::time::timeout(LONGEST, self.0.lookup(name, kind)).await {
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "DNS took too long")),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(io::Error::other(error)),
            Ok(Ok(found)) => {
                Ok(found.answers().iter().filter_map(|record| read(&record.data)).take(MOST_RECORDS).collect())
            }
        }
    }
}

impl Records for DnsRecords {
    fn txt<'a>(&'a self, name: &'a str) -> FoundRecords<'a, Vec<u8>> {
        Box::pin(self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(text) => Some(text.txt_data.iter().flat_map(|piece| piece.iter().copied()).collect()),
            _ => None,
        }))
    }

    fn caa<'a>(&'a self, name: &'a str) -> FoundRecords<'a, CaaRecord> {
        Box::pin(self.ask(name, RecordType::CAA, |data| match data {
            RData::CAA(caa) => Some(CaaRecord {
                critical: caa.issuer_critical,
                tag: caa.tag.to_ascii_lowercase(),
                value: String::from_utf8_lossy(&caa.value).into_owned(),
            }),
            _ => None,
        }))
    }
}

impl std::fmt::Debug for DnsRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DnsRecords")
    }
}

const LONGEST: Duration = Duration::from_secs(10);
/// CASES T-124
const MOST_RECORDS: usize = 20;
