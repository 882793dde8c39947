use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use asn1::{Encoding, Reader};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use crypto::{DigestAlgorithm, KeyKind, PrivateKey as _, SignatureAlgorithm, SoftwareKey};
use serde_json::{Map, Value, json};

use crate::must;

/// An OpenID Connect provider on loopback: it logs in whom it is told to, and misbehaves when it is told to.
#[derive(Debug)]
pub struct OpenIdProvider {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

/// What the provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// `alg` is `none`, and there is no signature.
    AlgorithmNone,
    /// The token ended an hour ago.
    Expired,
    /// Signed with a key that is not in the key set, under the name of one that is.
    ForeignKey,
    /// `alg` is `HS256`, keyed with the public key as it is published.
    SharedSecret,
    /// One character of the claims was changed after signing.
    Tampered,
    /// The token is for another program.
    WrongAudience,
    /// For this program and another one, without saying for whom it was made.
    TwoAudiences,
    /// The token names another issuer.
    WrongIssuer,
    /// The token answers another log-in.
    WrongNonce,
}

impl TokenFault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AlgorithmNone,
        Self::Expired,
        Self::ForeignKey,
        Self::SharedSecret,
        Self::Tampered,
        Self::WrongAudience,
        Self::TwoAudiences,
        Self::WrongIssuer,
        Self::WrongNonce,
    ];
}

#[derive(Debug)]
struct Shared {
    key: Arc<SoftwareKey>,
    key_name: String,
    now: i64,
    claims: Map<String, Value>,
    misbehaviour: Option<TokenFault>,
    codes: HashMap<String, HashMap<String, String>>,
    issued: u32,
}

/// Under which the provider knows the portal.
pub const CLIENT_ID: &str = "sealpost";
/// With characters that have to be encoded on the way.
pub const CLIENT_SECRET: &str = "a secret: 100% & more";

impl OpenIdProvider {
    /// Starts one whose clock stands at `now` and whose tokens are signed with a key of this kind: `P256` or RSA.
    pub fn start(kind: KeyKind, now: i64) -> Self {
        let listener = must(TcpListener::bind("127.0.0.1:0"));
        let address = must(listener.local_addr());
        let shared = Arc::new(Mutex::new(Shared {
            key: Arc::new(crate::generate(kind)),
            key_name: "one".into(),
            now,
            claims: Map::new(),
            misbehaviour: None,
            codes: HashMap::new(),
            issued: 0,
        }));
        let state = Arc::clone(&shared);
        // It ends with the process: each connection is one question.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A peer that goes away is no fault of the provider.
                let _ = serve(stream, address, &state);
            }
        });
        Self { address, shared }
    }

    /// Its issuer identifier.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whom it logs in from now on, beside what each token has.
    pub fn log_in(&self, claims: Value) {
        if let Value::Object(claims) = claims {
            self.change(|shared| shared.claims = claims);
        }
    }

    /// What it does wrong from now on.
    pub fn misbehave(&self, how: Option<TokenFault>) {
        self.change(|shared| shared.misbehaviour = how);
    }

    /// Signs with another key from now on.
    pub fn change_key(&self, kind: KeyKind, name: &str) {
        let key = Arc::new(crate::generate(kind));
        self.change(|shared| (shared.key, shared.key_name) = (key, name.to_owned()));
    }

    /// What its clock says.
    pub fn set_time(&self, now: i64) {
        self.change(|shared| shared.now = now);
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn serve(stream: TcpStream, address: SocketAddr, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut field = String::new();
        if reader.read_line(&mut field)? == 0 || field.trim().is_empty() {
            break;
        }
        let (name, value) = field.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let issuer = format!("http://{address}");
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, location, answer) = match (method.as_str(), path) {
        ("GET", "/.well-known/openid-configuration") => (200, String::new(), configuration(&issuer)),
        ("GET", "/keys") => (200, String::new(), json!({ "keys": [shared.jwk()] })),
        ("GET", "/authorize") => match shared.authorize(&fields(query), &issuer) {
            Some(location) => (302, location, Value::Null),
            None => (400, String::new(), json!({ "error": "invalid_request" })),
        },
        ("POST", "/token") => {
            match shared.exchange(&fields(&String::from_utf8_lossy(&body)), &authorization, &issuer) {
                Some(token) => (200, String::new(), json!({ "token_type": "Bearer", "id_token": token })),
                None => (400, String::new(), json!({ "error": "invalid_grant" })),
            }
        }
        _ => (404, String::new(), Value::Null),
    };
    let answer = answer.to_string();
    let location = if location.is_empty() { location } else { format!("Location: {location}\r\n") };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{location}Connection: close\r\n\r\n",
        answer.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(format!("{head}{answer}").as_bytes())
}

fn configuration(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    })
}

