//! The organisation's own CA, for tests and for groups that agree to trust it: a root, an issuing CA below it, what
//! they issued, and what is published about that.
//!
//! Only a [`KeyRing`] issues and revokes. What it signs — revocation lists and OCSP answers, in advance — is stored, so
//! that the portal publishes it without any key.

mod issue;
mod publish;

use asn1::Time;
use crypto::KeyKind;
use pki::{Certificate, CertificateBuilder, Issuer, RevocationReason, Subject};

use crate::audit::Note;
use crate::database::{Row, values};
use crate::key_ring::{StoredKey, in_background};
use crate::requests::{join_chain, split_chain, stored_certificate};
use crate::{Actor, Address, AuthorityId, Directory, Error, KeyPlace, KeyRing, hex, statements as sql};

pub use publish::Published;

/// A CA to be made.
#[derive(Debug, Clone)]
pub struct NewAuthority {
    /// The name that its certificates show.
    pub name: String,
    /// The kind of its keys.
    pub kind: KeyKind,
    /// Where its keys live.
    pub place: KeyPlace,
    /// Under which URL the portal publishes what it signs; without one, `/ca` on the portal.
    pub url: Option<String>,
    /// For how many years the root is valid; the issuing CA is for half of them.
    pub years: u16,
}

impl NewAuthority {
    /// P-384 keys that are sealed in the database, twenty years.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: KeyKind::P384, place: KeyPlace::Sealed, url: None, years: 20 }
    }
}

/// What a CA of the house is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthorityRole {
    /// It issues to people.
    Issuing,
    /// It issues to the other one, and is what others trust.
    Root,
}

impl AuthorityRole {
    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issuing => "issuing",
            Self::Root => "root",
        }
    }
}

/// A CA of the house.
#[derive(Debug, Clone)]
pub struct HouseAuthority {
    /// Which one.
    pub id: AuthorityId,
    /// What it is for.
    pub role: AuthorityRole,
    /// Its certificate.
    pub certificate: Certificate,
    /// What stands between it and the root.
    pub chain: Vec<Certificate>,
    /// Under which URL the portal publishes what it signs.
    pub url: String,
    /// Since when.
    pub created: Time,
    /// Since when it issues no more; it still signs its lists.
    pub retired: Option<Time>,
}

/// What a CA of the house has issued.
#[derive(Debug, Clone)]
pub struct HouseCertificate {
    /// By which CA.
    pub authority: AuthorityId,
    /// For which mailbox; `None` for a CA.
    pub address: Option<Address>,
    /// The certificate.
    pub certificate: Certificate,
    /// When.
    pub issued: Time,
    /// When and why it was revoked.
    pub revoked: Option<(Time, RevocationReason)>,
}

impl KeyRing {
    /// Makes a root and an issuing CA below it. The issuing CA is bound to the organisation's domains.
    pub async fn create_authority(&self, new: &NewAuthority, by: &Actor) -> Result<[HouseAuthority; 2], Error> {
        let settings = self.directory().settings();
        if new.name.trim().is_empty() || !(1..=40).contains(&new.years) {
            return Err(Error::Malformed { what: "a CA", because: "it needs a name, and 1 to 40 years".into() });
        }
        let url = new.url.clone().unwrap_or_else(|| format!("{}/ca", settings.base_url));
        let url = url.trim_end_matches('/').to_owned();
        if !(url.starts_with("http://") || url.starts_with("https://")) || !url.is_ascii() {
            return Err(Error::Malformed {
                what: "a URL",
                because: "it begins neither with http:// nor https://".into(),
            });
        }
        let now = self.directory().now();
        let days = i64::from(new.years) * 365;
        let (root_id, issuing_id) = (AuthorityId::random()?, AuthorityId::random()?);
        let subject = |what: &str| Subject::named(format!("{} {what}", new.name)).of(settings.organisation.as_str());
        let root_key = self.make_key(new.kind, &new.place, &format!("{} root", new.name)).await?;
        let issuing_key = self.make_key(new.kind, &new.place, &format!("{} issuing", new.name)).await?;
        let (root_signer, issuing_signer) = (root_key.load()?, issuing_key.load()?);
        let from = now.plus_seconds(-SKEW);
        let root = CertificateBuilder::authority(subject("Root CA"), Some(1), from, now.plus_days(days));
        let issuing = CertificateBuilder::authority(subject("Issuing CA"), Some(0), from, now.plus_days(days / 2))
            .only_for_domains(settings.domains.iter().cloned())
            .crl_url(format!("{url}/{root_id}.crl"))
            .issuer_url(format!("{url}/{root_id}.cer"));
        let made = in_background(move || {
            let root = Issuer::new_root(root_signer, &root)?;
            let issuing = root.issue_authority(&issuing, issuing_signer)?;
            Ok::<_, pki::Error>((root.certificate().clone(), issuing.certificate().clone()))
        });
        let (root, issuing) = made.await?.map_err(not_signed)?;
        let mut stored = Vec::new();
        for (id, certificate, key) in [(root_id, &root, &root_key), (issuing_id, &issuing, &issuing_key)] {
            stored.push(self.store(id.number(), &seal_context(id, certificate), key).await?);
        }
        let authority = |id, role, certificate: &Certificate, chain: &[Certificate]| HouseAuthority {
            id,
            role,
            certificate: certificate.clone(),
            chain: chain.to_vec(),
            url: url.clone(),
            created: now,
            retired: None,
        };
        let both = [
            authority(root_id, AuthorityRole::Root, &root, &[]),
            authority(issuing_id, AuthorityRole::Issuing, &issuing, std::slice::from_ref(&root)),
        ];
        let mut change = self.directory().change().await?;
        for (authority, stored) in both.iter().zip(stored) {
            self.still_current(&mut change, &stored).await?;
            let row = values![
                authority.id.number(),
                authority.role.name(),
                authority.certificate.der(),
                join_chain(&authority.chain),
                url.as_str(),
                stored.sealed,
                stored.wrapped,
                stored.master,
                stored.token_key,
                change.now,
                change.sequence()
            ];
            change.tx.execute(sql::ADD_AUTHORITY, row).await?;
            let (subject, fingerprint) = (format!("authority:{}", authority.id), Some(authority.certificate.sha256()));
            let (action, why) = ("authority.created", authority.role.name());
            change.note(Note { actor: by, action, subject, address: None, fingerprint, why }).await?;
        }
        let serial = hex(issuing.serial().content());
        let row =
            values![root_id.number(), serial, None::<String>, issuing.der(), change.now, issuing.validity().not_after];
        change.tx.execute(sql::ADD_HOUSE_CERTIFICATE, row).await?;
        change.commit().await?;
        for authority in &both {
            self.publish_list(authority.id).await?;
        }
        Ok(both)
    }

