//! Log-in of the people inside at the organisation's own provider: OpenID Connect, authorization code flow with PKCE.
//!
//! Between the way there and the way back the browser keeps one secret in a cookie; `state`, `nonce` and the code
//! verifier are derived from it, so that nothing has to be kept here and any process can finish what another began.
//! ID tokens are verified with the primitives that certificates are verified with: the usual crates for OpenID Connect
//! bring a second set of them along.

mod id_token;
mod jwk;

use std::fmt;
use std::sync::PoisonError;

use asn1::Time;
use crypto::DigestAlgorithm;
use directory::{Address, Role, Roles};
use egress::{Web, form_encoded};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::Error;
pub(crate) use id_token::Disbelief;
use id_token::{Claims, Expected};
use jwk::Key;

/// The provider at which the people inside log in.
#[derive(Clone)]
pub struct OpenId {
    /// What people call it; it stands on the button.
    pub name: String,
    /// Its issuer identifier, an https URL (http on this machine).
    pub issuer: String,
    /// Under which name it knows this portal.
    pub client_id: String,
    /// What this portal proves itself with; without one PKCE alone protects the code.
    pub client_secret: Option<String>,
    /// What is asked for, beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that has the person's mailbox. `email` counts only together with `email_verified`.
    pub address_claim: String,
    /// The claim that has the person's roles or groups; without it roles are those of the directory.
    pub roles_claim: Option<String>,
    /// Which of its values stands for which role.
    pub roles: Vec<(String, Role)>,
    /// What it is asked with.
    pub web: Web,
}

impl fmt::Debug for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenId({} for {})", self.issuer, self.client_id)
    }
}

/// Who somebody is by the provider's word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) address: Address,
    /// `None` where the directory decides.
    pub(crate) roles: Option<Roles>,
}

/// Why somebody is not logged in.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The provider cannot be reached, or is not set up.
    Away(String),
    /// What came back belongs to no log-in of this browser, or to none any more.
    Foreign,
    /// The ID token is not believed.
    Disbelieved(Disbelief),
    /// The token names no mailbox.
    NoAddress,
    /// The provider did not log them in, or they stopped.
    Refused(String),
    /// The provider does not vouch for the mailbox.
    Unverified,
}

/// For the log: no word of a token.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(because) => write!(f, "the provider is away: {because}"),
            Self::Foreign => f.write_str("the answer belongs to no log-in of this browser"),
            Self::Disbelieved(why) => write!(f, "the ID token is not believed: {why:?}"),
            Self::NoAddress => f.write_str("the ID token names no mailbox"),
            Self::Refused(because) => write!(f, "the provider refused: {because}"),
            Self::Unverified => f.write_str("the provider does not vouch for the mailbox"),
        }
    }
}

/// What comes back with the browser.
pub(crate) struct Returned<'a> {
    pub(crate) state: &'a str,
    pub(crate) code: &'a str,
    /// RFC 9207: who answers.
    pub(crate) issuer: &'a str,
    pub(crate) error: &'a str,
}

pub(crate) struct Provider {
    settings: OpenId,
    redirect: String,
    known: Mutex<Option<Known>>,
    /// When it was away last, and why: nobody waits for it again at once.
    away: std::sync::Mutex<Option<(Time, String)>>,
}

/// What the provider said about itself.
#[derive(Clone)]
struct Known {
    authorization: String,
    token: String,
    key_set: String,
    /// The secret goes into the form, because the header field is not understood.
    secret_in_form: bool,
    keys: Vec<Key>,
    since: Time,
    keys_since: Time,
}

