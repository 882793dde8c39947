//! Packs: a list of roots that somebody signs, such as an EU country's or a sector's, trusted or not as a whole.

use std::io::Read as _;

use asn1::Time;
use pki::{Certificate, Fingerprint, TrustAnchors};

use crate::audit::{Change, Note};
use crate::database::{Row, values};
use crate::requests::stored_certificate;
use crate::{Actor, Directory, Error, PersonId, hex, statements as sql};

/// A signed list of roots, read and its signature verified. Whether the signer is believed is the officers' decision,
/// which is about this very pack: the next one, from the same signer too, is another decision.
#[derive(Debug, Clone)]
pub struct Pack {
    sha256: String,
    signer: Certificate,
    roots: TrustAnchors,
}

/// A pack that an officer has proposed to trust.
#[derive(Debug, Clone)]
pub struct ProposedPack {
    /// SHA-256 of the whole file, in hexadecimal: what a decision is bound to.
    pub sha256: String,
    /// How it is called.
    pub name: String,
    /// Who signed it.
    pub signer: Certificate,
    /// How many roots are in it.
    pub roots: u64,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// When.
    pub proposed: Time,
    /// The reason that was given.
    pub why: String,
    /// Who else confirmed it, and when: only then its roots are trusted.
    pub confirmed: Option<(PersonId, Time)>,
}

impl Pack {
    /// From a SignedData in DER or PEM whose content is a bundle of roots: PEM, or Mozilla's `certdata.txt`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is no such thing, or when not exactly one signature is there and good.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let odd = |because: &str| Error::Malformed { what: "a pack of roots", because: because.to_owned() };
        if bytes.len() > MOST_BYTES {
            return Err(odd("it is too large"));
        }
        // The bundle inside may be PEM, so what begins as DER is not searched for armour.
        let der = bytes.starts_with(&[0x30]);
        let armoured = if der { None } else { asn1::parse_pem(bytes).unwrap_or_default().into_iter().next() };
        let der = armoured.map_or_else(|| bytes.to_vec(), |block| block.der);
        let unreadable = |error: cms::Error| odd(&error.to_string());
        let mut reader = cms::SignedDataReader::open(der.as_slice()).map_err(unreadable)?;
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        let mut data = reader.finish(None).map_err(unreadable)?;
        if data.needs_whole_content() {
            data = data.with_whole_content(content.clone());
        }
        let mut reports = data.verify(&[]);
        let (Some(report), true) = (reports.pop(), reports.is_empty()) else {
            return Err(odd("there is not exactly one signature"));
        };
        let signer = match (report.integrity, report.certificate) {
            (cms::Integrity::Intact, Some(signer)) => signer,
            _ => return Err(odd("the signature does not hold")),
        };
        let roots = TrustAnchors::all_from(&content).map_err(|error| odd(&error.to_string()))?;
        if roots.is_empty() || roots.iter().any(|root| !root.is_ca()) {
            return Err(odd("there is something else in it than roots"));
        }
        let sha256 = hex(crypto::DigestAlgorithm::Sha256.digest(bytes).octets());
        Ok(Self { sha256, signer, roots })
    }

    /// SHA-256 of the whole file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Who signed it.
    pub fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// What is in it.
    pub fn roots(&self) -> &TrustAnchors {
        &self.roots
    }
}

impl Directory {
    /// An officer proposes to trust all roots of a pack; they count once another officer has confirmed it.
    pub async fn propose_pack(&self, bytes: &[u8], name: &str, by: PersonId, why: &str) -> Result<Pack, Error> {
        self.known_officer(by).await?;
        let pack = Pack::parse(bytes)?;
        let mut change = self.change().await?;
        let count = u32::try_from(pack.roots.len()).unwrap_or(u32::MAX);
        let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        let row = values![pack.sha256.as_str(), name, bytes, pack.signer.der(), count, by.number(), change.now, why];
        if change.tx.execute(sql::PROPOSE_PACK, row).await? == 0 {
            return Err(Error::AlreadyExists { what: "a proposal for this pack" });
        }
        change.note(about("pack.proposed", &pack.sha256, Some(pack.signer.sha256()), &Actor::Person(by), why)).await?;
        change.commit().await?;
        Ok(pack)
    }

