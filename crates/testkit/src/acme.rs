//! A CA that speaks ACME (RFC 8555) and proves mailboxes by mail (RFC 8823), as strict as the RFCs, and as difficult as
//! it is told to be.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use asn1::Writer;
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use crypto::{Curve, DigestAlgorithm, PublicKey, SignatureAlgorithm};
use pki::CertificateRequest;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::dkim::DkimSigner;
use crate::{TestPki, TlsPki, must};

/// How difficult it is.
#[derive(Debug, Clone, Default)]
pub struct Misbehaviour {
    /// Every so many requests a good nonce is refused; 0 is never.
    pub refuse_nonces: usize,
    /// So many times "processing" is the answer before something is done.
    pub processing: usize,
    /// What stands in `Retry-After`.
    pub retry_after: Option<&'static str>,
    /// The order has another authorization, done before, in front; and the challenges another one.
    pub reordered: bool,
    /// The label of certificates.
    pub content_type: Option<&'static str>,
    /// Orders are followed by a million blanks.
    pub oversized: bool,
    /// The certificate is for another key.
    pub other_key: bool,
    /// Name and key (base64url) that accounts have to be bound with.
    pub external_account: Option<(&'static str, &'static str)>,
    /// The mail is sent only when the challenge was asked for.
    pub mail_on_demand: bool,
}

/// The CA, on loopback under TLS.
pub struct AcmeServer {
    tls: TlsPki,
    shared: Arc<Shared>,
}

struct Shared {
    base: String,
    pki: TestPki,
    dkim: DkimSigner,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    misbehaviour: Misbehaviour,
    nonces: HashSet<String>,
    posts: usize,
    accounts: Vec<(String, String)>,
    orders: Vec<Order>,
    mails: Vec<Vec<u8>>,
    requests: Vec<String>,
}

struct Order {
    address: String,
    token1: String,
    token2: String,
    message_id: String,
    asked: bool,
    proven: bool,
    failed: Option<String>,
    /// How often "processing" is still said, for the challenge and for the certificate.
    processing: (usize, usize),
    request: Option<CertificateRequest>,
}

/// From whom its mail comes.
const FROM: &str = "acme@ca.example";
const REPLY_TO: &str = "acme-reply@ca.example";

impl AcmeServer {
    /// Starts it; it issues with the issuing CA of `pki`.
    pub fn start(pki: &TestPki, misbehaviour: Misbehaviour) -> Self {
        let tls = TlsPki::for_names("IP:127.0.0.1");
        let (certificate, key) = tls.server();
        let chain: Vec<_> = must(CertificateDer::pem_file_iter(certificate)).map(must).collect();
        let key = must(PrivateKeyDer::from_pem_file(key));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = must(ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions());
        let config = Arc::new(must(config.with_no_client_auth().with_single_cert(chain, key)));
        let listener = must(TcpListener::bind("127.0.0.1:0"));
        let base = format!("https://{}", must(listener.local_addr()));
        let state = Mutex::new(State { misbehaviour, ..State::default() });
        let shared = Arc::new(Shared { base, pki: pki.clone(), dkim: DkimSigner::new("ca.example"), state });
        let weak = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(shared)) = (stream, weak.upgrade()) else { return };
                let config = Arc::clone(&config);
                std::thread::spawn(move || serve(&shared, config, stream));
            }
        });
        Self { tls, shared }
    }

    /// Where its directory is.
    pub fn url(&self) -> String {
        format!("{}/directory", self.shared.base)
    }

    /// What its TLS is verified with.
    pub fn tls(&self) -> &TlsPki {
        &self.tls
    }

    /// Signs its mail.
    pub fn dkim(&self) -> &DkimSigner {
        &self.shared.dkim
    }

    /// Makes it behave otherwise from now on.
    pub fn behave(&self, misbehaviour: Misbehaviour) {
        self.state().misbehaviour = misbehaviour;
    }

    /// The mails with challenges that it has sent.
    pub fn mails(&self) -> Vec<Vec<u8>> {
        self.state().mails.clone()
    }

    /// What it was asked for, path by path.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Takes a mail that answers a challenge, as RFC 8823 §3.2 has it; says what is wrong with it.
    pub fn receive(&self, mail: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(mail).into_owned();
        let (header, body) = text.split_once("\r\n\r\n").ok_or("it has no header")?;
        let field = |name: &str| {
            let line = header.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let mut state = self.state();
        let jwk = state.accounts.last().map(|(jwk, _)| jwk.clone()).ok_or("there is no account")?;
        let answers = field("in-reply-to");
        let order =
            state.orders.iter_mut().find(|order| order.message_id == answers).ok_or("it answers no mail of ours")?;
        let thumbprint = BASE64URL.encode_to_string(DigestAlgorithm::Sha256.digest(jwk.as_bytes()).octets());
        let authorization = format!("{}{}.{thumbprint}", order.token1, order.token2);
        let digest = BASE64URL.encode_to_string(DigestAlgorithm::Sha256.digest(authorization.as_bytes()).octets());
        let expected = format!("-----BEGIN ACME RESPONSE-----\r\n{digest}\r\n-----END ACME RESPONSE-----\r\n");
        let checks = [
            ("From", field("from") == order.address),
            ("To", field("to") == REPLY_TO),
            ("Subject", field("subject") == format!("Re: ACME: {}", order.token1)),
            ("Content-Type", field("content-type").starts_with("text/plain")),
            ("List-", !header.to_ascii_lowercase().contains("\nlist-")),
            ("response", body == expected),
        ];
        match checks.iter().find(|(_, right)| !right) {
            Some((what, _)) => {
                order.failed = Some(format!("{what} is wrong"));
                Err(format!("{what} is wrong: {text}"))
            }
            None => {
                order.proven = true;
                Ok(())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl std::fmt::Debug for AcmeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AcmeServer({})", self.shared.base)
    }
}

struct Answer {
    status: u16,
    content_type: String,
    location: Option<String>,
    body: String,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json".into(), location: None, body: body.to_string() }
    }

    fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let body = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail });
        Self { content_type: "application/problem+json".into(), ..Self::json(status, &body) }
    }
}

