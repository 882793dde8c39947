//! Revocation lists and OCSP answers, signed in advance.

use asn1::Time;
use pki::{Certificate, OcspQuestion, OcspRefusal, OcspResponseBuilder, RevocationListBuilder, RevocationReason};

use super::{AuthorityRole, HouseAuthority, HouseCertificate, not_signed};
use crate::database::values;
use crate::key_ring::in_background;
use crate::{AuthorityId, Directory, Error, KeyRing, hex, statements as sql};

/// What [`KeyRing::publish`] signed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Revocation lists.
    pub lists: u64,
    /// OCSP answers.
    pub answers: u64,
}

impl KeyRing {
    /// Signs anew whatever is past half of its time. To be called every hour.
    ///
    /// # Errors
    /// The first one; what the others publish is signed nevertheless.
    pub async fn publish(&self) -> Result<Published, Error> {
        let (mut published, mut first_error) = (Published::default(), None);
        for authority in self.directory().house_authorities().await? {
            // A CA that has ended signs nothing; what it issued has ended as well.
            if authority.certificate.validity().contains(self.directory().now())
                && let Err(error) = self.publish_of(&authority, &mut published).await
            {
                first_error = first_error.or(Some(error));
            }
        }
        first_error.map_or(Ok(published), Err)
    }

    async fn publish_of(&self, authority: &HouseAuthority, published: &mut Published) -> Result<(), Error> {
        let (directory, id) = (self.directory(), authority.id);
        let now = directory.now();
        let latest = directory.database().fetch_one(sql::LATEST_REVOCATION, values![id.number()]).await?;
        let latest = latest.map(|mut row| row.optional_time()).transpose()?.flatten();
        let list = directory.publication(id, LIST, "").await?;
        let whole = list_seconds(authority.role);
        // What was revoked while its key was away is not on the list yet.
        let is_due = |next_update: Time| {
            next_update < now.plus_seconds(whole / 2)
                || latest.is_some_and(|latest| next_update.plus_seconds(-whole) < latest)
        };
        if list.is_none_or(|(_, next_update)| is_due(next_update)) {
            self.publish_list(id).await?;
            published.lists += 1;
        }
        if authority.role == AuthorityRole::Root {
            return Ok(());
        }
        loop {
            let half = now.plus_seconds(ANSWER_SECONDS / 2);
            let rows = directory.database().fetch(sql::ANSWERS_DUE, values![id.number(), now, half, STEP]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let issued = HouseCertificate::read(row)?;
                self.publish_answer(id, &issued.certificate, issued.revoked).await?;
                published.answers += 1;
            }
        }
    }

    /// Signs a new revocation list.
    pub(super) async fn publish_list(&self, id: AuthorityId) -> Result<(), Error> {
        let directory = self.directory();
        let (authority, issuer) = self.issuer(id).await?;
        // The number first: of two that sign at once, the one that has looked later also has the higher number.
        let mut tx = directory.database().begin().await?;
        let number = tx.fetch_one(sql::NEXT_CRL_NUMBER, values![id.number()]).await?;
        let number = number.ok_or(Error::NotFound { what: "CA" })?.int()?;
        tx.commit().await?;
        let now = directory.now();
        let next_update =
            now.plus_seconds(list_seconds(authority.role)).min(authority.certificate.validity().not_after);
        let number = u64::try_from(number).map_err(|_| Error::corrupt("a negative CRL number"))?;
        let mut list = RevocationListBuilder::new(number, now, next_update);
        for row in directory.database().fetch(sql::REVOKED_BY, values![id.number()]).await? {
            let revoked = HouseCertificate::read(row)?;
            if let Some((at, reason)) = revoked.revoked {
                list = list.revoke(revoked.certificate.serial().clone(), at, reason);
            }
        }
        let list = in_background(move || issuer.issue_crl(&list)).await?.map_err(not_signed)?;
        self.save(id, LIST, "", list.der(), number, next_update).await
    }

