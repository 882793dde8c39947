use asn1::{Encoding, Reader, Tag, Writer};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::types::Ulong;

use super::failure::Failure;
use super::{Loaded, Pooled, Token, TokenKey, TokenReference, TokenSecret};
use crate::{AlgorithmIdentifier, Curve, Error, KeyKind, PublicKey, oids, random_array};

/// A key pair on a token.
#[derive(Debug, Clone)]
pub struct TokenEntry {
    /// Its name for Sealpost.
    pub reference: TokenReference,
    /// Its name for people.
    pub label: String,
    /// The public half; `None` when it is of a kind that is not used here.
    pub public_key: Option<PublicKey>,
}

impl Pooled {
    /// The object with a CKA_ID, which is remembered as long as the session lives.
    pub(super) fn object(&mut self, class: ObjectClass, id: &[u8]) -> Result<ObjectHandle, Failure> {
        if let Some(handle) = self.handles.get(id) {
            return Ok(*handle);
        }
        let found = self.session.find_objects(&[Attribute::Class(class), Attribute::Id(id.to_vec())])?;
        let handle = *found.first().ok_or_else(|| Failure::Lost("the key is not on the token".into()))?;
        self.handles.insert(id.to_vec(), handle);
        Ok(handle)
    }
}

impl Token {
    /// The key pairs on the token.
    pub fn keys(&self) -> Result<Vec<TokenEntry>, Error> {
        self.run(|_, pooled| {
            let mut entries = Vec::new();
            for handle in pooled.session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])? {
                let attributes = pooled.session.get_attributes(handle, &[AttributeType::Id, AttributeType::Label])?;
                let (mut id, mut label) = (Vec::new(), String::new());
                for attribute in attributes {
                    match attribute {
                        Attribute::Id(octets) => id = octets,
                        Attribute::Label(octets) => label = String::from_utf8_lossy(&octets).into_owned(),
                        _ => {}
                    }
                }
                // Without an ID it cannot be named.
                if id.is_empty() {
                    continue;
                }
                let public_key = public_key(pooled, &id, handle)?;
                let reference = TokenReference { token: self.label().to_owned(), id };
                entries.push(TokenEntry { reference, label, public_key });
            }
            entries.sort_by(|a, b| a.label.cmp(&b.label).then_with(|| a.reference.id.cmp(&b.reference.id)));
            Ok(entries)
        })
    }

    /// A key whose public half is known already; the token is not asked until the key is used.
    pub fn key(&self, id: &[u8], public_key: PublicKey) -> TokenKey {
        TokenKey::new(self.clone(), id.to_vec(), public_key)
    }

    /// A key that the token is asked about.
    pub fn find_key(&self, id: &[u8]) -> Result<TokenKey, Error> {
        let public = self.run(|_, pooled| {
            let handle = pooled.object(ObjectClass::PRIVATE_KEY, id)?;
            public_key(pooled, id, handle)?
                .ok_or(Failure::Final(Error::Unsupported { algorithm: "the kind of this key in the token".into() }))
        })?;
        Ok(self.key(id, public))
    }

    /// Makes a key pair that never leaves the token. `label` is its name for people.
    pub fn generate(&self, kind: KeyKind, label: &str) -> Result<TokenKey, Error> {
        let id = random_array::<16>()?.to_vec();
        let common = |private: bool| {
            vec![
                Attribute::Token(true),
                Attribute::Private(private),
                Attribute::Id(id.clone()),
                Attribute::Label(label.as_bytes().to_vec()),
            ]
        };
        let (mut public, mut private) = (common(false), common(true));
        private.extend([Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)]);
        public.push(Attribute::Verify(true));
        let mechanism = match kind {
            KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
                let bits = match kind {
                    KeyKind::Rsa2048 => 2048,
                    KeyKind::Rsa3072 => 3072,
                    _ => 4096,
                };
                public.extend([
                    Attribute::ModulusBits(Ulong::new(bits)),
                    Attribute::PublicExponent(vec![1, 0, 1]),
                    Attribute::Encrypt(true),
                ]);
                private.push(Attribute::Decrypt(true));
                Mechanism::RsaPkcsKeyPairGen
            }
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::BrainpoolP256r1 | KeyKind::BrainpoolP384r1 => {
                let curve = match kind {
                    KeyKind::P256 => Curve::P256,
                    KeyKind::P384 => Curve::P384,
                    KeyKind::P521 => Curve::P521,
                    KeyKind::BrainpoolP256r1 => Curve::BrainpoolP256r1,
                    _ => Curve::BrainpoolP384r1,
                };
                let mut parameters = Writer::new();
                parameters.oid(&curve.oid());
                public.push(Attribute::EcParams(parameters.into_vec()));
                private.push(Attribute::Derive(true));
                Mechanism::EccKeyPairGen
            }
            KeyKind::Ed25519 => {
                let mut parameters = Writer::new();
                parameters.primitive(Tag::PRINTABLE_STRING, EDWARDS25519);
                public.push(Attribute::EcParams(parameters.into_vec()));
                Mechanism::EccEdwardsKeyPairGen
            }
            KeyKind::X25519 | KeyKind::MlDsa(_) | KeyKind::MlKem(_) => {
                return Err(Error::Unsupported { algorithm: "this kind of key in a token".into() });
            }
        };
        let public = self.change(|_, pooled| {
            // A first attempt that was lost may have left its key behind.
            let found = pooled.session.find_objects(&[Attribute::Id(id.clone())])?;
            found.into_iter().for_each(|object| drop(pooled.session.destroy_object(object)));
            let (_, handle) = pooled.session.generate_key_pair(&mechanism, &public, &private)?;
            public_key(pooled, &id, handle)?
                .ok_or(Failure::Final(Error::MalformedKey { because: "the token made another kind of key" }))
        })?;
        Ok(self.key(&id, public))
    }

    /// Makes an AES-256 key that never leaves the token, to seal with. There is one of a name.
    ///
    /// # Errors
    /// [`Error::MalformedKey`] when there is one already.
    pub fn generate_secret(&self, name: &str) -> Result<TokenSecret, Error> {
        let id = name.as_bytes().to_vec();
        self.change(|_, pooled| {
            let wanted = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Id(id.clone())];
            if !pooled.session.find_objects(&wanted)?.is_empty() {
                return Err(Error::MalformedKey { because: "the token has a secret of this name already" }.into());
            }
            let template = [
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
                Attribute::Id(id.clone()),
                Attribute::Label(id.clone()),
                Attribute::ValueLen(Ulong::new(32)),
            ];
            pooled.session.generate_key(&Mechanism::AesKeyGen, &template)?;
            Ok(())
        })?;
        Ok(self.secret(name))
    }

    /// An AES-256 key on the token; it is asked for when it is used.
    pub fn secret(&self, name: &str) -> TokenSecret {
        TokenSecret::new(self.clone(), name.as_bytes().to_vec())
    }

    pub(super) fn with_key<T>(
        &self,
        class: ObjectClass,
        id: &[u8],
        mut work: impl FnMut(&Loaded, &mut Pooled, ObjectHandle) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.run(|loaded, pooled| {
            let handle = pooled.object(class, id)?;
            work(loaded, pooled, handle)
        })
    }
}