    /// A CA issues nothing any more; what it issued stays good, and it signs its lists until it ends.
    pub async fn retire_authority(&self, id: AuthorityId, by: &Actor) -> Result<(), Error> {
        let mut change = self.directory().change().await?;
        if change.tx.execute(sql::RETIRE_AUTHORITY, values![id.number(), change.now]).await? == 0 {
            return Err(Error::NotFound { what: "CA in use" });
        }
        let subject = format!("authority:{id}");
        let action = "authority.retired";
        change.note(Note { actor: by, action, subject, address: None, fingerprint: None, why: "" }).await?;
        change.commit().await
    }

    /// The key of a CA, ready to sign.
    async fn issuer(&self, id: AuthorityId) -> Result<(HouseAuthority, Issuer), Error> {
        let row = self.directory().database().fetch_one(sql::AUTHORITY_KEY, values![id.number()]).await?;
        let mut row = row.ok_or(Error::NotFound { what: "CA" })?;
        let stored = StoredKey::read(&mut row)?;
        let authority = self.directory().house_authority(id).await?;
        let certificate = &authority.certificate;
        let public_key = certificate.public_key().map_err(Error::corrupt)?;
        let key = self.load(id.number(), &seal_context(id, certificate), &stored, public_key).await?;
        let certificates = std::iter::once(certificate.clone()).chain(authority.chain.iter().cloned());
        let credential = pki::Credential::new(key, certificates).map_err(Error::corrupt)?;
        Ok((authority, Issuer::from_credential(credential)))
    }
}

impl Directory {
    /// The CAs of the house, newest first.
    pub async fn house_authorities(&self) -> Result<Vec<HouseAuthority>, Error> {
        let rows = self.database().fetch(sql::AUTHORITIES, values![]).await?;
        rows.into_iter().map(HouseAuthority::read).collect()
    }

    /// One of them.
    pub async fn house_authority(&self, id: AuthorityId) -> Result<HouseAuthority, Error> {
        let all = self.house_authorities().await?;
        all.into_iter().find(|authority| authority.id == id).ok_or(Error::NotFound { what: "CA" })
    }

    /// What the CAs of the house have issued, newest first; of one mailbox, or all.
    pub async fn house_certificates(&self, of: Option<&Address>, limit: u32) -> Result<Vec<HouseCertificate>, Error> {
        let rows = match of {
            Some(address) => self.database().fetch(sql::HOUSE_CERTIFICATES_OF, values![address.key(), limit]).await?,
            None => self.database().fetch(sql::HOUSE_CERTIFICATES, values![limit]).await?,
        };
        rows.into_iter().map(HouseCertificate::read).collect()
    }
}

impl HouseAuthority {
    fn read(mut row: Row) -> Result<Self, Error> {
        let id = AuthorityId(row.int()?);
        let role = match row.text()?.as_str() {
            "issuing" => AuthorityRole::Issuing,
            "root" => AuthorityRole::Root,
            _ => return Err(Error::corrupt("a CA in an unknown role")),
        };
        let (certificate, chain, url) = (stored_certificate(&row.blob()?)?, split_chain(&row.blob()?)?, row.text()?);
        Ok(Self { id, role, certificate, chain, url, created: row.time()?, retired: row.optional_time()? })
    }
}

impl HouseCertificate {
    fn read(mut row: Row) -> Result<Self, Error> {
        let (authority, address) = (AuthorityId(row.int()?), row.optional_text()?);
        let address = address.map(|address| Address::parse(&address)).transpose().map_err(Error::corrupt)?;
        let (certificate, issued) = (stored_certificate(&row.blob()?)?, row.time()?);
        let (at, reason) = (row.optional_time()?, row.optional_int()?);
        let reason = RevocationReason::from_number(reason.and_then(|reason| u64::try_from(reason).ok()));
        Ok(Self { authority, address, certificate, issued, revoked: at.map(|at| (at, reason)) })
    }
}

fn not_signed(error: pki::Error) -> Error {
    match error {
        pki::Error::Crypto(error) => Error::Crypto(error),
        error => Error::Malformed { what: "a certificate to be issued", because: error.to_string() },
    }
}

// The key of a CA opens in its own row and with its own certificate only.
fn seal_context(id: AuthorityId, certificate: &Certificate) -> Vec<u8> {
    format!("sealpost authority {id} {}", certificate.sha256().to_hex()).into_bytes()
}

/// Certificates are valid a little earlier than they are made: other people's clocks are late.
const SKEW: i64 = 300;
