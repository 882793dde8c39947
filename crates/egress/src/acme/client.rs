//! One server, spoken to in signed requests (RFC 8555 §6).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pki::{Certificate, CertificateRequest};
use serde_json::{Value, json};

use super::account_key::By;
use super::{AccountKey, Authorization, Challenge, Directory, ExternalBinding, Order, Problem};
use crate::breaker::Breaker;
use crate::http::{Answer, Ask, Client, Reach};
use crate::url::Url;
use crate::{Error, Resolve, SystemResolver, TlsRoots};

/// Bounds of what a server is waited for and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcmeLimits {
    /// For one request, from the name to the last octet.
    pub timeout: Duration,
    /// The largest answer.
    pub octets: usize,
}

impl Default for AcmeLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), octets: 256 << 10 }
    }
}

/// Speaks with one server: over HTTPS, to the host that the operator named and from there to public addresses only.
pub struct AcmeClient {
    client: Client,
    url: String,
    directory: Mutex<Option<Directory>>,
    /// What the last answer gave for the next request.
    nonce: Mutex<Option<String>>,
}

/// An account that the server knows.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its key.
    pub key: AccountKey,
    /// Its URL, which is its name.
    pub url: String,
}

/// What a server answered, and when it wants to be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What it answered.
    pub value: T,
    /// Seconds after which it is worth to ask again.
    pub retry_after: Option<u32>,
}

impl AcmeClient {
    /// For the server whose directory is at `url`.
    ///
    /// # Errors
    /// When that is no https URL.
    pub fn new(url: &str, roots: TlsRoots, limits: AcmeLimits) -> Result<Self, Error> {
        Self::with_resolver(url, roots, limits, Arc::new(SystemResolver))
    }

    /// The same with names resolved by `resolver`.
    pub fn with_resolver(
        url: &str,
        roots: TlsRoots,
        limits: AcmeLimits,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, Error> {
        let parsed = Url::parse(url)?;
        if !parsed.tls {
            let because = "is not HTTPS";
            return Err(Error::Forbidden { host: parsed.authority(), because, address: None });
        }
        let AcmeLimits { timeout, octets } = limits;
        let (reach, tls, breaker) = (Reach::Secure(parsed.host), Some(roots), Breaker::default());
        let client = Client { reach, resolver, tls, timeout, octets, redirects: 0, breaker };
        Ok(Self { client, url: url.to_owned(), directory: Mutex::default(), nonce: Mutex::default() })
    }

    /// Where the server has what; asked for once.
    pub async fn directory(&self) -> Result<Directory, Error> {
        let known = self.directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let answer = self.client.answer(&self.url, Ask::Get).await?;
        let directory = Directory::parse(self.body(&answer, JSON)?)?;
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Some(directory.clone());
        Ok(directory)
    }

    /// Makes an account, or finds the one that this key has (RFC 8555 §7.3). Gives its URL.
    ///
    /// # Errors
    /// [`Error::Useless`] when the server wants a binding to a customer's account and there is none.
    pub async fn register(
        &self,
        key: &AccountKey,
        contact: &[String],
        terms_agreed: bool,
        binding: Option<&ExternalBinding>,
    ) -> Result<String, Error> {
        let directory = self.directory().await?;
        let url = directory.new_account;
        let mut payload = json!({ "contact": contact, "termsOfServiceAgreed": terms_agreed });
        match binding {
            Some(binding) => {
                let bound = key.external_binding(binding, &url)?;
                if let Some(fields) = payload.as_object_mut() {
                    fields.insert("externalAccountBinding".into(), bound);
                }
            }
            None if directory.external_account_required => {
                return Err(Error::Useless {
                    what: "the account",
                    because: "the CA wants an external account binding",
                });
            }
            None => {}
        }
        let answer = self.post(key, By::Key, &url, Some(&payload)).await?;
        self.body(&answer, JSON)?;
        location(&answer, "an ACME account")
    }

    /// Orders a certificate for an address (RFC 8823 §3). Gives the order's URL with the order.
    pub async fn new_order(&self, account: &Account, address: &str) -> Result<(String, Answered<Order>), Error> {
        let url = self.directory().await?.new_order;
        let payload = json!({ "identifiers": [{ "type": "email", "value": address }] });
        let answer = self.post(&account.key, By::Account(&account.url), &url, Some(&payload)).await?;
        let order = Order::parse(self.body(&answer, JSON)?)?;
        Ok((location(&answer, "an ACME order")?, answered(&answer, order)))
    }

    /// How an order is getting on.
    pub async fn order(&self, account: &Account, url: &str) -> Result<Answered<Order>, Error> {
        let answer = self.post(&account.key, By::Account(&account.url), url, None).await?;
        Ok(answered(&answer, Order::parse(self.body(&answer, JSON)?)?))
    }

    /// What has to be proven.
    pub async fn authorization(&self, account: &Account, url: &str) -> Result<Answered<Authorization>, Error> {
        let answer = self.post(&account.key, By::Account(&account.url), url, None).await?;
        Ok(answered(&answer, Authorization::parse(self.body(&answer, JSON)?)?))
    }

    /// Tells the server that a challenge was answered (RFC 8555 §7.5.1).
    pub async fn respond(&self, account: &Account, url: &str) -> Result<Answered<Challenge>, Error> {
        let answer = self.post(&account.key, By::Account(&account.url), url, Some(&json!({}))).await?;
        Ok(answered(&answer, Challenge::parse(self.body(&answer, JSON)?)?))
    }

    /// Asks for the certificate of an order that is ready (RFC 8555 §7.4).
    pub async fn finalize(
        &self,
        account: &Account,
        url: &str,
        request: &CertificateRequest,
    ) -> Result<Answered<Order>, Error> {
        let payload = json!({ "csr": base64_simd::URL_SAFE_NO_PAD.encode_to_string(request.der()) });
        let answer = self.post(&account.key, By::Account(&account.url), url, Some(&payload)).await?;
        Ok(answered(&answer, Order::parse(self.body(&answer, JSON)?)?))
    }

    /// The certificate and its chain (RFC 8555 §7.4.2).
    pub async fn certificate(&self, account: &Account, url: &str) -> Result<Vec<Certificate>, Error> {
        let answer = self.post(&account.key, By::Account(&account.url), url, None).await?;
        let body = self.body(&answer, PEM_CHAIN)?;
        let because = |because: String| Error::Malformed { what: "a certificate of the CA", because };
        let chain = Certificate::all_from(body).map_err(|error| because(error.to_string()))?;
        if chain.is_empty() || chain.len() > MOST_CERTIFICATES {
            return Err(because(format!("it has {} certificates", chain.len())));
        }
        Ok(chain)
    }

    /// A signed request. A nonce that the server refuses is replaced, as often as it takes within reason (RFC 8555 §6.5).
    async fn post(&self, key: &AccountKey, by: By<'_>, url: &str, payload: Option<&Value>) -> Result<Answer, Error> {
        let mut tries = 0;
        loop {
            let nonce = self.nonce().await?;
            let body = key.jws(by, url, &nonce, payload)?;
            let ask = Ask::Post { content_type: "application/jose+json", body: &body, authorization: None };
            let answer = self.client.answer(url, ask).await?;
            self.remember_nonce(&answer);
            if matches!(answer.status, 200 | 201) {
                return Ok(answer);
            }
            tries += 1;
            match self.refused(&answer) {
                Error::Problem { problem, .. } if problem.kind == "badNonce" && tries < MOST_TRIES => {}
                error => return Err(error),
            }
        }
    }

    async fn nonce(&self) -> Result<String, Error> {
        let kept = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(nonce) = kept {
            return Ok(nonce);
        }
        let url = self.directory().await?.new_nonce;
        let answer = self.client.answer(&url, Ask::Head).await?;
        if !matches!(answer.status, 200 | 204) {
            return Err(self.refused(&answer));
        }
        self.remember_nonce(&answer);
        let fresh = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).take();
        fresh.ok_or(Error::Useless { what: "the ACME server's answer", because: "it gives no nonce" })
    }

