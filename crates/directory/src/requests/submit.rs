use std::borrow::Cow;

use pki::{Certificate, Fingerprint, TrustAnchors};

use super::check::{Standard, Verdict, judge};
use super::{Links, Refusal, Request, Sent, State, Step, Submission, join_chain, read, send_confirmation};
use crate::audit::Change;
use crate::database::values;
use crate::revocation::{Material, Seen};
use crate::rows::Table;
use crate::{Actor, Address, Directory, Error, Language, Purpose, RequestId, hex, statements as sql};

impl Directory {
    /// Takes a certificate in, whichever way it came: the one flow for portal, mail, learning, look-up, officers and
    /// programs. The checks, the confirmation mail and the record are one transaction.
    ///
    /// Sent in again, the same certificate for the same mailbox is the same request (CASES T-75).
    pub async fn submit(&self, submission: Submission) -> Result<Request, Error> {
        let mut taken = self.submit_all(std::slice::from_ref(&submission)).await?;
        taken.pop().ok_or_else(|| Error::conflict("nothing was taken in"))
    }

    /// Takes many in, as when an address book moves here: each as [`Self::submit`] does, all in one transaction, which
    /// others wait for. Some hundreds at a time are good.
    ///
    /// # Errors
    /// None is taken in then.
    pub async fn submit_all(&self, submissions: &[Submission]) -> Result<Vec<Request>, Error> {
        let anchors = self.trust_anchors().await?;
        let mut materials = Vec::with_capacity(submissions.len());
        let mut seen = Seen::default();
        for submission in submissions {
            let chain = [&submission.certificate].into_iter().chain(&submission.intermediates);
            let mut material = self.revocation_material_once(chain, &mut seen).await?;
            material.lists.extend(submission.crls.iter().cloned());
            materials.push(material);
        }
        let mut change = self.change().await?;
        change.gather();
        let mut taken = Vec::with_capacity(submissions.len());
        for (submission, material) in submissions.iter().zip(&materials) {
            taken.push(self.take_in(&mut change, submission, material, &anchors).await?);
        }
        match change.commit().await {
            // Another process took the same certificate in at the same time.
            Err(Error::AlreadyExists { .. }) => Err(Error::conflict("the certificate is being taken in already")),
            Err(error) => Err(error),
            Ok(()) => Ok(taken),
        }
    }

    async fn take_in(
        &self,
        change: &mut Change<'_>,
        submission: &Submission,
        material: &Material,
        anchors: &TrustAnchors,
    ) -> Result<Request, Error> {
        let fingerprint = submission.certificate.sha256();
        change.settle(&submission.address).await?;
        let before = Before::read(change, &submission.address, &fingerprint).await?;
        if let Some(open) = before.open {
            return change.load(open).await;
        }
        let mut request = self.received(change, submission, &before)?;
        // CASES T-64
        let verdict = if self.is_inside(&submission.address) {
            let detail = "is for an address of the house, whose certificates are not sent in".into();
            Verdict::Refused(Refusal { code: "own-domain".into(), detail })
        } else {
            self.judge_request(&request, material, anchors)
        };
        // CASES T-75: a refusal that was given before is given again, not stored again.
        if let Verdict::Refused(refusal) = &verdict {
            let refused = values![request.address.key(), fingerprint.to_hex(), refusal.code.as_str()];
            if let Some(row) = change.tx.fetch_one(sql::REFUSED_REQUEST, refused).await? {
                return read(row);
            }
        }
        let (action, why) = self.take_verdict(change, &mut request, verdict, before.links).await?;
        self.insert(change, &request).await?;
        change.note_request(&request, &submission.by, "request.received", submission.origin.name()).await?;
        change.note_request(&request, &Actor::System, action, &why).await?;
        change.note_gathered(&request.address);
        Ok(request)
    }