    /// Signs what is said about one certificate.
    pub(super) async fn publish_answer(
        &self,
        id: AuthorityId,
        certificate: &Certificate,
        revoked: Option<(Time, RevocationReason)>,
    ) -> Result<(), Error> {
        let (authority, issuer) = self.issuer(id).await?;
        let now = self.directory().now();
        let next_update = now.plus_seconds(ANSWER_SECONDS).min(authority.certificate.validity().not_after);
        let serial = certificate.serial().clone();
        let answer = OcspResponseBuilder::new(issuer.certificate(), now, next_update);
        let answer = match revoked {
            Some((at, reason)) => answer.revoked(serial.clone(), at, reason),
            None => answer.good(serial.clone()),
        };
        let signed = in_background(move || answer.sign(issuer.credential(), now)).await?.map_err(not_signed)?;
        // "Revoked" is never overwritten by a "good" that was signed at the same time.
        let order = u64::from(revoked.is_some());
        self.save(id, ANSWER, &hex(serial.content()), signed.der(), order, next_update).await
    }

    async fn save(
        &self,
        id: AuthorityId,
        kind: &'static str,
        serial: &str,
        der: &[u8],
        order: u64,
        next_update: Time,
    ) -> Result<(), Error> {
        let order = i64::try_from(order).unwrap_or(i64::MAX);
        let row = values![id.number(), kind, serial, der, order, next_update];
        self.directory().database().execute(sql::PUBLISH, row).await.map(drop)
    }
}

impl Directory {
    /// The newest revocation list of a CA of the house, in DER, for `application/pkix-crl`.
    pub async fn house_crl(&self, id: AuthorityId) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.publication(id, LIST, "").await?.map(|(der, _)| der))
    }

    /// The answer to an OCSP request, in DER, for `application/ocsp-response`: one that was signed in advance, without
    /// the nonce (RFC 9654 §3.1), or an unsigned refusal. A "good" is only ever said about what was issued.
    pub async fn ocsp_answer(&self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let Ok(question) = OcspQuestion::from_der(request) else { return Ok(OcspRefusal::MalformedRequest.to_der()) };
        // RFC 5019 §2.1.1: one certificate per request. Answers that were signed in advance cannot be joined.
        let [asked] = question.certificates() else { return Ok(OcspRefusal::Unauthorized.to_der()) };
        let authorities = self.house_authorities().await?;
        let Some(authority) = authorities.iter().find(|authority| asked.is_issued_by(&authority.certificate)) else {
            return Ok(OcspRefusal::Unauthorized.to_der());
        };
        match self.publication(authority.id, ANSWER, &hex(asked.serial().content())).await? {
            Some((der, next_update)) if self.now() <= next_update => Ok(der),
            // The gateway is late; a client that asks later gets a current answer.
            Some(_) => Ok(OcspRefusal::TryLater.to_der()),
            // RFC 5019 §2.2.3: not among those that this responder answers about.
            None => Ok(OcspRefusal::Unauthorized.to_der()),
        }
    }

    async fn publication(&self, id: AuthorityId, kind: &str, serial: &str) -> Result<Option<(Vec<u8>, Time)>, Error> {
        match self.database().fetch_one(sql::PUBLICATION, values![id.number(), kind, serial]).await? {
            Some(mut row) => Ok(Some((row.blob()?, row.time()?))),
            None => Ok(None),
        }
    }
}

const LIST: &str = "crl";
const ANSWER: &str = "ocsp";
const STEP: i64 = 100;
/// Two days: one in which it is renewed, and one for a gateway that is down.
const ANSWER_SECONDS: i64 = 2 * 86_400;

/// Of people for a week; of a root, which revokes next to nothing, for three months.
fn list_seconds(role: AuthorityRole) -> i64 {
    match role {
        AuthorityRole::Issuing => 7 * 86_400,
        AuthorityRole::Root => 90 * 86_400,
    }
}
