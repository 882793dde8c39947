//! Keys that wait for their certificate: made here, certified elsewhere, matched when the answer comes.

use asn1::Time;
use crypto::{KeyKind, PublicKey, SoftwareKey};
use pki::{Certificate, CertificateRequest, CertificateRequestBuilder, EmailAddress, KeyUsage, Subject};

use super::{KeyRing, KeyUse, NewKey, StoredKey, check, credential, key_hash, seal_context};
use crate::audit::Note;
use crate::database::{Row, values};
use crate::{Actor, Address, CredentialId, Directory, Error, KeyRequestId, PersonId, statements as sql};

/// Where a new key is to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// Sealed in the database.
    Sealed,
    /// In the token with this label; it never leaves it.
    Token(String),
}

/// A key to be made, and what its certificate shall say.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    /// The kind of key.
    pub kind: KeyKind,
    /// Where it lives.
    pub place: KeyPlace,
    /// What it is for.
    pub key_use: KeyUse,
    /// The subject, as [`pki::Validation::subject`] gives it for a profile.
    pub subject: Subject,
    /// Further mailboxes that the certificate shall name.
    pub also_for: Vec<EmailAddress>,
}

impl KeyOrder {
    /// A key for one mailbox and nothing more: RSA-3072, for both uses, sealed in the database.
    pub fn mailbox(address: &Address) -> Self {
        let subject = Subject::named(address.to_string());
        Self { kind: KeyKind::Rsa3072, place: KeyPlace::Sealed, key_use: KeyUse::Both, subject, also_for: Vec::new() }
    }
}

/// A key that waits for its certificate.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// Which one.
    pub id: KeyRequestId,
    /// Whose.
    pub person: PersonId,
    /// Their mailbox.
    pub address: Address,
    /// What it is for.
    pub key_use: KeyUse,
    /// The public half.
    pub public_key: PublicKey,
    /// The request for a CA; `None` for keys that cannot sign one (X25519, ML-KEM).
    pub request: Option<CertificateRequest>,
    /// Since when.
    pub created: Time,
    /// What came of it.
    pub credential: Option<CredentialId>,
}

impl KeyRing {
    /// Makes a key, and the request for its certificate.
    pub async fn order_key(&self, person: PersonId, order: &KeyOrder, by: &Actor) -> Result<KeyRequest, Error> {
        let person = self.directory().present_person(person).await?;
        let key = self.make_key(order.kind, &order.place, &person.address.to_string()).await?;
        let public_key = key.public_key()?;
        let mut builder = CertificateRequestBuilder::mailbox(order.subject.clone(), person.address.email().clone());
        for address in &order.also_for {
            builder = builder.also_for(address.clone());
        }
        if let Some(usage) = key_usage(order.key_use, &public_key)? {
            builder = builder.key_usage(usage);
        }
        let request = match key.load()?.default_signature_algorithm() {
            Some(_) => {
                let signer = key.load()?;
                let made = in_background(move || builder.sign(&*signer)).await?;
                Some(made.map_err(|error| Error::Malformed { what: "a request", because: error.to_string() })?)
            }
            None => None,
        };
        let id = KeyRequestId::random()?;
        let hash = key_hash(&public_key);
        let stored = self.store(id.number(), &request_context(id, &hash), &key).await?;
        let mut change = self.directory().change().await?;
        self.still_current(&mut change, &stored).await?;
        let row = values![
            id.number(),
            person.id.number(),
            person.address.key(),
            order.key_use.name(),
            hash,
            public_key.spki(),
            request.as_ref().map(|request| request.der().to_vec()),
            stored.sealed,
            stored.wrapped,
            stored.master,
            stored.token_key,
            change.now
        ];
        change.tx.execute(sql::ADD_KEY_REQUEST, row).await?;
        let subject = format!("key-request:{id}");
        let (address, action) = (Some(&person.address), "key.requested");
        change.note(Note { actor: by, action, subject, address, fingerprint: None, why: order.key_use.name() }).await?;
        let created = change.now;
        change.commit().await?;
        let (person, address, key_use) = (person.id, person.address, order.key_use);
        Ok(KeyRequest { id, person, address, key_use, public_key, request, created, credential: None })
    }

    /// Takes in what a CA has returned: among certificates in any order those whose keys wait here, and the others as
    /// their chains.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no key here belongs to any of them (CASES T-128).
    pub async fn answer(
        &self,
        certificates: &[Certificate],
        by: &Actor,
    ) -> Result<Vec<(KeyRequestId, CredentialId)>, Error> {
        let mut answered = Vec::new();
        for certificate in certificates {
            let Ok(public_key) = certificate.public_key() else { continue };
            let hash = key_hash(public_key);
            let waiting = self.directory().database().fetch(sql::KEY_REQUESTS_FOR_KEY, values![hash.as_str()]).await?;
            let Some(row) = waiting.into_iter().next() else { continue };
            let (waiting, stored) = read_with_key(row)?;
            let key = self.take(waiting.id.number(), &request_context(waiting.id, &hash), &stored, public_key).await?;
            let chain: Vec<Certificate> = certificates
                .iter()
                .filter(|other| *other != certificate)
                .filter(|other| other.is_ca())
                .cloned()
                .collect();
            let id = self.certify(&waiting, &key, certificate, &chain, by).await?;
            answered.push((waiting.id, id));
        }
        if answered.is_empty() {
            Err(Error::NotFound { what: "key that waits for one of these certificates" })
        } else {
            Ok(answered)
        }
    }

