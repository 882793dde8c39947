use std::sync::Arc;
use std::time::Duration;

use asn1::Time;
use pki::{Certificate, CertificateList, OcspRequest, OcspResponse, Path, RevocationSource, RevocationSourceKind};

use crate::breaker::Breaker;
use crate::http::{Ask, Client, Reach};
use crate::{Error, Resolve, SystemResolver};

/// Bounds of a [`Fetcher`] (CASES T-120).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetcherLimits {
    /// For everything, from the name to the last octet.
    pub timeout: Duration,
    /// The largest answer.
    pub octets: usize,
}

impl Default for FetcherLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), octets: 10 << 20 }
    }
}

/// Fetches what certificates point to.
pub struct Fetcher {
    client: Client,
}

/// What was fetched and found worth keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// From where.
    pub source: RevocationSource,
    /// The CRL or OCSP response.
    pub der: Vec<u8>,
    /// When it was made.
    pub this_update: Time,
    /// Until when it holds, and may be kept.
    pub next_update: Time,
}

impl Fetcher {
    /// To public addresses only.
    pub fn new(limits: FetcherLimits) -> Self {
        Self::with(limits, Reach::Public, Arc::new(SystemResolver))
    }

    /// To public addresses only, with names resolved by `resolver`.
    pub fn with_resolver(limits: FetcherLimits, resolver: Arc<dyn Resolve>) -> Self {
        Self::with(limits, Reach::Public, resolver)
    }

    pub(crate) fn to_anywhere(limits: FetcherLimits, resolver: Arc<dyn Resolve>) -> Self {
        Self::with(limits, Reach::Anywhere, resolver)
    }

    fn with(limits: FetcherLimits, reach: Reach, resolver: Arc<dyn Resolve>) -> Self {
        let FetcherLimits { timeout, octets } = limits;
        let client = Client { reach, resolver, tls: None, timeout, octets, redirects: 1, breaker: Breaker::default() };
        Self { client }
    }

    /// Asks one of the [`Path::revocation_sources`] about the certificate at `index` of the path.
    ///
    /// That a [`Path`] is needed is the point: it ends in a trusted anchor, so that a stranger's certificate makes nobody
    /// contact an address of the stranger's choice (CASES T-121).
    pub async fn fetch(
        &self,
        path: &Path,
        index: usize,
        source: &RevocationSource,
        now: Time,
    ) -> Result<Fetched, Error> {
        let named = path.revocation_sources().iter().any(|(at, known)| *at == index && known == source);
        let certificates = path.certificates();
        let (Some(certificate), Some(above), true) = (certificates.get(index), certificates.get(index + 1..), named)
        else {
            return Err(Error::Useless { what: "a source", because: "the path does not name it" });
        };
        match source.kind {
            RevocationSourceKind::Crl => self.list(certificate, above, source, now).await,
            RevocationSourceKind::Ocsp => self.answer(certificate, above, source, now).await,
        }
    }

    async fn list(
        &self,
        certificate: &Certificate,
        above: &[Certificate],
        source: &RevocationSource,
        now: Time,
    ) -> Result<Fetched, Error> {
        let content = self.client.ask(&source.uri, Ask::Get).await?;
        let useless = |because| Error::Useless { what: "the CRL", because };
        // RFC 5280 §4.2.1.13: one CRL in DER. Seen in the wild: PEM.
        let list = CertificateList::all_from(&content)
            .map_err(|error| Error::Malformed { what: "a CRL", because: error.to_string() })?
            .into_iter()
            .next()
            .ok_or_else(|| useless("it is empty"))?;
        let next_update = list.next_update().ok_or_else(|| useless("it does not say when the next one comes"))?;
        if next_update < now {
            return Err(useless("it ran out"));
        }
        if now.plus_seconds(CLOCK_SKEW) < list.this_update() {
            return Err(useless("it is of a later time"));
        }
        // On the way anybody can put another one in its place, which would be kept until its end. Whether an indirect
        // list's issuer may sign it is found out when it is used.
        let issuers: Vec<&Certificate> = above.iter().filter(|issuer| issuer.subject() == list.issuer()).collect();
        let signed = |issuer: &&Certificate| issuer.public_key().is_ok_and(|key| list.verify_signature(key).is_ok());
        if certificate.issuer() == list.issuer() && !issuers.iter().any(signed) {
            return Err(useless("it is not signed by who issued the certificate"));
        }
        let (der, this_update) = (list.der().to_vec(), list.this_update());
        Ok(Fetched { source: source.clone(), der, this_update, next_update })
    }

    async fn answer(
        &self,
        certificate: &Certificate,
        above: &[Certificate],
        source: &RevocationSource,
        now: Time,
    ) -> Result<Fetched, Error> {
        let useless = |because| Error::Useless { what: "the OCSP answer", because };
        let issuer = above.first().ok_or_else(|| useless("there is no issuer"))?;
        let random = crypto::random_array().map_err(|_| useless("there is no randomness for a nonce"))?;
        let request = OcspRequest::new(certificate, issuer, random)
            .map_err(|error| Error::Malformed { what: "the issuer's key", because: error.to_string() })?;
        let ask = Ask::Post { content_type: "application/ocsp-request", body: request.der(), authorization: None };
        let content = self.client.ask(&source.uri, ask).await?;
        let response = OcspResponse::from_der(&content)
            .map_err(|error| Error::Malformed { what: "an OCSP answer", because: error.to_string() })?;
        if !request.is_answered_by(&response) {
            return Err(useless("it answers another question"));
        }
        if !response.is_about(certificate, issuer) {
            return Err(useless("it is about another certificate"));
        }
        if !response.is_signed_for(issuer, now) {
            return Err(useless("it is not signed by who may answer"));
        }
        // RFC 6960 §4.2.2.1: without nextUpdate there is always a newer one.
        let next_update = response.next_update().unwrap_or(now.plus_seconds(WITHOUT_NEXT_UPDATE));
        if next_update < now {
            return Err(useless("it ran out"));
        }
        let (der, this_update) = (response.der().to_vec(), response.produced_at());
        Ok(Fetched { source: source.clone(), der, this_update, next_update })
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetcher({:?})", self.client.reach)
    }
}

const CLOCK_SKEW: i64 = 300;
const WITHOUT_NEXT_UPDATE: i64 = 3600;