    /// Looks again at the requests that wait for a decision about their CA.
    pub(crate) async fn check_again(&self, change: &mut Change<'_>, anchors: &TrustAnchors) -> Result<(), Error> {
        for row in change.tx.fetch(sql::REQUESTS_WITHOUT_AUTHORITY, values![]).await? {
            let mut request = read(row)?;
            let material = self.material_of(&request).await?;
            match self.judge_request(&request, &material, anchors) {
                Verdict::UnknownAuthority { .. } => {}
                verdict => {
                    request.unknown_authority = false;
                    self.judged(change, &mut request, verdict).await?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn judge_request(&self, request: &Request, material: &Material, anchors: &TrustAnchors) -> Verdict {
        let standard =
            Standard { anchors, revocation: self.settings().revocation, now: self.now(), paths: self.paths() };
        judge(request, material, &standard)
    }

    /// Puts a verdict into effect.
    pub(crate) async fn judged(
        &self,
        change: &mut Change<'_>,
        request: &mut Request,
        verdict: Verdict,
    ) -> Result<(), Error> {
        let links = match verdict {
            Verdict::Good => Links::to(change, &request.address).await?,
            _ => Links::default(),
        };
        let (action, why) = self.take_verdict(change, request, verdict, links).await?;
        change.store(request, &Actor::System, action, &why).await
    }

    /// What a verdict makes of a request that is to be stored then, and what to record of it.
    async fn take_verdict(
        &self,
        change: &mut Change<'_>,
        request: &mut Request,
        verdict: Verdict,
        links: Links,
    ) -> Result<(&'static str, Cow<'static, str>), Error> {
        Ok(match verdict {
            Verdict::Good => {
                request.take(Step::Check, change.now)?;
                let why = match send_confirmation(self, change, request, links).await? {
                    Sent::Yes => "the confirmation mail is on its way",
                    Sent::NotBefore(_) => "the confirmation mail waits: as many as allowed were sent today",
                };
                ("request.checked", why.into())
            }
            Verdict::UnknownAuthority { name, certificate } => {
                request.unknown_authority = true;
                self.note_authority(change, request, &name, certificate.as_deref()).await?;
                ("request.waiting", "its CA is not known".into())
            }
            Verdict::RevocationUnknown => ("request.waiting", "whether it was revoked is not known yet".into()),
            Verdict::Refused(refusal) => {
                request.take(Step::Refuse, change.now)?;
                let why = refusal.detail.clone();
                request.refusal = Some(refusal);
                ("request.refused", why.into())
            }
        })
    }

    fn received(&self, change: &Change<'_>, submission: &Submission, before: &Before) -> Result<Request, Error> {
        let Submission { address, certificate, origin, by, .. } = submission;
        let intermediates = submission.intermediates.iter().filter(|other| *other != certificate);
        Ok(Request {
            id: RequestId::random()?,
            address: address.clone(),
            certificate: certificate.clone(),
            intermediates: intermediates.take(MOST_INTERMEDIATES).cloned().collect(),
            state: State::Received,
            refusal: None,
            origin: *origin,
            submitted_by: by.to_string(),
            language: before.language.or(submission.language).unwrap_or(self.settings().language),
            received: change.now,
            changed: change.now,
            due: change.now.plus_days(i64::from(self.settings().deadline_days)),
            confirmation_sent: None,
            confirmed: None,
            approved_by: None,
            reminders: 0,
            escalated: false,
            unknown_authority: false,
            replaces: before.in_use,
        })
    }

    async fn insert(&self, change: &mut Change<'_>, request: &Request) -> Result<(), Error> {
        let fingerprint = request.fingerprint().to_hex();
        let not_after = request.certificate.validity().not_after;
        let row = values![fingerprint.as_str(), request.certificate.der(), not_after, change.now];
        change.add(Table::Certificates, row).await?;
        let (code, detail) = match &request.refusal {
            Some(refusal) => (Some(refusal.code.clone()), Some(refusal.detail.clone())),
            None => (None, None),
        };
        let row = values![
            request.id.0,
            request.address.key(),
            request.address.to_string(),
            fingerprint,
            join_chain(&request.intermediates),
            request.state.name(),
            code,
            detail,
            request.origin.name(),
            request.submitted_by.as_str(),
            request.language.code(),
            request.received,
            request.changed,
            request.due,
            not_after,
            request.confirmation_sent,
            request.unknown_authority,
            request.replaces.map(|fingerprint| fingerprint.to_hex())
        ];
        change.add(Table::Requests, row).await
    }

    /// Keeps an unknown CA for the officers' list (CASES T-62).
    async fn note_authority(
        &self,
        change: &mut Change<'_>,
        request: &Request,
        name: &str,
        certificate: Option<&Certificate>,
    ) -> Result<(), Error> {
        let hash = hex(crypto::DigestAlgorithm::Sha256.digest(name.as_bytes()).octets());
        let name: String = name.chars().take(500).collect();
        let der = certificate.map(|certificate| certificate.der().to_vec());
        let row = values![hash.as_str(), name, der, change.now, request.origin.name()];
        change.tx.execute(sql::SEE_AUTHORITY, row).await?;
        change.tx.execute(sql::SEE_AUTHORITY_ADDRESS, values![hash, request.address.key()]).await.map(drop)
    }
}

/// What there is about a mailbox before a certificate is taken in for it.
struct Before {
    /// The same certificate is on its way, or in use, already.
    open: Option<RequestId>,
    language: Option<Language>,
    in_use: Option<Fingerprint>,
    links: Links,
}

impl Before {
    async fn read(change: &mut Change<'_>, address: &Address, certificate: &Fingerprint) -> Result<Self, Error> {
        let (purpose, day_ago) = (Purpose::ConfirmCertificate.name(), change.now.plus_days(-1));
        let values = values![address.key(), certificate.to_hex(), purpose, day_ago];
        let row = change.tx.fetch_one(sql::MAILBOX_BEFORE, values).await?;
        let mut row = row.ok_or_else(|| Error::corrupt("a row is missing"))?;
        Ok(Self {
            open: row.optional_int()?.map(RequestId),
            language: row.optional_text()?.as_deref().and_then(Language::from_code),
            in_use: row.optional_text()?.as_deref().and_then(Fingerprint::parse),
            links: Links { count: row.int()?, first: row.optional_time()? },
        })
    }
}

/// What came along is an aid, not a store.
const MOST_INTERMEDIATES: usize = 8;
