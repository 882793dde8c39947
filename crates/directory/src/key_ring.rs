//! The private keys of the people inside, sealed at rest.
//!
//! Each key is sealed with a key of its own, and that one with the master key, so that another master key means
//! sealing a few octets per key anew. A key may also stay in a PKCS #11 token, and then only its name is here.

mod key_request;
mod master;
mod rotation;
mod stored_key;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cms::CertificateIdentifier;
use crypto::{DigestAlgorithm, PublicKey, PublicKeyKind, Token, TokenKey};
use pki::{Certificate, Credential, KeyUsage};
use zeroize::Zeroizing;

use crate::audit::{Change, Note};
use crate::database::{Row, values};
use crate::requests::{join_chain, split_chain, stored_certificate};
use crate::{Actor, Address, CredentialId, Directory, Error, Person, PersonId, hex, statements as sql};

pub use key_request::{KeyOrder, KeyPlace, KeyRequest};
pub(crate) use key_request::{in_background, key_usage};
pub use master::Master;
pub use rotation::Rotation;
pub(crate) use stored_key::{NewKey, StoredKey};

/// Opens private keys: the directory together with the master key. Cheap to clone; only the gateway has one.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    directory: Directory,
    masters: Vec<(String, Master)>,
    tokens: Vec<Token>,
    /// What was opened before: a mail does not wait for it again.
    opened: Mutex<HashMap<i64, Credential>>,
}

/// How many keys are kept open.
const MOST_OPENED: usize = 2_000;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// Signing and decrypting.
    Both,
    /// Decrypting what comes in.
    Encrypt,
    /// Signing what goes out.
    Sign,
}

impl KeyUse {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Both, Self::Encrypt, Self::Sign];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Encrypt => "encrypt",
            Self::Sign => "sign",
        }
    }

    /// From its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key_use| key_use.name() == name)
    }

    /// What a certificate and its key can do; `None` when it is neither.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let key = certificate.public_key().ok()?;
        let usage = certificate.key_usage();
        let allows = |wanted: KeyUsage| usage.is_none_or(|usage| usage.intersects(wanted));
        let signs = !matches!(key.kind(), PublicKeyKind::X25519 | PublicKeyKind::MlKem(_))
            && allows(KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION));
        let decrypts = match key.kind() {
            PublicKeyKind::Rsa { pss: None, .. } | PublicKeyKind::MlKem(_) => allows(KeyUsage::KEY_ENCIPHERMENT),
            PublicKeyKind::Ec(_) | PublicKeyKind::X25519 => allows(KeyUsage::KEY_AGREEMENT),
            _ => false,
        };
        match (signs, decrypts) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Sign),
            (false, true) => Some(Self::Encrypt),
            (false, false) => None,
        }
    }

    /// Whether what can do `able` can be used for this.
    fn is_within(self, able: Option<Self>) -> bool {
        able == Some(Self::Both) || able == Some(self)
    }
}

impl KeyRing {
    /// With the master key that the private keys are sealed with; the first one that comes is taken.
    ///
    /// # Errors
    /// [`Error::MasterKeyWrong`] when it is another one (CASES T-125).
    pub async fn open(directory: &Directory, master: impl Into<Master>) -> Result<Self, Error> {
        Self::open_with(directory, vec![master.into()], Vec::new()).await
    }

