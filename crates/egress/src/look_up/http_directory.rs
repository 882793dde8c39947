use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pki::{Certificate, EmailAddress};

use super::certificates_in;
use crate::breaker::Breaker;
use crate::http::{Ask, Client, Reach};
use crate::url::Url;
use crate::{Error, SystemResolver, TlsRoots};

/// A key server: a URL with a place for the address.
pub struct HttpDirectory {
    template: String,
    client: Client,
}

impl HttpDirectory {
    /// `template` has `{address}`, or `{local}` and `{domain}`, in its path or query, never in the host: the operator
    /// says which server is asked, nobody else. `https://` needs roots to verify the server against.
    pub fn new(template: &str, roots: Option<TlsRoots>) -> Result<Self, Error> {
        let refused =
            |because: &str| Error::Malformed { what: "the URL template", because: format!("{because}: {template}") };
        if !template.contains("{address}") && !template.contains("{local}") {
            return Err(refused("there is no {address} in it"));
        }
        let host = template.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        if host.contains(['{', '}']) {
            return Err(refused("the host is not fixed"));
        }
        let example = EmailAddress::parse("x@example.org").map_err(|_| refused("it is odd"))?;
        let url = Url::parse(&fill(template, &example))?;
        if url.tls && roots.is_none() {
            return Err(refused("there are no roots to verify its server against"));
        }
        let client = Client {
            reach: Reach::Anywhere,
            resolver: Arc::new(SystemResolver),
            tls: roots,
            timeout: Duration::from_secs(5),
            octets: MOST_OCTETS,
            // CASES T-70: whoever redirects is somebody else than the operator named.
            redirects: 0,
            breaker: Breaker::default(),
        };
        Ok(Self { template: template.to_owned(), client })
    }

    pub(crate) async fn ask(&self, address: &EmailAddress) -> Result<Vec<Certificate>, Error> {
        match self.client.ask(&fill(&self.template, address), Ask::Get).await {
            Ok(content) => Ok(certificates_in(&content)),
            Err(Error::Status { status: 404 | 410, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn fill(template: &str, address: &EmailAddress) -> String {
    template
        .replace("{address}", &percent(&address.to_string()))
        .replace("{local}", &percent(address.local_part()))
        .replace("{domain}", &percent(address.domain()))
}

// RFC 3986 §2.3: everything but unreserved characters.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(octet.into()),
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
}

impl fmt::Debug for HttpDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpDirectory({})", self.template)
    }
}

impl fmt::Display for HttpDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

const MOST_OCTETS: usize = 1 << 20;
