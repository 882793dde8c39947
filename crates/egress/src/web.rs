use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Breaker;
use crate::http::{Ask, Client, Reach};
use crate::{Error, SystemResolver, TlsRoots};

/// Asks web servers that the operator named, over TLS or, on this machine, without.
///
/// A redirect is an error: whoever redirects is somebody else than the operator named. Nothing is kept between calls, so
/// that answers which somebody provokes do not make the server rest for everybody.
#[derive(Clone)]
pub struct Web {
    roots: Option<TlsRoots>,
}

impl Web {
    /// With the roots that servers are verified against; without them nothing is asked over TLS.
    pub fn new(roots: Option<TlsRoots>) -> Self {
        Self { roots }
    }

    /// The content that is found at `url`.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, Error> {
        self.client().ask(url, Ask::Get).await
    }

    /// What is answered to a form; `authorization` is the value of that header field.
    pub async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", form_encoded(name), form_encoded(value))).collect();
        let body = body.join("&");
        let content_type = "application/x-www-form-urlencoded";
        self.client().ask(url, Ask::Post { content_type, body: body.as_bytes(), authorization }).await
    }

    fn client(&self) -> Client {
        Client {
            reach: Reach::Anywhere,
            resolver: Arc::new(SystemResolver),
            tls: self.roots.clone(),
            timeout: TIMEOUT,
            octets: MOST_OCTETS,
            redirects: 0,
            breaker: Breaker::default(),
        }
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web")
    }
}

/// As `application/x-www-form-urlencoded` has it, and as it may stand in the query of a URL.
pub fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_OCTETS: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::form_encoded;

    #[test]
    fn nothing_of_a_value_becomes_syntax() {
        assert_eq!(form_encoded("a b&c=d+é/~"), "a%20b%26c%3Dd%2B%C3%A9%2F~");
    }
}