    /// The same with several master keys, as a rotation needs them, and with the tokens that hold keys. The first
    /// master key is taken when the database knows none.
    ///
    /// # Errors
    /// [`Error::MasterKeyWrong`] when keys are sealed with one that is not among them.
    pub async fn open_with(directory: &Directory, masters: Vec<Master>, tokens: Vec<Token>) -> Result<Self, Error> {
        let mut named = Vec::new();
        for master in masters {
            named.push((master.id()?, master));
        }
        let (first_id, first) = named.first().ok_or(Error::MasterKeyWrong)?;
        let check = first.seal(CHECK.to_vec(), CHECK.to_vec().into()).await?;
        let mut change = directory.change().await?;
        let known = change.tx.fetch(sql::MASTER_KEYS, values![]).await?;
        if known.is_empty() {
            let row = values![first_id.as_str(), check, change.now, change.sequence()];
            change.tx.execute(sql::ADD_MASTER_KEY, row).await?;
            change.note(note_key("master-key.first", first_id)).await?;
            change.commit().await?;
        } else {
            drop(change);
            for mut row in known {
                let (id, check) = (row.text()?, row.blob()?);
                let (_, master) = named.iter().find(|(own, _)| *own == id).ok_or(Error::MasterKeyWrong)?;
                match master.open(CHECK.to_vec(), check).await {
                    Ok(_) => {}
                    Err(error) if error.is_temporary() => return Err(error),
                    Err(_) => return Err(Error::MasterKeyWrong),
                }
            }
        }
        let (directory, opened) = (directory.clone(), Mutex::default());
        Ok(Self(Arc::new(Inner { directory, masters: named, tokens, opened })))
    }

    /// Takes in somebody's key with its certificate. An older one for the same use still decrypts, and nothing else.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the key is none, is not the certificate's, cannot do what it is for, or the certificate
    /// has another address; [`Error::Conflict`] when it is somebody else's key (CASES T-128).
    pub async fn import(
        &self,
        person: PersonId,
        key_pkcs8: &[u8],
        certificate: &Certificate,
        chain: &[Certificate],
        key_use: KeyUse,
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let key = NewKey::Software(Zeroizing::new(key_pkcs8.to_vec()));
        self.add(person, &key, certificate, chain, key_use, by).await
    }

    /// The same with a key that stays in its token.
    pub async fn import_from_token(
        &self,
        person: PersonId,
        key: TokenKey,
        certificate: &Certificate,
        chain: &[Certificate],
        key_use: KeyUse,
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        self.token(&key.reference().token)?;
        self.add(person, &NewKey::Token(key), certificate, chain, key_use, by).await
    }

    pub(crate) async fn add(
        &self,
        person: PersonId,
        key: &NewKey,
        certificate: &Certificate,
        chain: &[Certificate],
        key_use: KeyUse,
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let person = self.0.directory.known_person(person).await?;
        check(&person, certificate, key_use)?;
        // Refuses a key that is not the certificate's (CASES T-128), and puts the chain in order.
        let credential = credential(key.load()?, certificate, chain)?;
        let id = CredentialId::random()?;
        let stored = self.store(id.number(), &seal_context(id.number(), certificate), key).await?;
        let mut change = self.0.directory.change().await?;
        self.add_row(&mut change, &person, id, &credential, stored, key_use, by).await?;
        change.commit().await?;
        Ok(id)
    }

    #[allow(clippy::too_many_arguments, reason = "one row")]
    async fn add_row(
        &self,
        change: &mut Change<'_>,
        person: &Person,
        id: CredentialId,
        credential: &Credential,
        stored: StoredKey,
        key_use: KeyUse,
        by: &Actor,
    ) -> Result<(), Error> {
        self.still_current(change, &stored).await?;
        let (certificate, address) = (credential.certificate(), &person.address);
        let key_hash = key_hash(credential.key().public_key());
        for mut row in change.tx.fetch(sql::OTHERS_WITH_KEY, values![key_hash.as_str(), address.key()]).await? {
            let other = Address::parse(&row.text()?).map_err(Error::corrupt)?;
            // CASES T-128: one key for two people lets each read and sign for the other, unless the certificate says
            // that the mailbox is shared.
            if !certificate.email_addresses().contains(other.email()) {
                return Err(Error::conflict(format_args!("this key is already the one of {other}")));
            }
        }
        let issuer_serial = format!("{} {}", hex(certificate.issuer().as_der()), certificate.serial());
        let row = values![
            id.number(),
            person.id.number(),
            address.key(),
            certificate.sha256().to_hex(),
            certificate.der(),
            join_chain(credential.chain()),
            key_use.name(),
            issuer_serial,
            certificate.subject_key_identifier().map(hex),
            stored.sealed,
            stored.wrapped,
            stored.master,
            change.now,
            certificate.validity().not_after,
            key_hash,
            stored.token_key,
            certificate.validity().not_before,
            change.sequence()
        ];
        change.tx.execute(sql::ADD_CREDENTIAL, row).await?;
        change
            .note(Note {
                actor: by,
                action: "credential.imported",
                subject: format!("credential:{id}"),
                address: Some(address),
                fingerprint: Some(certificate.sha256()),
                why: key_use.name(),
            })
            .await?;
        settle(change, address).await
    }