impl Provider {
    pub(crate) fn new(settings: OpenId, base_url: &str) -> Result<Self, Error> {
        if !is_safe(&settings.issuer) {
            let because = format!("{} begins neither with https:// nor with http:// and this machine", settings.issuer);
            return Err(Error::Setting { what: "the provider's issuer", because });
        }
        Ok(Self {
            settings,
            redirect: format!("{base_url}/login/openid"),
            known: Mutex::new(None),
            away: Default::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where the browser is sent; `next` is where it wants to be in the end.
    pub(crate) async fn begin(&self, secret: &str, next: &str, now: Time) -> Result<String, Failure> {
        let known = self.known(now).await?;
        let scopes: Vec<&str> =
            std::iter::once("openid").chain(self.settings.scopes.iter().map(String::as_str)).collect();
        let challenge = DigestAlgorithm::Sha256.digest(derive(secret, "verifier").as_bytes());
        let challenge = base64_simd::URL_SAFE_NO_PAD.encode_to_string(challenge.octets());
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect),
            ("scope", &scopes.join(" ")),
            ("state", &format!("{}{next}", derive(secret, "state"))),
            ("nonce", &derive(secret, "nonce")),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
        let mark = if known.authorization.contains('?') { '&' } else { '?' };
        Ok(format!("{}{mark}{}", known.authorization, query.join("&")))
    }

    /// Who it is, and where they wanted to go.
    pub(crate) async fn finish<'a>(
        &self,
        secret: &str,
        returned: &Returned<'a>,
        now: Time,
    ) -> Result<(Identity, &'a str), Failure> {
        let (state, next) = returned.state.split_at_checked(43).ok_or(Failure::Foreign)?;
        if !crypto::constant_time_eq(state.as_bytes(), derive(secret, "state").as_bytes()) {
            return Err(Failure::Foreign);
        }
        if !returned.issuer.is_empty() && returned.issuer != self.settings.issuer {
            return Err(Failure::Disbelieved(Disbelief::Issuer));
        }
        if !returned.error.is_empty() {
            return Err(Failure::Refused(returned.error.chars().filter(char::is_ascii_graphic).take(80).collect()));
        }
        let known = self.known(now).await?;
        let token = self.exchange(&known, secret, returned.code).await?;
        let nonce = derive(secret, "nonce");
        let OpenId { issuer, client_id, .. } = &self.settings;
        let expected = Expected { issuer, client_id, nonce: &nonce, now };
        let claims = match Claims::verify(&token, &known.keys, &expected) {
            // The provider may have a new key since.
            Err(Disbelief::UnknownKey) => Claims::verify(&token, &self.newer_keys(now).await?, &expected),
            verified => verified,
        };
        let claims = claims.map_err(Failure::Disbelieved)?;
        Ok((self.identify(&claims)?, next))
    }

    fn identify(&self, claims: &Claims) -> Result<Identity, Failure> {
        let OpenId { address_claim, roles_claim, roles, .. } = &self.settings;
        let address = claims.text(address_claim).and_then(|text| Address::parse(text).ok());
        let address = address.ok_or(Failure::NoAddress)?;
        if address_claim == "email" && !claims.is_true("email_verified") {
            return Err(Failure::Unverified);
        }
        let roles = roles_claim.as_ref().map(|claim| {
            let values = claims.texts(claim);
            Roles::of(roles.iter().filter(|(value, _)| values.contains(&value.as_str())).map(|(_, role)| *role))
        });
        Ok(Identity { address, roles })
    }

    async fn exchange(&self, known: &Known, secret: &str, code: &str) -> Result<String, Failure> {
        let verifier = derive(secret, "verifier");
        let OpenId { client_id, client_secret, web, .. } = &self.settings;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", &verifier),
        ];
        let mut authorization = None;
        match client_secret {
            Some(secret) if !known.secret_in_form => {
                // RFC 6749 §2.3.1
                let pair = format!("{}:{}", form_encoded(client_id), form_encoded(secret));
                authorization = Some(format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair)));
            }
            Some(secret) => fields.extend([("client_id", client_id.as_str()), ("client_secret", secret)]),
            None => fields.push(("client_id", client_id)),
        }
        let answer = web.post_form(&known.token, &fields, authorization.as_deref()).await;
        let answer = answer.map_err(|error| match error {
            egress::Error::Status { status: 400..=499, .. } => Failure::Refused("the code does not count".into()),
            error => Failure::Away(error.to_string()),
        })?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| Failure::Away(error.to_string()))?;
        let token = answer.get("id_token").and_then(Value::as_str);
        token.map(ToOwned::to_owned).ok_or(Failure::Disbelieved(Disbelief::Malformed))
    }

    async fn known(&self, now: Time) -> Result<Known, Failure> {
        let mut kept = self.known.lock().await;
        if let Some(known) = kept.as_ref().filter(|known| now < known.since.plus_seconds(KEPT_SECONDS)) {
            return Ok(known.clone());
        }
        let remembered = self.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, because)) = remembered.filter(|(since, _)| now < since.plus_seconds(AWAY_SECONDS)) {
            return Err(Failure::Away(because));
        }
        let found = self.discover(now).await;
        let away = match &found {
            Err(Failure::Away(because)) => Some((now, because.clone())),
            _ => None,
        };
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
        let known = found?;
        *kept = Some(known.clone());
        Ok(known)
    }

    /// Asks the provider what it says about itself.
    async fn discover(&self, now: Time) -> Result<Known, Failure> {
        let issuer = &self.settings.issuer;
        let document = self.json(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).await?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        // OpenID Connect Discovery 1.0, section 4.3
        if text("issuer") != *issuer {
            return Err(Failure::Away("the provider says that it is another issuer".into()));
        }
        let (authorization, token, key_set) =
            (text("authorization_endpoint"), text("token_endpoint"), text("jwks_uri"));
        if let Some(odd) = [&authorization, &token, &key_set].into_iter().find(|url| !is_safe(url)) {
            return Err(Failure::Away(format!("the provider names an address that is not safe: {odd}")));
        }
        let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let supports = |method: &str| methods.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(method)));
        let secret_in_form = supports("client_secret_post") && !supports("client_secret_basic");
        let keys = Key::read_set(&self.json(&key_set).await?);
        Ok(Known { authorization, token, key_set, secret_in_form, keys, since: now, keys_since: now })
    }

    // Who sends tokens with made-up key names does not make the provider be asked each time.
    async fn newer_keys(&self, now: Time) -> Result<Vec<Key>, Failure> {
        let mut kept = self.known.lock().await;
        let Some(known) = kept.as_mut() else { return Ok(Vec::new()) };
        if now >= known.keys_since.plus_seconds(KEYS_SECONDS) {
            known.keys = Key::read_set(&self.json(&known.key_set).await?);
            known.keys_since = now;
        }
        Ok(known.keys.clone())
    }

    async fn json(&self, url: &str) -> Result<Value, Failure> {
        let away = |because: String| Failure::Away(format!("{url}: {because}"));
        let content = self.settings.web.get(url).await.map_err(|error| away(error.to_string()))?;
        serde_json::from_slice(&content).map_err(|error| away(error.to_string()))
    }
}

/// What the browser keeps until it is back.
pub(crate) fn new_secret() -> Result<String, crypto::Error> {
    Ok(base64_simd::URL_SAFE_NO_PAD.encode_to_string(crypto::random_array::<32>()?))
}

fn derive(secret: &str, what: &str) -> String {
    let digest = DigestAlgorithm::Sha256.digest(format!("sealpost openid {what} {secret}").as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.octets())
}

/// Over TLS, or without leaving this machine.
fn is_safe(url: &str) -> bool {
    if url.starts_with("https://") {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

const KEPT_SECONDS: i64 = 3600;
const KEYS_SECONDS: i64 = 60;
/// How long a provider that was away is not asked again, from the question on that it did not answer.
const AWAY_SECONDS: i64 = 20;

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn only_what_nobody_on_the_way_reads_is_asked() {
        for good in ["https://id.example", "http://127.0.0.1:8080/x", "http://localhost", "http://[::1]:1/"] {
            assert!(is_safe(good), "{good}");
        }
        for bad in
            ["http://id.example", "http://127.0.0.1.evil.example/", "http://localhost@evil.example/", "ftp://x", ""]
        {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
