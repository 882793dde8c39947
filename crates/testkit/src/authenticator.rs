//! An authenticator in software and the browser before it: they answer as they should, and as they never should.

use crypto::{DigestAlgorithm, KeyKind, PrivateKey as _, PublicKeyKind, SoftwareKey};
use serde_json::{Value, json};

/// An authenticator with one passkey.
#[derive(Debug)]
pub struct Authenticator {
    key: SoftwareKey,
    id: Vec<u8>,
}

/// What it is asked, and how it is to answer.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// The relying party that it answers.
    pub rp_id: String,
    /// Flags of the authenticator data but for the one that says that a passkey is in it.
    pub flags: u8,
    /// How often it says that it has signed.
    pub sign_count: u32,
    /// The members of the client data.
    pub client_data: Value,
    /// Comes after everything else in the authenticator data.
    pub tail: Vec<u8>,
}

/// Somebody touched it.
pub const USER_PRESENT: u8 = 0x01;
/// It knows who.
pub const USER_VERIFIED: u8 = 0x04;
/// Extensions come at the end.
pub const EXTENSIONS: u8 = 0x80;

impl Ceremony {
    /// A good one: `kind` is `webauthn.create` or `webauthn.get`, the challenge is in base64url.
    pub fn new(origin: &str, rp_id: &str, kind: &str, challenge: &str) -> Self {
        Self {
            rp_id: rp_id.to_owned(),
            flags: USER_PRESENT | USER_VERIFIED,
            sign_count: 0,
            client_data: json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false }),
            tail: Vec::new(),
        }
    }

    /// The bytes that the browser hashes.
    pub fn client_data(&self) -> Vec<u8> {
        self.client_data.to_string().into_bytes()
    }
}

impl Authenticator {
    /// With a fresh key of P-256, Ed25519 or RSA.
    pub fn new(kind: KeyKind) -> Self {
        let key = SoftwareKey::generate(kind).expect("a key is made");
        let mut id = vec![0; 32];
        crypto::random(&mut id).expect("there is randomness");
        Self { key, id }
    }

    /// With a key that is known.
    pub fn with_key(key: SoftwareKey, id: &[u8]) -> Self {
        Self { key, id: id.to_vec() }
    }

    /// What its passkey is asked for by.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// The same passkey under another identifier.
    pub fn with_id(self, id: &[u8]) -> Self {
        Self { id: id.to_vec(), ..self }
    }

    /// What it signs; `with_passkey` for a new one.
    pub fn data(&self, ceremony: &Ceremony, with_passkey: bool) -> Vec<u8> {
        let mut data = DigestAlgorithm::Sha256.digest(ceremony.rp_id.as_bytes()).octets().to_vec();
        data.push(ceremony.flags | if with_passkey { 0x40 } else { 0 });
        data.extend(ceremony.sign_count.to_be_bytes());
        if with_passkey {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).expect("an identifier is short").to_be_bytes());
            data.extend(&self.id);
            data.extend(self.cose_key());
        }
        data.extend(&ceremony.tail);
        data
    }

    /// A signature over both.
    pub fn sign(&self, data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let signed = [data, DigestAlgorithm::Sha256.digest(client_data).octets()].concat();
        let algorithm = self.key.default_signature_algorithm().expect("it signs");
        let algorithm = match self.key.public_key().kind() {
            PublicKeyKind::Rsa { .. } => crypto::SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
            _ => algorithm,
        };
        self.key.sign(&algorithm, &signed).expect("it signs")
    }

    /// The attestation object of a ceremony: `none`.
    pub fn attestation(&self, ceremony: &Ceremony) -> Vec<u8> {
        attestation_object("none", &map(&[]), &self.data(ceremony, true))
    }

    /// The attestation object of a ceremony in which the new key speaks for itself.
    pub fn self_attestation(&self, ceremony: &Ceremony) -> Vec<u8> {
        let data = self.data(ceremony, true);
        let signature = self.sign(&data, &ceremony.client_data());
        let statement = map(&[(text("alg"), number(self.algorithm())), (text("sig"), octets(&signature))]);
        attestation_object("packed", &statement, &data)
    }

    fn algorithm(&self) -> i64 {
        match self.key.public_key().kind() {
            PublicKeyKind::Ed25519 => -8,
            PublicKeyKind::Rsa { .. } => -257,
            _ => -7,
        }
    }

    /// As COSE has it (RFC 9052 §7).
    pub fn cose_key(&self) -> Vec<u8> {
        let public = self.key.public_key();
        let pair = |label, value| (number(label), value);
        match public.kind() {
            PublicKeyKind::Ed25519 => {
                map(&[pair(1, number(1)), pair(3, number(-8)), pair(-1, number(6)), pair(-2, octets(public.bits()))])
            }
            PublicKeyKind::Rsa { .. } => {
                let (n, e) = public.rsa_components().expect("it has both");
                map(&[pair(1, number(3)), pair(3, number(-257)), pair(-1, octets(n)), pair(-2, octets(e))])
            }
            _ => {
                let (x, y) = public.bits().get(1..).expect("it is a point").split_at(32);
                map(&[
                    pair(1, number(2)),
                    pair(3, number(-7)),
                    pair(-1, number(1)),
                    pair(-2, octets(x)),
                    pair(-3, octets(y)),
                ])
            }
        }
    }
}

/// An attestation object of any format.
pub fn attestation_object(format: &str, statement: &[u8], authenticator_data: &[u8]) -> Vec<u8> {
    map(&[
        (text("fmt"), text(format)),
        (text("attStmt"), statement.to_vec()),
        (text("authData"), octets(authenticator_data)),
    ])
}

/// A CBOR map of items (RFC 8949 §3.1).
pub fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = head(5, pairs.len() as u64);
    for (key, value) in pairs {
        out.extend(key);
        out.extend(value);
    }
    out
}

/// A CBOR text.
pub fn text(text: &str) -> Vec<u8> {
    [head(3, text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// CBOR octets.
pub fn octets(octets: &[u8]) -> Vec<u8> {
    [head(2, octets.len() as u64), octets.to_vec()].concat()
}

/// A CBOR number.
pub fn number(number: i64) -> Vec<u8> {
    if number < 0 { head(1, number.unsigned_abs() - 1) } else { head(0, number.unsigned_abs()) }
}

fn head(major: u8, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let (short, length) = match value {
        0..24 => return vec![major << 5 | bytes[7]],
        24..256 => (24, 1),
        256..65_536 => (25, 2),
        65_536..4_294_967_296 => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | short], &bytes[8 - length..]].concat()
}
