use pki::{Certificate, TrustAnchors};

use super::check::{Standard, Verdict, judge};
use super::{Refusal, Request, Sent, State, Step, Submission, active_request, join_chain, read, send_confirmation};
use crate::audit::Change;
use crate::database::values;
use crate::revocation::Material;
use crate::{Actor, Directory, Error, RequestId, hex, statements as sql};

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
        for submission in submissions {
            let chain = [&submission.certificate].into_iter().chain(&submission.intermediates);
            let mut material = self.revocation_material(chain).await?;
            material.lists.extend(submission.crls.iter().cloned());
            materials.push(material);
        }
        let mut change = self.change().await?;
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
        let known = values![submission.address.key(), fingerprint.to_hex()];
        if let Some(row) = change.tx.fetch_one(sql::OPEN_REQUEST, known).await? {
            return read(row);
        }
        let mut request = self.received(change, submission).await?;
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
        self.insert(change, &request).await?;
        change.note_request(&request, &submission.by, "request.received", submission.origin.name()).await?;
        self.judged(change, &mut request, verdict).await?;
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
        match verdict {
            Verdict::Good => {
                request.take(Step::Check, change.now)?;
                let why = match send_confirmation(self, change, request).await? {
                    Sent::Yes => "the confirmation mail is on its way",
                    Sent::NotBefore(_) => "the confirmation mail waits: as many as allowed were sent today",
                };
                change.store(request, &Actor::System, "request.checked", why).await
            }
            Verdict::UnknownAuthority { name, certificate } => {
                request.unknown_authority = true;
                self.note_authority(change, request, &name, certificate.as_deref()).await?;
                change.store(request, &Actor::System, "request.waiting", "its CA is not known").await
            }
            Verdict::RevocationUnknown => {
                let why = "whether it was revoked is not known yet";
                change.store(request, &Actor::System, "request.waiting", why).await
            }
            Verdict::Refused(refusal) => {
                request.take(Step::Refuse, change.now)?;
                let why = refusal.detail.clone();
                request.refusal = Some(refusal);
                change.store(request, &Actor::System, "request.refused", &why).await
            }
        }
    }

    async fn received(&self, change: &mut Change<'_>, submission: &Submission) -> Result<Request, Error> {
        let Submission { address, certificate, origin, by, .. } = submission;
        let known = match change.tx.fetch_one(sql::PERSON_AT, values![address.key()]).await? {
            Some(row) => Some(crate::people::read(row)?.language),
            None => None,
        };
        let replaces = active_request(&mut change.tx, address).await?.map(|active| active.fingerprint());
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
            language: known.or(submission.language).unwrap_or(self.settings().language),
            received: change.now,
            changed: change.now,
            due: change.now.plus_days(i64::from(self.settings().deadline_days)),
            confirmation_sent: None,
            confirmed: None,
            approved_by: None,
            reminders: 0,
            escalated: false,
            unknown_authority: false,
            replaces,
        })
    }

    async fn insert(&self, change: &mut Change<'_>, request: &Request) -> Result<(), Error> {
        let fingerprint = request.fingerprint().to_hex();
        let not_after = request.certificate.validity().not_after;
        let row = values![fingerprint.as_str(), request.certificate.der(), not_after, change.now];
        change.tx.execute(sql::ADD_CERTIFICATE, row).await?;
        let row = values![
            request.id.0,
            request.address.key(),
            request.address.to_string(),
            fingerprint,
            join_chain(&request.intermediates),
            request.state.name(),
            request.origin.name(),
            request.submitted_by.as_str(),
            request.language.code(),
            request.received,
            request.due,
            not_after
        ];
        change.tx.execute(sql::ADD_REQUEST, row).await.map(drop)
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

/// What came along is an aid, not a store.
const MOST_INTERMEDIATES: usize = 8;