    fn remember_nonce(&self, answer: &Answer) {
        // RFC 8555 §6.5.1: what is not base64url is no nonce.
        let nonce = answer
            .field("replay-nonce")
            .filter(|nonce| (1..=MOST_NONCE).contains(&nonce.len()) && super::objects::is_base64url(nonce));
        *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = nonce.map(str::to_owned);
    }

    fn refused(&self, answer: &Answer) -> Error {
        let host = Url::parse(&self.url).map(|url| url.authority()).unwrap_or_default();
        match Problem::parse(&answer.body) {
            Some(problem) => Error::Problem { host, problem, retry_after: retry_after(answer) },
            None => Error::Status { host, status: answer.status },
        }
    }

    /// The body of an answer that is what was asked for, by its own word.
    fn body<'a>(&self, answer: &'a Answer, wanted: &'static str) -> Result<&'a [u8], Error> {
        if !matches!(answer.status, 200 | 201) {
            return Err(self.refused(answer));
        }
        let essence = answer.field("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(wanted) {
            return Ok(&answer.body);
        }
        let because = format!("it is {:?} and not {wanted}", essence.chars().take(80).collect::<String>());
        Err(Error::Malformed { what: "the ACME server's answer", because })
    }
}

impl fmt::Debug for AcmeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcmeClient({})", self.url)
    }
}

fn location(answer: &Answer, what: &'static str) -> Result<String, Error> {
    let found = answer.field("location").filter(|url| Url::parse(url).is_ok());
    found
        .map(str::to_owned)
        .ok_or_else(|| Error::Malformed { what, because: "the server does not say where it is".into() })
}

fn answered<T>(answer: &Answer, value: T) -> Answered<T> {
    Answered { value, retry_after: retry_after(answer) }
}

/// Seconds, within bounds; a date is as good as nothing said.
fn retry_after(answer: &Answer) -> Option<u32> {
    answer.field("retry-after")?.parse::<u32>().ok().map(|seconds| seconds.min(LONGEST_WAIT))
}

const JSON: &str = "application/json";
const PEM_CHAIN: &str = "application/pem-certificate-chain";
/// How often one request is signed anew because of its nonce.
const MOST_TRIES: u32 = 10;
const MOST_NONCE: usize = 512;
const MOST_CERTIFICATES: usize = 10;
/// A day: nobody is told to wait longer.
const LONGEST_WAIT: u32 = 86_400;