fn serve(shared: &Shared, config: Arc<ServerConfig>, stream: TcpStream) {
    // Whoever goes away in the middle is not missed.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let Ok(connection) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(connection, stream);
    let Some((verb, path, body)) = read_request(&mut stream) else { return };
    let answer = shared.answer(&verb, &path, &body);
    let (nonce, retry_after) = {
        let mut state = shared.state();
        let nonce = fresh(16);
        state.nonces.insert(nonce.clone());
        (nonce, state.misbehaviour.retry_after)
    };
    let mut head = format!(
        "HTTP/1.1 {} X\r\nReplay-Nonce: {nonce}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    );
    if let Some(location) = answer.location {
        head += &format!("Location: {location}\r\n");
    }
    if let Some(seconds) = retry_after {
        head += &format!("Retry-After: {seconds}\r\n");
    }
    let body = if verb == "HEAD" { "" } else { &answer.body };
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn read_request(stream: &mut impl std::io::Read) -> Option<(String, String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (verb, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((verb, path, body))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, verb: &str, path: &str, body: &[u8]) -> Answer {
        self.state().requests.push(path.to_owned());
        match (verb, path) {
            ("GET", "/directory") => self.directory(),
            ("HEAD", "/nonce") => Answer::json(200, &json!({})),
            ("POST", _) => self.post(path, body).unwrap_or_else(|answer| answer),
            _ => Answer::problem(405, "malformed", "not like this"),
        }
    }

    fn directory(&self) -> Answer {
        let base = &self.base;
        let external = self.state().misbehaviour.external_account.is_some();
        let meta = json!({ "termsOfService": "https://ca.example/terms", "caaIdentities": ["ca.example"],
            "externalAccountRequired": external });
        let urls = json!({ "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
            "newOrder": format!("{base}/order"), "revokeCert": format!("{base}/revoke"), "meta": meta });
        Answer::json(200, &urls)
    }

    /// RFC 8555 §6: signature, nonce and URL are right, or nothing is looked at.
    fn post(&self, path: &str, body: &[u8]) -> Result<Answer, Answer> {
        let malformed = |detail: &str| Answer::problem(400, "malformed", detail);
        let jws: Value = serde_json::from_slice(body).map_err(|_| malformed("no JSON"))?;
        let part = |key: &str| jws.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let decode = |text: &str| BASE64URL.decode_to_vec(text).map_err(|_| malformed("no base64url"));
        let protected: Value =
            serde_json::from_slice(&decode(&part("protected"))?).map_err(|_| malformed("no protected header"))?;
        let text = |key: &str| protected.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("alg") != "ES256" || text("url") != format!("{}{path}", self.base) {
            return Err(malformed("the protected header is wrong"));
        }
        {
            let mut state = self.state();
            state.posts += 1;
            let every = state.misbehaviour.refuse_nonces;
            let refused = every > 0 && state.posts.is_multiple_of(every);
            if !state.nonces.remove(&text("nonce")) || refused {
                return Err(Answer::problem(400, "badNonce", "not this one"));
            }
        }
        let jwk = match (protected.get("jwk"), protected.get("kid").and_then(Value::as_str)) {
            (Some(jwk), None) if path == "/account" => canonical(jwk),
            (None, Some(kid)) if path != "/account" => {
                let known = self.state().accounts.iter().find(|(_, url)| url == kid).map(|(jwk, _)| jwk.clone());
                known.ok_or_else(|| Answer::problem(401, "accountDoesNotExist", "who?"))?
            }
            _ => return Err(malformed("jwk or kid")),
        };
        let signed = format!("{}.{}", part("protected"), part("payload"));
        verify(&jwk, signed.as_bytes(), &decode(&part("signature"))?)
            .ok_or_else(|| malformed("the signature is wrong"))?;
        let payload = decode(&part("payload"))?;
        let payload: Option<Value> = match payload.as_slice() {
            b"" => None,
            octets => Some(serde_json::from_slice(octets).map_err(|_| malformed("no payload"))?),
        };
        match path.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice() {
            ["account"] => self.account(&jwk, &payload.unwrap_or_default()),
            ["order"] => self.new_order(&payload.unwrap_or_default()),
            ["decoy"] => Ok(self.decoy()),
            [what, number] => {
                let number = number.parse().map_err(|_| malformed("which?"))?;
                self.about(what, number, payload)
            }
            _ => Err(Answer::problem(404, "malformed", "nothing here")),
        }
    }

    fn account(&self, jwk: &str, payload: &Value) -> Result<Answer, Answer> {
        if payload.get("termsOfServiceAgreed").and_then(Value::as_bool) != Some(true) {
            return Err(Answer::problem(403, "userActionRequired", "agree to the terms"));
        }
        if let Some((name, key)) = self.state().misbehaviour.external_account {
            let wrong = || Answer::problem(403, "externalAccountRequired", "no binding");
            let binding = payload.get("externalAccountBinding").ok_or_else(wrong)?;
            let part = |key: &str| binding.get(key).and_then(Value::as_str).unwrap_or_default();
            let decode = |text: &str| BASE64URL.decode_to_vec(text).map_err(|_| wrong());
            let protected: Value = serde_json::from_slice(&decode(part("protected"))?).map_err(|_| wrong())?;
            let bound: Value = serde_json::from_slice(&decode(part("payload"))?).map_err(|_| wrong())?;
            let signed = format!("{}.{}", part("protected"), part("payload"));
            crypto::verify_hmac(DigestAlgorithm::Sha256, &decode(key)?, signed.as_bytes(), &decode(part("signature"))?)
                .map_err(|_| wrong())?;
            let url = format!("{}/account", self.base);
            if protected != json!({ "alg": "HS256", "kid": name, "url": url }) || canonical(&bound) != jwk {
                return Err(wrong());
            }
        }
        let mut state = self.state();
        let known = state.accounts.iter().find(|(own, _)| own == jwk).map(|(_, url)| url.clone());
        let status = if known.is_some() { 200 } else { 201 };
        let url = known.unwrap_or_else(|| format!("{}/accounts/{}", self.base, state.accounts.len()));
        if status == 201 {
            state.accounts.push((jwk.to_owned(), url.clone()));
        }
        Ok(Answer { location: Some(url), ..Answer::json(status, &json!({ "status": "valid" })) })
    }

    fn new_order(&self, payload: &Value) -> Result<Answer, Answer> {
        let identifier = payload.pointer("/identifiers/0").cloned().unwrap_or_default();
        let text = |key: &str| identifier.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("type") != "email" || text("value").ends_with("@refused.example") {
            return Err(Answer::problem(400, "rejectedIdentifier", "not for this"));
        }
        let mut state = self.state();
        let (number, times) = (state.orders.len(), state.misbehaviour.processing);
        let message_id = format!("<{}@ca.example>", fresh(12));
        let (address, token1, token2) = (text("value"), fresh(20), fresh(20));
        state.orders.push(Order {
            address,
            token1,
            token2,
            message_id,
            asked: false,
            proven: false,
            failed: None,
            processing: (times, times),
            request: None,
        });
        if !state.misbehaviour.mail_on_demand {
            self.send_mail(&mut state, number);
        }
        let order = self.order(&mut state, number).ok_or_else(|| Answer::problem(500, "serverInternal", ""))?;
        Ok(Answer { status: 201, location: Some(format!("{}/orders/{number}", self.base)), ..order })
    }

    fn send_mail(&self, state: &mut State, number: usize) {
        let Some(order) = state.orders.get(number) else { return };
        let mail = format!(
            "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nFrom: \"The CA\" <{FROM}>\r\nTo: {}\r\nReply-To: {REPLY_TO}\r\n\
             Subject: ACME: {}\r\nMessage-ID: {}\r\nAuto-Submitted: auto-generated; type=acme\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             This is an automatically generated  challenge.\r\n\r\n",
            order.address, order.token1, order.message_id
        );
        let mail = self.dkim.sign(mail.as_bytes(), DkimSigner::CHALLENGE_FIELDS, "");
        state.mails.push(mail);
    }

    fn decoy(&self) -> Answer {
        let body = json!({ "status": "valid", "identifier": { "type": "dns", "value": "inside.example" },
            "challenges": [{ "type": "dns-01", "url": format!("{}/x", self.base), "status": "valid", "token": "x" }] });
        Answer::json(200, &body)
    }

    fn about(&self, what: &str, number: usize, payload: Option<Value>) -> Result<Answer, Answer> {
        let mut state = self.state();
        let nothing = || Answer::problem(404, "malformed", "nothing here");
        if number >= state.orders.len() {
            return Err(nothing());
        }
        match (what, payload) {
            ("orders", None) => self.order(&mut state, number).ok_or_else(nothing),
            ("authorizations", None) => self.authorization(&mut state, number).ok_or_else(nothing),
            ("challenges", Some(_)) => {
                let on_demand = state.misbehaviour.mail_on_demand;
                let first =
                    state.orders.get_mut(number).is_some_and(|order| !std::mem::replace(&mut order.asked, true));
                if first && on_demand {
                    self.send_mail(&mut state, number);
                }
                let order = state.orders.get(number).ok_or_else(nothing)?;
                Ok(Answer::json(200, &self.challenge(order, number)))
            }
            ("finalize", Some(payload)) => self.finalize(&mut state, number, &payload),
            ("certificates", None) => self.certificate(&mut state, number).ok_or_else(nothing),
            _ => Err(nothing()),
        }
    }

    fn challenge(&self, order: &Order, number: usize) -> Value {
        let status = match (&order.failed, order.proven && order.asked && order.processing.0 == 0, order.asked) {
            (Some(_), ..) => "invalid",
            (None, true, _) => "valid",
            (None, false, true) => "processing",
            _ => "pending",
        };
        json!({ "type": "email-reply-00", "url": format!("{}/challenges/{number}", self.base), "status": status,
            "from": FROM, "token": order.token2 })
    }

    fn authorization(&self, state: &mut State, number: usize) -> Option<Answer> {
        let reordered = state.misbehaviour.reordered;
        let order = state.orders.get(number)?;
        let challenge = self.challenge(order, number);
        let status = match challenge.get("status").and_then(Value::as_str) {
            Some("valid") => "valid",
            Some("invalid") => "invalid",
            _ => "pending",
        };
        let mut challenges = vec![challenge];
        if reordered {
            challenges.insert(0, json!({ "type": "oauth-77", "url": "https://x.example/", "status": "pending" }));
        }
        let identifier = json!({ "type": "email", "value": order.address });
        Some(Answer::json(200, &json!({ "status": status, "identifier": identifier, "challenges": challenges })))
    }

    fn order(&self, state: &mut State, number: usize) -> Option<Answer> {
        let (reordered, oversized) = (state.misbehaviour.reordered, state.misbehaviour.oversized);
        let order = state.orders.get_mut(number)?;
        let settled = order.proven && order.asked;
        let status = match (&order.failed, &order.request) {
            (Some(_), _) => "invalid",
            (None, Some(_)) if order.processing.1 > 0 => {
                order.processing.1 -= 1;
                "processing"
            }
            (None, Some(_)) => "valid",
            (None, None) if settled && order.processing.0 > 0 => {
                order.processing.0 -= 1;
                "pending"
            }
            (None, None) if settled => "ready",
            _ => "pending",
        };
        let base = &self.base;
        let mut authorizations = vec![format!("{base}/authorizations/{number}")];
        if reordered {
            authorizations.insert(0, format!("{base}/decoy"));
        }
        let mut body = json!({ "status": status, "identifiers": [{ "type": "email", "value": order.address }],
            "authorizations": authorizations, "finalize": format!("{base}/finalize/{number}") });
        if let Some(fields) = body.as_object_mut() {
            if status == "valid" {
                fields.insert("certificate".into(), format!("{base}/certificates/{number}").into());
            }
            if let Some(because) = &order.failed {
                let problem = json!({ "type": "urn:ietf:params:acme:error:incorrectResponse", "detail": because });
                fields.insert("error".into(), problem);
            }
        }
        let mut answer = Answer::json(200, &body);
        if oversized {
            answer.body += &" ".repeat(1_000_000);
        }
        Some(answer)
    }

    fn finalize(&self, state: &mut State, number: usize, payload: &Value) -> Result<Answer, Answer> {
        let bad = |detail: &str| Answer::problem(400, "badCSR", detail);
        let order = state.orders.get_mut(number).ok_or_else(|| bad("which?"))?;
        if !(order.proven && order.asked && order.processing.0 == 0) {
            return Err(Answer::problem(403, "orderNotReady", "not yet"));
        }
        let csr = payload.get("csr").and_then(Value::as_str).unwrap_or_default();
        let der = BASE64URL.decode_to_vec(csr).map_err(|_| bad("no base64url"))?;
        let request = CertificateRequest::from_der(&der).map_err(|_| bad("no request"))?;
        request.verify_possession().map_err(|_| bad("the key is not theirs"))?;
        let address = must(pki::EmailAddress::parse(&order.address));
        if request.email_addresses() != [address] {
            return Err(bad("it is not for the mailbox that was proven"));
        }
        order.request = Some(request);
        self.order(state, number).ok_or_else(|| bad("which?"))
    }

    fn certificate(&self, state: &mut State, number: usize) -> Option<Answer> {
        let Misbehaviour { content_type, other_key, .. } = state.misbehaviour.clone();
        let order = state.orders.get(number)?;
        let builder = self.pki.mailbox(&order.address);
        let key = order.request.as_ref()?.public_key().clone();
        let key = if other_key { self.pki.root().certificate().public_key().ok()?.clone() } else { key };
        let certificate = must(self.pki.ca().issue(&builder, &key));
        let body = format!("{}{}", certificate.to_pem(), self.pki.ca().certificate().to_pem());
        let content_type = content_type.unwrap_or("application/pem-certificate-chain").to_owned();
        Some(Answer { status: 200, content_type, location: None, body })
    }
}

/// The text that a key's thumbprint is made of (RFC 7638 §3).
fn canonical(jwk: &Value) -> String {
    let text = |key: &str| jwk.get(key).and_then(Value::as_str).unwrap_or_default();
    format!(
        "{{\"crv\":\"{}\",\"kty\":\"{}\",\"x\":\"{}\",\"y\":\"{}\"}}",
        text("crv"),
        text("kty"),
        text("x"),
        text("y")
    )
}

fn verify(jwk: &str, message: &[u8], signature: &[u8]) -> Option<()> {
    let jwk: Value = serde_json::from_str(jwk).ok()?;
    let number = |key: &str| BASE64URL.decode_to_vec(jwk.get(key).and_then(Value::as_str).unwrap_or_default()).ok();
    let point = [vec![4], number("x")?, number("y")?].concat();
    let key = PublicKey::from_ec_point(Curve::P256, &point).ok()?;
    let (r, s) = signature.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    let mut der = Writer::new();
    der.sequence(|inside| {
        inside.unsigned_bytes(r);
        inside.unsigned_bytes(s);
    });
    key.verify(&SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256), message, der.as_slice()).ok()
}

fn fresh(octets: usize) -> String {
    let random = must(crypto::random_array::<32>());
    BASE64URL.encode_to_string(random.get(..octets).unwrap_or(&random))
}
