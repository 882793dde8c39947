//! What was fetched about revocation, kept until its end, and what it means for the certificates in use (CASES T-68).
//!
//! Nothing here fetches. Whoever does asks [`Directory::watched`] whom to look after and [`Directory::trusted_path`] where
//! to ask, brings the answers to [`Directory::keep_revocation`], and has the request looked at again.

use std::collections::HashMap;

use asn1::Time;
use pki::{
    Certificate, CertificateList, OcspResponse, Path, PathChecker, PathPolicy, Purpose, Reason, Revocation,
    RevocationSource, RevocationSourceKind, RevocationStatus, TrustAnchors,
};

use crate::audit::Change;
use crate::database::{Row, values};
use crate::requests::{Assessment, Refusal, Request, Step, Verdict, assess, read};
use crate::{Actor, Directory, Error, RequestId, State, statements as sql};

/// A CRL or an OCSP response that was fetched, and that whoever fetched it found worth keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationEntry {
    /// From where.
    pub source: RevocationSource,
    /// The CRL or OCSP response.
    pub der: Vec<u8>,
    /// When it was made.
    pub this_update: Time,
    /// Until when it may be used.
    pub next_update: Time,
}

/// What is at hand about a chain.
#[derive(Debug, Default)]
pub(crate) struct Material {
    pub(crate) lists: Vec<CertificateList>,
    pub(crate) answers: Vec<OcspResponse>,
    /// Until when all of it holds.
    pub(crate) until: Option<Time>,
}

impl Directory {
    /// Keeps what was fetched. Gives `false` when what is there already is newer: an old list that is played back does
    /// not undo what a later one says.
    pub async fn keep_revocation(&self, entry: &RevocationEntry) -> Result<bool, Error> {
        let RevocationEntry { source, der, this_update, next_update } = entry;
        let (kind, uri) = (kind_name(source.kind), source.uri.as_str());
        let row = values![source.key.as_str(), kind, uri, der.as_slice(), *this_update, *next_update, self.now()];
        Ok(self.database().execute(sql::KEEP_REVOCATION, row).await? > 0)
    }

    /// Notes that nothing could be fetched. What is there stays until its end.
    pub async fn revocation_failed(&self, source: &RevocationSource, why: &str) -> Result<(), Error> {
        let why: String = why.chars().take(500).collect();
        let row = values![source.key.as_str(), kind_name(source.kind), source.uri.as_str(), self.now(), why];
        self.database().execute(sql::REVOCATION_FAILED, row).await.map(drop)
    }

    /// Whether a source is to be asked: it was not within the last `seconds`, or what it said has ended.
    pub async fn is_revocation_due(&self, source: &RevocationSource, seconds: i64) -> Result<bool, Error> {
        let Some(mut row) = self.database().fetch_one(sql::REVOCATION_AGE, values![source.key.as_str()]).await? else {
            return Ok(true);
        };
        let (_, next_update) = (row.optional_time()?, row.optional_time()?);
        let (fetched, failed) = (row.optional_time()?, row.optional_time()?);
        let now = self.now();
        let lately = |time: Option<Time>, seconds| time.is_some_and(|time| now < time.plus_seconds(seconds));
        if lately(failed, seconds.min(AFTER_FAILURE)) {
            return Ok(false);
        }
        Ok(!lately(fetched, seconds) || next_update.is_none_or(|end| end < now))
    }

    /// Requests whose certificates are in use or on their way, and that nobody has looked after for `seconds`, the longest
    /// neglected first. Of several processes, one gets them; call it every minute.
    pub async fn watched(&self, worker: &str, seconds: i64, limit: u32) -> Result<Vec<Request>, Error> {
        let now = self.now();
        let taken = values!["revocation", worker, now, now.plus_seconds(LEASE_SECONDS)];
        if self.database().execute(sql::TAKE_LEASE, taken).await? == 0 {
            return Ok(Vec::new());
        }
        let rows = self.database().fetch(sql::REQUESTS_WATCHED, values![now.plus_seconds(-seconds), limit]).await?;
        rows.into_iter().map(read).collect()
    }

