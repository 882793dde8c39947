use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crypto::DigestAlgorithm;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::rdata::tlsa::{Matching, Selector};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use pki::{Certificate, EmailAddress};

use super::certificates_in;
use crate::Error;

/// SMIMEA records (RFC 8162). Only answers that were validated by DNSSEC here, down from the trust anchor, are looked at;
/// to all others nobody is at home (CASES S-58, T-70). What a resolver claims about its own validation is not asked.
pub struct Smimea {
    resolver: TokioResolver,
}

/// Whom to ask.
#[derive(Clone, Default)]
pub struct SmimeaSettings {
    /// DNS servers; the system's where there is none.
    pub servers: Vec<SocketAddr>,
    /// Keys that DNSSEC begins with, each a DNSKEY record in the form of a zone file; the root zone's where there is
    /// none.
    pub trust_anchor: Option<String>,
}

impl Smimea {
    /// Makes the resolver.
    pub fn new(settings: &SmimeaSettings) -> Result<Self, Error> {
        let because = |because: String| Error::Malformed { what: "the DNS settings", because };
        let mut builder = match settings.servers.as_slice() {
            [] => TokioResolver::builder_tokio().map_err(|error| because(error.to_string()))?,
            servers => {
                let config = ResolverConfig::from_name_servers(servers.iter().map(name_server).collect());
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.validate = true;
        options.timeout = Duration::from_secs(2);
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never;
        // An answer with certificates does not fit into a datagram.
        options.try_tcp_on_error = true;
        if let Some(text) = &settings.trust_anchor {
            let anchors: TrustAnchors = text.parse().map_err(|error| because(format!("{error}")))?;
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        let resolver = builder.build().map_err(|error| because(error.to_string()))?;
        Ok(Self { resolver })
    }

    pub(crate) async fn ask(&self, address: &EmailAddress) -> Result<Vec<Certificate>, Error> {
        let host = address.domain().to_owned();
        let name = owner_name(address)
            .and_then(|name| Name::from_ascii(name).ok())
            .ok_or(Error::Useless { what: "the address", because: "it has no name in DNS" })?;
        let asked = tokio::time::timeout(LONGEST, self.resolver.lookup(name, RecordType::SMIMEA)).await;
        let lookup = match asked {
            Err(_) => return Err(Error::TimedOut { host }),
            Ok(Err(error)) if error.is_no_records_found() => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(Error::Unreachable { host, because: error.to_string() }),
            Ok(Ok(lookup)) => lookup,
        };
        vouched_for(lookup.answers())
    }
}

/// The certificates of an answer that DNSSEC vouches for, all of it.
fn vouched_for(answers: &[Record]) -> Result<Vec<Certificate>, Error> {
    let mut certificates = Vec::new();
    for record in answers.iter().take(MOST_RECORDS) {
        let RData::SMIMEA(data) = &record.data else { continue };
        // RFC 8162 §3: without DNSSEC it is as if there were none.
        if !record.proof.is_secure() {
            return Err(Error::Useless { what: "the SMIMEA answer", because: "DNSSEC does not vouch for it" });
        }
        // A digest cannot be encrypted to.
        if data.selector == Selector::Full && data.matching == Matching::Raw {
            certificates.extend(certificates_in(&data.cert_data));
        }
    }
    Ok(certificates)
}

pub(crate) fn name_server(address: &SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())])
}

/// Where an address has its SMIMEA records (RFC 8162 §3): the local part hashed with SHA-256, cut to 28 octets, in
/// hexadecimal, then `_smimecert`, then the domain.
pub fn owner_name(address: &EmailAddress) -> Option<String> {
    let digest = DigestAlgorithm::Sha256.digest(address.local_part().as_bytes());
    let hash: String = digest.octets().get(..28)?.iter().map(|octet| format!("{octet:02x}")).collect();
    Some(format!("{hash}._smimecert.{}.", address.domain()))
}

impl std::fmt::Debug for Smimea {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Smimea")
    }
}

const LONGEST: Duration = Duration::from_secs(8);
/// CASES T-124
const MOST_RECORDS: usize = 20;

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::dnssec::Proof;
    use hickory_resolver::proto::rr::rdata::SMIMEA;
    use hickory_resolver::proto::rr::rdata::tlsa::CertUsage;
    use testkit::TestPki;

    use super::*;

    #[test]
    fn t_70_s_58_an_answer_without_a_proof_is_none() {
        // Most zones are not signed at all: their answers come without an error, only without a proof.
        let alice = TestPki::shared().person("alice@partner.example", crypto::KeyKind::P256);
        let name = Name::from_ascii("partner.example.").unwrap();
        let with = |proof| {
            let der = alice.certificate().der().to_vec();
            let data = RData::SMIMEA(SMIMEA::new(CertUsage::DaneEe, Selector::Full, Matching::Raw, der));
            let mut record = Record::from_rdata(name.clone(), 3600, data);
            record.proof = proof;
            record
        };
        assert_eq!(vouched_for(&[with(Proof::Secure)]).unwrap(), [alice.certificate().clone()]);
        for proof in [Proof::Insecure, Proof::Bogus, Proof::Indeterminate] {
            assert!(vouched_for(&[with(proof)]).is_err(), "{proof:?}");
            assert!(vouched_for(&[with(Proof::Secure), with(proof)]).is_err(), "{proof:?}");
        }
    }
}