impl Shared {
    fn algorithm(&self) -> (&'static str, SignatureAlgorithm) {
        match self.key.public_key().rsa_components() {
            Some(_) => ("RS256", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256)),
            None => ("ES256", SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256)),
        }
    }

    fn jwk(&self) -> Value {
        let public = self.key.public_key();
        let text = |octets: &[u8]| URL_SAFE_NO_PAD.encode_to_string(octets);
        let (alg, name) = (self.algorithm().0, self.key_name.as_str());
        match public.rsa_components() {
            Some((n, e)) => {
                json!({ "kty": "RSA", "use": "sig", "kid": name, "alg": alg, "n": text(n), "e": text(e) })
            }
            None => {
                let (x, y) = public.bits().get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "kid": name, "alg": alg, "x": text(x), "y": text(y),
                })
            }
        }
    }

    fn authorize(&mut self, asked: &HashMap<String, String>, issuer: &str) -> Option<String> {
        let complete = asked.get("client_id")? == CLIENT_ID
            && asked.get("response_type")? == "code"
            && asked.get("code_challenge_method")? == "S256"
            && asked.get("scope")?.split(' ').any(|scope| scope == "openid");
        if !complete {
            return None;
        }
        self.issued += 1;
        let code = format!("code-{}", self.issued);
        let location = format!(
            "{}?code={code}&state={}&iss={}",
            asked.get("redirect_uri")?,
            encoded(asked.get("state")?),
            encoded(issuer)
        );
        self.codes.insert(code, asked.clone());
        Some(location)
    }

    fn exchange(&mut self, sent: &HashMap<String, String>, authorization: &str, issuer: &str) -> Option<String> {
        let asked = self.codes.remove(sent.get("code")?)?;
        let pair = format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET));
        let verifier = DigestAlgorithm::Sha256.digest(sent.get("code_verifier")?.as_bytes());
        let right = sent.get("grant_type")? == "authorization_code"
            && authorization == format!("Basic {}", STANDARD.encode_to_string(pair))
            && sent.get("redirect_uri") == asked.get("redirect_uri")
            && *asked.get("code_challenge")? == URL_SAFE_NO_PAD.encode_to_string(verifier.octets());
        right.then(|| self.token(&asked, issuer))
    }

    fn token(&self, asked: &HashMap<String, String>, issuer: &str) -> String {
        use TokenFault as M;
        let wrong = |how| self.misbehaviour == Some(how);
        let mut claims = self.claims.clone();
        let issuer = if wrong(M::WrongIssuer) { "https://other.example" } else { issuer };
        let nonce = asked.get("nonce").map(String::as_str).unwrap_or_default();
        let audience = match self.misbehaviour {
            Some(M::WrongAudience) => json!("another"),
            Some(M::TwoAudiences) => json!([CLIENT_ID, "another"]),
            _ => json!(CLIENT_ID),
        };
        let begun = if wrong(M::Expired) { self.now - 7200 } else { self.now };
        for (name, value) in [
            ("iss", json!(issuer)),
            ("sub", json!("1")),
            ("aud", audience),
            ("iat", json!(begun)),
            ("exp", json!(begun + 3600)),
            ("nonce", if wrong(M::WrongNonce) { json!("another") } else { json!(nonce) }),
        ] {
            claims.insert(name.into(), value);
        }
        let (name, algorithm) = self.algorithm();
        let name = match self.misbehaviour {
            Some(M::AlgorithmNone) => "none",
            Some(M::SharedSecret) => "HS256",
            _ => name,
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let header = json!({ "alg": name, "typ": "JWT", "kid": self.key_name });
        let signed = format!("{}.{}", part(&header), part(&Value::Object(claims.clone())));
        let signature = match self.misbehaviour {
            Some(M::AlgorithmNone) => Vec::new(),
            Some(M::SharedSecret) => {
                must(crypto::hmac(DigestAlgorithm::Sha256, self.key.public_key().spki(), signed.as_bytes())).to_vec()
            }
            Some(M::ForeignKey) => {
                let kind =
                    if self.key.public_key().rsa_components().is_some() { KeyKind::Rsa2048 } else { KeyKind::P256 };
                sign(&crate::generate(kind), &algorithm, &signed)
            }
            _ => sign(&self.key, &algorithm, &signed),
        };
        if wrong(M::Tampered) {
            claims.insert("sub".into(), json!("2"));
            let signature = URL_SAFE_NO_PAD.encode_to_string(signature);
            return format!("{}.{}.{signature}", part(&header), part(&Value::Object(claims)));
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
    }
}

fn sign(key: &SoftwareKey, algorithm: &SignatureAlgorithm, signed: &str) -> Vec<u8> {
    let signature = must(key.sign(algorithm, signed.as_bytes()));
    if matches!(algorithm, SignatureAlgorithm::RsaPkcs1(_)) {
        return signature;
    }
    // RFC 7518 §3.4: two numbers of 32 octets, and no DER.
    let mut outer = Reader::new(&signature, Encoding::Der);
    let mut inside = must(outer.sequence("ECDSA-Sig-Value"));
    let mut octets = Vec::new();
    for _ in 0..2 {
        let number = must(inside.integer()).unsigned_bytes().unwrap_or_default().to_vec();
        octets.extend(std::iter::repeat_n(0, 32usize.saturating_sub(number.len())));
        octets.extend(number);
    }
    octets
}

fn fields(text: &str) -> HashMap<String, String> {
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), decoded(value))).collect()
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn decoded(text: &str) -> String {
    let (mut octets, mut rest) = (Vec::new(), text.bytes());
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let pair: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(&String::from_utf8_lossy(&pair), 16).unwrap_or(b'?')
            }
            octet => octet,
        });
    }
    String::from_utf8_lossy(&octets).into_owned()
}