    async fn certify(
        &self,
        waiting: &KeyRequest,
        key: &NewKey,
        certificate: &Certificate,
        chain: &[Certificate],
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let person = self.directory().known_person(waiting.person).await?;
        // A CA may allow less than was asked for, and a key does no more than that.
        let able = KeyUse::of(certificate);
        let key_use = match able {
            Some(able) if !waiting.key_use.is_within(Some(able)) && able.is_within(Some(waiting.key_use)) => able,
            _ => waiting.key_use,
        };
        check(&person, certificate, key_use)?;
        let credential = credential(key.load()?, certificate, chain)?;
        let id = CredentialId::random()?;
        let stored = self.store(id.number(), &seal_context(id.number(), certificate), key).await?;
        let mut change = self.directory().change().await?;
        self.add_row(&mut change, &person, id, &credential, stored, key_use, by).await?;
        let row = values![waiting.id.number(), id.number(), Vec::new()];
        if change.tx.execute(sql::ANSWER_KEY_REQUEST, row).await? == 0 {
            return Err(Error::conflict("the request was answered meanwhile"));
        }
        change.commit().await?;
        Ok(id)
    }

    pub(crate) async fn make_key(&self, kind: KeyKind, place: &KeyPlace, label: &str) -> Result<NewKey, Error> {
        let label = label.to_owned();
        match place {
            // RSA takes its time.
            KeyPlace::Sealed => {
                Ok(NewKey::Software(in_background(move || SoftwareKey::generate(kind)).await??.to_pkcs8()))
            }
            KeyPlace::Token(token) => {
                let token = self.token(token)?.clone();
                Ok(NewKey::Token(in_background(move || token.generate(kind, &label)).await??))
            }
        }
    }
}

impl Directory {
    /// The keys that wait for their certificate, oldest first.
    pub async fn key_requests(&self, limit: u32) -> Result<Vec<KeyRequest>, Error> {
        let rows = self.database().fetch(sql::KEY_REQUESTS, values![limit]).await?;
        rows.into_iter().map(|row| Ok(read_with_key(row)?.0)).collect()
    }

    /// One of them, answered or not.
    pub async fn key_request(&self, id: KeyRequestId) -> Result<KeyRequest, Error> {
        let row = self.database().fetch_one(sql::KEY_REQUEST, values![id.number()]).await?;
        Ok(read_with_key(row.ok_or(Error::NotFound { what: "key request" })?)?.0)
    }

    /// Gives up on a key that waits: the key is destroyed, unless it is in a token, where it stays.
    pub async fn withdraw_key_request(&self, id: KeyRequestId, by: &Actor) -> Result<(), Error> {
        let request = self.key_request(id).await?;
        let mut change = self.change().await?;
        if change.tx.execute(sql::WITHDRAW_KEY_REQUEST, values![id.number()]).await? == 0 {
            return Err(Error::conflict("the request was answered meanwhile"));
        }
        let (subject, address) = (format!("key-request:{id}"), Some(&request.address));
        let action = "key.withdrawn";
        change.note(Note { actor: by, action, subject, address, fingerprint: None, why: "" }).await?;
        change.commit().await
    }
}

fn read_with_key(mut row: Row) -> Result<(KeyRequest, StoredKey), Error> {
    let (id, person) = (KeyRequestId(row.int()?), PersonId(row.int()?));
    let address = Address::parse(&row.text()?).map_err(Error::corrupt)?;
    let key_use = KeyUse::from_name(&row.text()?).ok_or_else(|| Error::corrupt("a key for an unknown use"))?;
    let public_key = PublicKey::from_spki(&row.blob()?).map_err(Error::corrupt)?;
    let request =
        row.optional_blob()?.map(|der| CertificateRequest::from_der(&der).map_err(Error::corrupt)).transpose()?;
    let (created, credential) = (row.time()?, row.optional_int()?.map(CredentialId));
    let stored = StoredKey::read(&mut row)?;
    Ok((KeyRequest { id, person, address, key_use, public_key, request, created, credential }, stored))
}

/// What the certificate shall allow; `None` is what the key can do.
pub(crate) fn key_usage(key_use: KeyUse, key: &PublicKey) -> Result<Option<KeyUsage>, Error> {
    use crypto::PublicKeyKind;
    let cannot = |what: &'static str| Err(Error::NotAllowed { what });
    match (key_use, key.kind()) {
        (KeyUse::Both, PublicKeyKind::Rsa { pss: None, .. } | PublicKeyKind::Ec(_)) => Ok(None),
        (KeyUse::Both, _) => cannot("one key of this kind for signing and decrypting"),
        (KeyUse::Sign, PublicKeyKind::X25519 | PublicKeyKind::MlKem(_)) => cannot("signing with a key of this kind"),
        (KeyUse::Sign, _) => Ok(Some(KeyUsage::DIGITAL_SIGNATURE)),
        (KeyUse::Encrypt, PublicKeyKind::Rsa { pss: None, .. } | PublicKeyKind::MlKem(_)) => {
            Ok(Some(KeyUsage::KEY_ENCIPHERMENT))
        }
        (KeyUse::Encrypt, PublicKeyKind::Ec(_) | PublicKeyKind::X25519) => Ok(Some(KeyUsage::KEY_AGREEMENT)),
        (KeyUse::Encrypt, _) => cannot("decrypting with a key of this kind"),
    }
}

// A key waits in its own row only.
fn request_context(id: KeyRequestId, key_hash: &str) -> Vec<u8> {
    format!("sealpost key request {id} {key_hash}").into_bytes()
}

/// Work that takes more than a moment of a processor, or waits for a token.
pub(crate) async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let broken = |_| Error::Unavailable { because: "the work with a key was broken off".into() };
    tokio::task::spawn_blocking(work).await.map_err(broken)
}
