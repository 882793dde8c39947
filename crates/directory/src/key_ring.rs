//! The private keys of the people inside, sealed at rest.
//!
//! Each key is sealed with a key of its own, and that one with the master key, so that another master key means
//! sealing a few octets per key anew.

use std::fmt;
use std::sync::Arc;

use crypto::SoftwareKey;
use pki::{Certificate, Credential};
use zeroize::Zeroizing;

use crate::audit::Note;
use crate::database::{Row, values};
use crate::requests::{join_chain, split_chain, stored_certificate};
use crate::sealing::{open, seal};
use crate::{Actor, Address, CredentialId, Directory, Error, MasterKey, PersonId, hex, statements as sql};

/// Opens private keys: the directory together with the master key. Cheap to clone; only the gateway has one.
#[derive(Clone)]
pub struct KeyRing {
    directory: Directory,
    master: Arc<(String, MasterKey)>,
}

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
    fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Encrypt => "encrypt",
            Self::Sign => "sign",
        }
    }
}

impl KeyRing {
    /// With the master key that the private keys are sealed with; the first one that comes is taken.
    ///
    /// # Errors
    /// [`Error::MasterKeyWrong`] when it is another one (CASES T-125).
    pub async fn open(directory: &Directory, master: MasterKey) -> Result<Self, Error> {
        let id = master.id()?;
        let mut change = directory.change().await?;
        let known = change.tx.fetch(sql::MASTER_KEYS, values![]).await?;
        if known.is_empty() {
            let check = seal(&master.0, CHECK, CHECK)?;
            change.tx.execute(sql::ADD_MASTER_KEY, values![id.as_str(), check, change.now]).await?;
            change.note(note_key("master-key.first", &id)).await?;
            change.commit().await?;
        } else {
            let mut fits = false;
            for mut row in known {
                let (found, check) = (row.text()?, row.blob()?);
                fits |= found == id && open(&master.0, CHECK, &check).is_ok();
            }
            if !fits {
                return Err(Error::MasterKeyWrong);
            }
        }
        Ok(Self { directory: directory.clone(), master: Arc::new((id, master)) })
    }

    /// Seals every key with another master key; this ring's is of no use afterwards.
    pub async fn rotate(self, new: MasterKey) -> Result<Self, Error> {
        let id = new.id()?;
        let mut change = self.directory.change().await?;
        for mut row in change.tx.fetch(sql::ALL_CREDENTIALS, values![]).await? {
            let credential = row.int()?;
            let (_, _, _, _) = (row.text()?, row.blob()?, row.blob()?, row.blob()?);
            let context = wrap_context(credential);
            let data_key = open(&self.master.1.0, &context, &row.blob()?)?;
            let wrapped = seal(&new.0, &context, &data_key)?;
            change.tx.execute(sql::REWRAP_CREDENTIAL, values![credential, wrapped, id.as_str()]).await?;
        }
        change.tx.execute(sql::RETIRE_MASTER_KEY, values![self.master.0.as_str(), change.now]).await?;
        let check = seal(&new.0, CHECK, CHECK)?;
        change.tx.execute(sql::ADD_MASTER_KEY, values![id.as_str(), check, change.now]).await?;
        change.note(note_key("master-key.rotated", &id)).await?;
        change.commit().await?;
        Ok(Self { directory: self.directory, master: Arc::new((id, new)) })
    }