    /// The path of a request's certificate to a trusted anchor, revocation aside: who has one may ask the sources that it
    /// names (CASES T-121).
    pub async fn trusted_path(&self, request: &Request) -> Result<Option<Path>, Error> {
        let anchors = self.trust_anchors().await?;
        let policy = PathPolicy::at(self.now())
            .purpose(Purpose::Encrypt)
            .address(request.address().email().clone())
            .revocation(Revocation::Off);
        let checker = PathChecker::new(&anchors, &policy).intermediates(request.intermediates());
        Ok(checker.check(request.certificate()).ok())
    }

    /// The path of a signer's certificate to a trusted anchor, revocation aside: who has one may ask the sources that it
    /// names (CASES T-121).
    pub async fn signer_path(&self, signer: &Certificate, others: &[Certificate]) -> Result<Option<Path>, Error> {
        let anchors = self.trust_anchors().await?;
        let policy = PathPolicy::at(self.now()).purpose(Purpose::Sign).revocation(Revocation::Off);
        Ok(PathChecker::new(&anchors, &policy).intermediates(others).check(signer).ok())
    }

    /// What is to be said about a request's certificate now, for the officer's board and for programs.
    pub async fn assess(&self, request: &Request) -> Result<Assessment, Error> {
        let (anchors, material) = (self.trust_anchors().await?, self.material_of(request).await?);
        Ok(assess(request, &material, &anchors, self.now()))
    }

    /// Looks at a request again, with what is known about revocation by now. A certificate in use that was revoked is not
    /// used any more; one that waited for an answer goes on.
    pub async fn look_again(&self, id: RequestId) -> Result<Request, Error> {
        let anchors = self.trust_anchors().await?;
        let request = self.request(id).await?.ok_or(Error::NotFound { what: "request" })?;
        let material = self.material_of(&request).await?;
        let mut change = self.change().await?;
        let mut request = change.load(id).await?;
        let verdict = self.judge_request(&request, &material, &anchors);
        match (request.state(), verdict) {
            (State::Received, Verdict::RevocationUnknown) => {}
            (State::Received, verdict) if !request.unknown_authority() => {
                self.judged(&mut change, &mut request, verdict).await?;
            }
            (State::Checked | State::Confirmed, Verdict::Refused(refusal)) if is_revoked(&refusal) => {
                end(&mut change, &mut request, Step::Refuse, refusal).await?;
            }
            (State::Active, Verdict::Refused(refusal)) if is_revoked(&refusal) => {
                end(&mut change, &mut request, Step::Revoke, refusal).await?;
            }
            _ => {}
        }
        let looked_after = Some(change.now);
        self.note_revocation(&mut change, &request, &material, &anchors, looked_after).await?;
        change.commit().await?;
        Ok(request)
    }

    /// Notes what is known about a request's certificate, and until when.
    pub(crate) async fn note_revocation(
        &self,
        change: &mut Change<'_>,
        request: &Request,
        material: &Material,
        anchors: &TrustAnchors,
        looked_after: Option<Time>,
    ) -> Result<(), Error> {
        let assessment = assess(request, material, anchors, change.now);
        let status = match (assessment.outcome(), assessment.revocation()) {
            (Ok(_), RevocationStatus::Good) => "good",
            (Ok(_), RevocationStatus::Unchecked) => "unchecked",
            (Err(rejected), _) if matches!(rejected.reason(), Reason::Revoked { .. }) => "revoked",
            _ => "unknown",
        };
        let row = values![request.id().0, status, looked_after, material.until];
        change.tx.execute(sql::SET_REVOCATION, row).await.map(drop)
    }