    /// Another officer confirms exactly the pack that was shown. Requests that waited for its roots are looked at again.
    pub async fn confirm_pack(&self, sha256: &str, by: PersonId) -> Result<(), Error> {
        self.known_officer(by).await?;
        let mut change = self.change().await?;
        let mut row =
            change.tx.fetch_one(sql::PACK, values![sha256]).await?.ok_or(Error::NotFound { what: "proposal" })?;
        let (pack, proposed_by) = (Pack::parse(&row.blob()?)?, row.int()?);
        if change.tx.execute(sql::CONFIRM_PACK, values![sha256, by.number(), change.now]).await? == 0 {
            return Err(Error::NotAllowed { what: "confirming one's own proposal, or one that is confirmed" });
        }
        add_roots(&mut change, &pack, proposed_by, by.number()).await?;
        change.note(about("pack.confirmed", sha256, Some(pack.signer.sha256()), &Actor::Person(by), "")).await?;
        let anchors = self.anchors_within(&mut change).await?;
        self.check_again(&mut change, &anchors).await?;
        change.commit().await
    }

    /// An officer takes a pack back: its roots are not trusted any more, unless they are for another reason. One is
    /// enough, as trust only shrinks.
    pub async fn withdraw_pack(&self, sha256: &str, by: PersonId, why: &str) -> Result<(), Error> {
        self.known_officer(by).await?;
        let mut change = self.change().await?;
        if change.tx.execute(sql::FORGET_PACK, values![sha256]).await? == 0 {
            return Err(Error::NotFound { what: "pack" });
        }
        change.tx.execute(sql::FORGET_PACK_ANCHORS, values![sha256]).await?;
        // What another pack vouches for as well stays.
        for mut row in change.tx.fetch(sql::CONFIRMED_PACKS, values![]).await? {
            let (other, proposed_by, confirmed_by) = (Pack::parse(&row.blob()?)?, row.int()?, row.int()?);
            add_roots(&mut change, &other, proposed_by, confirmed_by).await?;
        }
        change.note(about("pack.withdrawn", sha256, None, &Actor::Person(by), why)).await?;
        change.commit().await
    }

    /// All packs, latest first.
    pub async fn packs(&self) -> Result<Vec<ProposedPack>, Error> {
        let rows = self.database().fetch(sql::PACKS, values![]).await?;
        rows.into_iter().map(read).collect()
    }

    /// What is in a pack that was proposed.
    pub async fn pack(&self, sha256: &str) -> Result<Pack, Error> {
        let row = self.database().fetch_one(sql::PACK, values![sha256]).await?;
        Pack::parse(&row.ok_or(Error::NotFound { what: "pack" })?.blob()?)
    }

    /// The trusted roots as a transaction sees them.
    pub(crate) async fn anchors_within(&self, change: &mut Change<'_>) -> Result<TrustAnchors, Error> {
        let mut anchors = self.settings().trust.clone();
        for row in change.tx.fetch(sql::ANCHORS, values![]).await? {
            add_anchor(&mut anchors, row)?;
        }
        Ok(anchors)
    }
}

/// A root out of the database, with the date until which its word is taken.
pub(crate) fn add_anchor(anchors: &mut TrustAnchors, mut row: Row) -> Result<(), Error> {
    let certificate = stored_certificate(&row.blob()?)?;
    anchors.add_until(certificate, row.optional_time()?);
    Ok(())
}

fn read(mut row: Row) -> Result<ProposedPack, Error> {
    Ok(ProposedPack {
        sha256: row.text()?,
        name: row.text()?,
        signer: stored_certificate(&row.blob()?)?,
        roots: u64::try_from(row.int()?).unwrap_or(0),
        proposed_by: PersonId(row.int()?),
        proposed: row.time()?,
        why: row.text()?,
        confirmed: match (row.optional_int()?, row.optional_time()?) {
            (Some(by), Some(at)) => Some((PersonId(by), at)),
            _ => None,
        },
    })
}

fn about<'a>(
    action: &'static str,
    sha256: &str,
    signer: Option<Fingerprint>,
    actor: &'a Actor,
    why: &'a str,
) -> Note<'a> {
    Note { actor, action, subject: format!("pack:{sha256}"), address: None, fingerprint: signer, why }
}

async fn add_roots(change: &mut Change<'_>, pack: &Pack, proposed_by: i64, confirmed_by: i64) -> Result<(), Error> {
    for root in pack.roots.iter() {
        let row = values![
            root.sha256().to_hex(),
            root.der(),
            proposed_by,
            change.now,
            "a pack",
            confirmed_by,
            pack.sha256.as_str(),
            pack.roots.distrusted_after(root)
        ];
        change.tx.execute(sql::ADD_PACK_ANCHOR, row).await?;
    }
    Ok(())
}

const MOST_BYTES: usize = 16 << 20;