    /// Takes in somebody's key with its certificate. An older one for the same use still decrypts, and nothing else.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the key is none, is not the certificate's, or the certificate has another address.
    pub async fn import(
        &self,
        person: PersonId,
        key_pkcs8: &[u8],
        certificate: &Certificate,
        chain: &[Certificate],
        key_use: KeyUse,
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let person = self.directory.known_person(person).await?;
        if !certificate.email_addresses().contains(person.address.email()) {
            let because = format!("the certificate does not name {}", person.address);
            return Err(Error::Malformed { what: "a certificate of this person", because });
        }
        // Refuses a key that is not the certificate's.
        credential(key_pkcs8, certificate, chain)?;
        let id = CredentialId::random()?;
        let data_key = Zeroizing::new(crypto::random_array::<32>()?);
        let sealed = seal(&data_key, &seal_context(id.number(), certificate), key_pkcs8)?;
        let wrapped = seal(&self.master.1.0, &wrap_context(id.number()), data_key.as_slice())?;
        let address = &person.address;
        let mut change = self.directory.change().await?;
        let older = values![address.key(), key_use.name(), change.now];
        change.tx.execute(sql::RETIRE_CREDENTIALS, older).await?;
        let issuer_serial = format!("{} {}", hex(certificate.issuer().as_der()), certificate.serial());
        let row = values![
            id.number(),
            person.id.number(),
            address.key(),
            certificate.sha256().to_hex(),
            certificate.der(),
            join_chain(chain),
            key_use.name(),
            issuer_serial,
            certificate.subject_key_identifier().map(hex),
            sealed,
            wrapped,
            self.master.0.as_str(),
            change.now,
            certificate.validity().not_after
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
        change.commit().await?;
        Ok(id)
    }

    /// What to sign somebody's mail with, if there is anything that is valid now.
    pub async fn signing_credential(&self, address: &Address) -> Result<Option<Credential>, Error> {
        let now = self.directory.now();
        let rows = self.directory.database().fetch(sql::SIGNING_CREDENTIALS, values![address.key(), now]).await?;
        for row in rows {
            let credential = self.read(row)?;
            if credential.certificate().validity().contains(now) {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Everything that decrypts somebody's mail: what is in use first, then what was.
    pub async fn decryption_credentials(&self, address: &Address) -> Result<Vec<Credential>, Error> {
        let rows = self.directory.database().fetch(sql::DECRYPTION_CREDENTIALS, values![address.key()]).await?;
        rows.into_iter().map(|row| self.read(row)).collect()
    }

    /// A key signs nothing any more; it still decrypts.
    pub async fn retire(&self, id: CredentialId, by: &Actor) -> Result<(), Error> {
        let mut change = self.directory.change().await?;
        let owner = change.tx.fetch_one(sql::CREDENTIAL_OWNER, values![id.number()]).await?;
        let owner = Address::parse(&owner.ok_or(Error::NotFound { what: "credential" })?.text()?)?;
        if change.tx.execute(sql::RETIRE_CREDENTIAL, values![id.number(), change.now]).await? == 0 {
            return Ok(());
        }
        let subject = format!("credential:{id}");
        let action = "credential.retired";
        change.note(Note { actor: by, action, subject, address: Some(&owner), fingerprint: None, why: "" }).await?;
        change.commit().await
    }

    /// The directory behind it.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    fn read(&self, mut row: Row) -> Result<Credential, Error> {
        let (id, _, certificate) = (row.int()?, row.text()?, stored_certificate(&row.blob()?)?);
        let (chain, sealed, wrapped, master) = (split_chain(&row.blob()?)?, row.blob()?, row.blob()?, row.text()?);
        if master != self.master.0 {
            return Err(Error::MasterKeyWrong);
        }
        let data_key = open(&self.master.1.0, &wrap_context(id), &wrapped)?;
        let data_key = Zeroizing::new(
            <[u8; 32]>::try_from(data_key.as_slice()).map_err(|_| Error::corrupt("a data key has another length"))?,
        );
        let pkcs8 = open(&data_key, &seal_context(id, &certificate), &sealed)?;
        credential(&pkcs8, &certificate, &chain)
    }
}

fn credential(pkcs8: &[u8], certificate: &Certificate, chain: &[Certificate]) -> Result<Credential, Error> {
    let malformed = |because: String| Error::Malformed { what: "a private key with its certificate", because };
    let key = SoftwareKey::from_pkcs8(pkcs8).map_err(|error| malformed(error.to_string()))?;
    let certificates = std::iter::once(certificate.clone()).chain(chain.iter().cloned());
    Credential::new(Arc::new(key), certificates).map_err(|error| malformed(error.to_string()))
}

// A sealed key opens in its own row and with its own certificate only.
fn seal_context(id: i64, certificate: &Certificate) -> Vec<u8> {
    format!("sealpost credential {id:016x} {}", certificate.sha256().to_hex()).into_bytes()
}

fn wrap_context(id: i64) -> Vec<u8> {
    format!("sealpost data key {id:016x}").into_bytes()
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

impl Directory {
    /// The certificates of somebody inside that are in use, without their keys.
    pub async fn employee_certificates(&self, address: &Address) -> Result<Vec<Certificate>, Error> {
        let rows = self.database().fetch(sql::EMPLOYEE_CERTIFICATES, values![address.key(), self.now()]).await?;
        rows.into_iter().map(|mut row| stored_certificate(&row.blob()?)).collect()
    }

    /// What stands between an employee's certificate and the root.
    pub async fn employee_chain(
        &self,
        address: &Address,
        certificate: &Certificate,
    ) -> Result<Vec<Certificate>, Error> {
        let row = values![address.key(), certificate.sha256().to_hex()];
        match self.database().fetch_one(sql::EMPLOYEE_CHAIN, row).await? {
            Some(mut row) => split_chain(&row.blob()?),
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.master.0)
    }
}