    /// What to sign somebody's mail with, if there is anything that is valid now.
    pub async fn signing_credential(&self, address: &Address) -> Result<Option<Credential>, Error> {
        let now = self.0.directory.now();
        let rows = self.0.directory.database().fetch(sql::SIGNING_CREDENTIALS, values![address.key(), now]).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let signing = self.read(row).await?;
        if KeyUse::of(signing.certificate()) != Some(KeyUse::Sign) {
            return Ok(Some(signing));
        }
        // F5: where another certificate is for encrypting, each signed mail carries it along.
        let own = self.0.directory.employee_certificates(address).await?;
        let Some(encrypting) = own.iter().find(|certificate| KeyUse::of(certificate) == Some(KeyUse::Encrypt)) else {
            return Ok(Some(signing));
        };
        let chain = self.0.directory.employee_chain(address, encrypting).await?;
        let mut certificates = vec![signing.certificate().clone()];
        for certificate in signing.chain().iter().chain([encrypting]).chain(&chain) {
            if !certificates.contains(certificate) {
                certificates.push(certificate.clone());
            }
        }
        Credential::new(signing.shared_key(), certificates).map(Some).map_err(Error::corrupt)
    }

    /// Everything that decrypts somebody's mail: what is in use first, then what was.
    pub async fn decryption_credentials(&self, address: &Address) -> Result<Vec<Credential>, Error> {
        let rows = self.0.directory.database().fetch(sql::DECRYPTION_CREDENTIALS, values![address.key()]).await?;
        let mut credentials = Vec::new();
        for row in rows {
            credentials.push(self.read(row).await?);
        }
        Ok(credentials)
    }

    /// Of somebody's keys those that a mail names as its recipients, however old they are (CASES T-126). The others are
    /// not opened.
    pub async fn decryption_credentials_for(
        &self,
        address: &Address,
        recipients: &[CertificateIdentifier],
    ) -> Result<Vec<Credential>, Error> {
        let rows = self.0.directory.database().fetch(sql::DECRYPTION_CREDENTIALS, values![address.key()]).await?;
        let mut credentials = Vec::new();
        for row in rows {
            let certificate = stored_certificate(&row.clone().skip(2).blob()?)?;
            if recipients.iter().any(|recipient| recipient.names(&certificate)) {
                credentials.push(self.read(row).await?);
            }
        }
        Ok(credentials)
    }

    /// A key signs nothing any more; it still decrypts.
    pub async fn retire(&self, id: CredentialId, by: &Actor) -> Result<(), Error> {
        let mut change = self.0.directory.change().await?;
        let owner = change.tx.fetch_one(sql::CREDENTIAL_OWNER, values![id.number()]).await?;
        let owner = Address::parse(&owner.ok_or(Error::NotFound { what: "credential" })?.text()?)?;
        if change.tx.execute(sql::RETIRE_CREDENTIAL, values![id.number(), change.now, "retired"]).await? == 0 {
            return Ok(());
        }
        let subject = format!("credential:{id}");
        let action = "credential.retired";
        change.note(Note { actor: by, action, subject, address: Some(&owner), fingerprint: None, why: "" }).await?;
        change.commit().await
    }

    /// The directory behind it.
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// The token with a label.
    ///
    /// # Errors
    /// [`crypto::Error::Unavailable`], so that what needs its keys waits until it is configured again.
    pub fn token(&self, label: &str) -> Result<&Token, Error> {
        let found = self.0.tokens.iter().find(|token| token.label() == label);
        found.ok_or_else(|| {
            Error::Crypto(crypto::Error::Unavailable { because: format!("no token {label} is configured") })
        })
    }

    fn master(&self, id: &str) -> Result<&Master, Error> {
        let found = self.0.masters.iter().find(|(own, _)| own == id);
        found.map(|(_, master)| master).ok_or(Error::MasterKeyWrong)
    }

