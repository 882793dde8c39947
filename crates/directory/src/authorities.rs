use asn1::Time;
use pki::{Certificate, Fingerprint, TrustAnchors};

use crate::audit::Note;
use crate::database::values;
use crate::packs::add_anchor;
use crate::requests::stored_certificate;
use crate::{Actor, Directory, Error, PersonId, statements as sql};

/// Somebody whose certificates came in and whom nobody has decided to trust (CASES T-62).
#[derive(Debug, Clone)]
pub struct UnknownAuthority {
    /// Its name, as the certificates have it.
    pub name: String,
    /// Its certificate, when that came along.
    pub certificate: Option<Certificate>,
    /// When it was first met.
    pub first_seen: Time,
    /// When it was last met.
    pub last_seen: Time,
    /// The way by which it was first met.
    pub origin: String,
    /// How many mailboxes have a certificate of it.
    pub addresses: u64,
}

/// A root that an officer has proposed to trust.
#[derive(Debug, Clone)]
pub struct ProposedAnchor {
    /// Its certificate.
    pub certificate: Certificate,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// When.
    pub proposed: Time,
    /// The reason that was given.
    pub why: String,
    /// Who else confirmed it, and when: only then it is trusted.
    pub confirmed: Option<(PersonId, Time)>,
}

impl Directory {
    /// The roots that are trusted: those of the configuration, and those that two officers decided about.
    pub async fn trust_anchors(&self) -> Result<TrustAnchors, Error> {
        let mut anchors = self.settings().trust.clone();
        for row in self.database().fetch(sql::ANCHORS, values![]).await? {
            add_anchor(&mut anchors, row)?;
        }
        Ok(anchors)
    }

    /// An officer proposes to trust a root; it counts once another officer has confirmed it.
    pub async fn propose_anchor(&self, root: &Certificate, by: PersonId, why: &str) -> Result<(), Error> {
        self.known_officer(by).await?;
        if !root.is_ca() {
            return Err(Error::NotAllowed { what: "trusting a certificate that is no CA's" });
        }
        let mut change = self.change().await?;
        let row = values![root.sha256().to_hex(), root.der(), by.number(), change.now, why];
        if change.tx.execute(sql::PROPOSE_ANCHOR, row).await? == 0 {
            return Err(Error::AlreadyExists { what: "a proposal for this root" });
        }
        change.note(about("anchor.proposed", root.sha256(), &Actor::Person(by), why)).await?;
        change.commit().await
    }

    /// Another officer confirms a proposed root. Requests that waited for it are looked at again.
    pub async fn confirm_anchor(&self, root: &Fingerprint, by: PersonId) -> Result<(), Error> {
        self.known_officer(by).await?;
        let mut change = self.change().await?;
        let row = change.tx.fetch_one(sql::ANCHOR, values![root.to_hex()]).await?;
        let certificate = stored_certificate(&row.ok_or(Error::NotFound { what: "proposal" })?.blob()?)?;
        if change.tx.execute(sql::CONFIRM_ANCHOR, values![root.to_hex(), by.number(), change.now]).await? == 0 {
            return Err(Error::NotAllowed { what: "confirming one's own proposal, or one that is confirmed" });
        }
        change.note(about("anchor.confirmed", *root, &Actor::Person(by), "")).await?;
        let mut anchors = self.anchors_within(&mut change).await?;
        anchors.add(certificate);
        self.check_again(&mut change, &anchors).await?;
        change.commit().await
    }

    /// The roots that officers have proposed, latest first.
    pub async fn proposed_anchors(&self) -> Result<Vec<ProposedAnchor>, Error> {
        let rows = self.database().fetch(sql::PROPOSED_ANCHORS, values![]).await?;
        rows.into_iter()
            .map(|mut row| {
                let certificate = stored_certificate(&row.blob()?)?;
                let (proposed_by, proposed, why) = (PersonId(row.int()?), row.time()?, row.text()?);
                let (confirmed_by, confirmed) = (row.optional_int()?.map(PersonId), row.optional_time()?);
                let confirmed = confirmed_by.zip(confirmed);
                Ok(ProposedAnchor { certificate, proposed_by, proposed, why, confirmed })
            })
            .collect()
    }

    /// Whom certificates came from that is not trusted, latest first.
    pub async fn unknown_authorities(&self) -> Result<Vec<UnknownAuthority>, Error> {
        let rows = self.database().fetch(sql::UNKNOWN_AUTHORITIES, values![]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(UnknownAuthority {
                    name: row.text()?,
                    certificate: row.optional_blob()?.map(|der| stored_certificate(&der)).transpose()?,
                    first_seen: row.time()?,
                    last_seen: row.time()?,
                    origin: row.text()?,
                    addresses: u64::try_from(row.int()?).unwrap_or(0),
                })
            })
            .collect()
    }
}

fn about<'a>(action: &'static str, root: Fingerprint, actor: &'a Actor, why: &'a str) -> Note<'a> {
    let subject = format!("certificate:{}", root.to_hex());
    Note { actor, action, subject, address: None, fingerprint: Some(root), why }
}