    /// What is at hand about the certificate of whoever signed a message, and about those that came with it.
    pub async fn signer_revocation(
        &self,
        signer: &Certificate,
        others: &[Certificate],
    ) -> Result<smime::RevocationMaterial, Error> {
        let others = others.iter().filter(|other| *other != signer);
        let material = self.revocation_material([signer].into_iter().chain(others)).await?;
        // A certificate that was found revoked stays so when the list that said it has ended.
        let row = self.database().fetch_one(sql::IS_REVOKED, values![signer.sha256().to_hex()]).await?;
        Ok(smime::RevocationMaterial { crls: material.lists, ocsp: material.answers, revoked: row.is_some() })
    }

    /// What is at hand about a request's chain.
    pub(crate) async fn material_of(&self, request: &Request) -> Result<Material, Error> {
        self.revocation_material([request.certificate()].into_iter().chain(request.intermediates())).await
    }

    /// What is at hand about certificates. A row that cannot be read says nothing.
    pub(crate) async fn revocation_material<'a>(
        &self,
        chain: impl Iterator<Item = &'a Certificate>,
    ) -> Result<Material, Error> {
        self.revocation_material_once(chain, &mut Seen::default()).await
    }

    /// The same about many chains, of which each source is read once.
    pub(crate) async fn revocation_material_once<'a>(
        &self,
        chain: impl Iterator<Item = &'a Certificate>,
        seen: &mut Seen,
    ) -> Result<Material, Error> {
        let mut material = Material::default();
        if self.settings().revocation == Revocation::Off {
            return Ok(material);
        }
        let mut keys: Vec<String> = Vec::new();
        for source in chain.take(MOST_CERTIFICATES).flat_map(RevocationSource::of) {
            if keys.contains(&source.key) {
                continue;
            }
            if !seen.0.contains_key(&source.key) {
                let row = self.database().fetch_one(sql::REVOCATION, values![source.key.as_str(), self.now()]).await?;
                seen.0.insert(source.key.clone(), row.map(read_source).transpose()?.flatten());
            }
            if let Some(Some((found, end))) = seen.0.get(&source.key) {
                match found {
                    Source::List(list) => material.lists.push(list.clone()),
                    Source::Answer(answer) => material.answers.push(answer.clone()),
                }
                material.until = Some(material.until.map_or(*end, |until: Time| until.min(*end)));
            }
            keys.push(source.key);
        }
        Ok(material)
    }
}

/// What sources say, by their keys: nothing, where there is nothing or it cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<String, Option<(Source, Time)>>);

#[derive(Debug)]
enum Source {
    List(CertificateList),
    Answer(OcspResponse),
}

fn read_source(mut row: Row) -> Result<Option<(Source, Time)>, Error> {
    let (kind, der, end) = (row.text()?, row.optional_blob()?.unwrap_or_default(), row.time()?);
    let source = if kind == kind_name(RevocationSourceKind::Crl) {
        CertificateList::from_der(&der).map(Source::List)
    } else {
        OcspResponse::from_der(&der).map(Source::Answer)
    };
    Ok(source.ok().map(|source| (source, end)))
}

async fn end(change: &mut Change<'_>, request: &mut Request, step: Step, refusal: Refusal) -> Result<(), Error> {
    request.take(step, change.now)?;
    let why = refusal.detail.clone();
    request.refusal = Some(refusal);
    change.store(request, &Actor::System, "request.revoked", &why).await
}

fn is_revoked(refusal: &Refusal) -> bool {
    refusal.code == "revoked"
}

fn kind_name(kind: RevocationSourceKind) -> &'static str {
    match kind {
        RevocationSourceKind::Crl => "crl",
        RevocationSourceKind::Ocsp => "ocsp",
    }
}

/// A source that failed is asked again after so long.
const AFTER_FAILURE: i64 = 300;
const LEASE_SECONDS: i64 = 50;
const MOST_CERTIFICATES: usize = 10;