    async fn read(&self, mut row: Row) -> Result<Credential, Error> {
        let (id, _, certificate) = (row.int()?, row.text()?, row.blob()?);
        if let Some(credential) = self.opened().get(&id)
            && credential.certificate().der() == certificate
        {
            return Ok(credential.clone());
        }
        let (certificate, chain) = (stored_certificate(&certificate)?, split_chain(&row.blob()?)?);
        let stored = StoredKey::read(&mut row)?;
        let public_key = certificate.public_key().map_err(Error::corrupt)?;
        let key = self.load(id, &seal_context(id, &certificate), &stored, public_key).await?;
        let credential = credential(key, &certificate, &chain)?;
        let mut opened = self.opened();
        if opened.len() >= MOST_OPENED {
            opened.clear();
        }
        opened.insert(id, credential.clone());
        Ok(credential)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Credential>> {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a certificate is this person's and can do what it is for.
fn check(person: &Person, certificate: &Certificate, key_use: KeyUse) -> Result<(), Error> {
    if !certificate.email_addresses().contains(person.address.email()) {
        let because = format!("the certificate does not name {}", person.address);
        return Err(Error::Malformed { what: "a certificate of this person", because });
    }
    if !key_use.is_within(KeyUse::of(certificate)) {
        let because = format!("key and certificate do not allow the use \"{}\"", key_use.name());
        return Err(Error::Malformed { what: "a certificate for this use", because });
    }
    Ok(())
}

/// Retires what a newer certificate that is valid now stands for. One that is not valid yet retires nothing.
pub(crate) async fn settle(change: &mut Change<'_>, address: &Address) -> Result<(), Error> {
    let rows = change.tx.fetch(sql::ACTIVE_CREDENTIAL_USES, values![address.key(), change.now]).await?;
    let (mut signs, mut decrypts) = (false, false);
    for mut row in rows {
        let (id, key_use) = (row.int()?, row.text()?);
        // Newest first: an older one stays as long as it does something that no newer one does.
        let needed = match key_use.as_str() {
            "sign" => !std::mem::replace(&mut signs, true),
            "encrypt" => !std::mem::replace(&mut decrypts, true),
            _ => !std::mem::replace(&mut signs, true) | !std::mem::replace(&mut decrypts, true),
        };
        if !needed {
            change.tx.execute(sql::RETIRE_CREDENTIAL, values![id, change.now, "retired"]).await?;
        }
    }
    Ok(())
}

fn credential(
    key: Arc<dyn crypto::PrivateKey>,
    certificate: &Certificate,
    chain: &[Certificate],
) -> Result<Credential, Error> {
    let malformed = |because: String| Error::Malformed { what: "a private key with its certificate", because };
    let certificates = std::iter::once(certificate.clone()).chain(chain.iter().cloned());
    let credential = Credential::new(key, certificates).map_err(|error| malformed(error.to_string()))?;
    // A newer certificate of the same key in the chain is not the one that was named.
    if credential.certificate() != certificate {
        return Err(malformed("the chain has another certificate of the same key".into()));
    }
    Ok(credential)
}

/// What tells whether two keys are the same.
pub(crate) fn key_hash(key: &PublicKey) -> String {
    // The bits alone: a key restricted to PSS is the same key.
    hex(DigestAlgorithm::Sha256.digest(key.bits()).octets())
}

// A sealed key opens in its own row and with its own certificate only.
fn seal_context(id: i64, certificate: &Certificate) -> Vec<u8> {
    format!("sealpost credential {id:016x} {}", certificate.sha256().to_hex()).into_bytes()
}

fn note_key<'a>(action: &'static str, id: &str) -> Note<'a> {
    Note {
        actor: &Actor::System,
        action,
        subject: format!("master-key:{id}"),
        address: None,
        fingerprint: None,
        why: "",
    }
}

const CHECK: &[u8] = b"sealpost master key check";

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.masters.iter().map(|(id, _)| id.as_str()).collect();
        write!(f, "KeyRing({})", ids.join(", "))
    }
}