/// The public half, from the public key object or, where there is none, from what the private one tells.
fn public_key(pooled: &Pooled, id: &[u8], private: ObjectHandle) -> Result<Option<PublicKey>, Failure> {
    let wanted = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id.to_vec())];
    let object = pooled.session.find_objects(&wanted)?.first().copied().unwrap_or(private);
    let asked = [
        AttributeType::KeyType,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
        AttributeType::EcParams,
        AttributeType::EcPoint,
    ];
    let (mut kind, mut modulus, mut exponent, mut parameters, mut point) = (None, None, None, None, None);
    for attribute in pooled.session.get_attributes(object, &asked)? {
        match attribute {
            Attribute::KeyType(key_type) => kind = Some(key_type),
            Attribute::Modulus(octets) => modulus = Some(octets),
            Attribute::PublicExponent(octets) => exponent = Some(octets),
            Attribute::EcParams(octets) => parameters = Some(octets),
            Attribute::EcPoint(octets) => point = Some(octets),
            _ => {}
        }
    }
    let public = match (kind, modulus, exponent, parameters, point) {
        (Some(KeyType::RSA), Some(modulus), Some(exponent), ..) => {
            let mut bits = Writer::new();
            bits.sequence(|w| {
                w.unsigned_bytes(&modulus);
                w.unsigned_bytes(&exponent);
            });
            PublicKey::from_parts(&AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION), bits.as_slice())
        }
        (Some(KeyType::EC), _, _, Some(parameters), Some(point)) => {
            let curve = Reader::new(&parameters, Encoding::Der).oid().ok().and_then(|oid| Curve::from_oid(oid).ok());
            let Some(curve) = curve else { return Ok(None) };
            PublicKey::from_ec_point(curve, &unwrapped(&point))
        }
        (Some(KeyType::EC_EDWARDS), _, _, _, Some(point)) => {
            PublicKey::from_parts(&AlgorithmIdentifier::new(oids::ED25519), &unwrapped(&point))
        }
        _ => return Ok(None),
    };
    Ok(public.ok())
}

// PKCS #11 §6.3.3: CKA_EC_POINT is the point in an OCTET STRING. Seen in the wild: the bare point.
fn unwrapped(point: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(point, Encoding::Der);
    let inner = reader.octet_string().ok().filter(|_| reader.is_empty());
    inner.map_or_else(|| point.to_vec(), std::borrow::Cow::into_owned)
}

const EDWARDS25519: &[u8] = b"edwards25519";
