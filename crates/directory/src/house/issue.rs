use crypto::PublicKey;
use pki::{Certificate, CertificateBuilder, CertificateRequest, EmailAddress, RevocationReason, Subject};

use super::{AuthorityRole, HouseAuthority, SKEW, not_signed};
use crate::audit::{Change, Note};
use crate::database::values;
use crate::key_ring::{in_background, key_hash, key_usage};
use crate::{
    Actor, Address, AuthorityId, CredentialId, Error, KeyOrder, KeyRequestId, KeyRing, KeyUse, PersonId, hex,
    statements as sql,
};

/// What a certificate is to say.
struct Wanted<'a> {
    address: &'a Address,
    also_for: &'a [EmailAddress],
    subject: Subject,
    key_use: KeyUse,
    key: &'a PublicKey,
    days: u16,
}

impl KeyRing {
    /// Makes a key for somebody and a certificate for it, at once.
    pub async fn issue(
        &self,
        person: PersonId,
        order: &KeyOrder,
        days: u16,
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let person = self.directory().present_person(person).await?;
        let key = self.make_key(order.kind, &order.place, &person.address.to_string()).await?;
        let public_key = key.public_key()?;
        let (subject, key_use) = (order.subject.clone(), order.key_use);
        let (address, also_for) = (&person.address, order.also_for.as_slice());
        let wanted = Wanted { address, also_for, subject, key_use, key: &public_key, days };
        let (certificate, authority) = self.sign_certificate(&wanted, by).await?;
        let chain = authority.chain_of_issued();
        self.add(person.id, &key, &certificate, &chain, order.key_use, by).await
    }

    /// Gives a key that waits here its certificate.
    pub async fn issue_for_request(
        &self,
        id: KeyRequestId,
        subject: Subject,
        days: u16,
        by: &Actor,
    ) -> Result<CredentialId, Error> {
        let waiting = self.directory().key_request(id).await?;
        if waiting.credential.is_some() {
            return Err(Error::conflict("the request was answered meanwhile"));
        }
        self.directory().present_person(waiting.person).await?;
        let (address, key_use, key) = (&waiting.address, waiting.key_use, &waiting.public_key);
        let wanted = Wanted { address, also_for: &[], subject, key_use, key, days };
        let (certificate, authority) = self.sign_certificate(&wanted, by).await?;
        let mut certificates = vec![certificate];
        certificates.extend(authority.chain_of_issued());
        let answered = self.answer(&certificates, by).await?;
        let answered = answered.into_iter().find(|(request, _)| *request == id).map(|(_, credential)| credential);
        answered.ok_or_else(|| Error::conflict("the request was answered meanwhile"))
    }

    /// Certifies a key that stays with its owner, by a request that its owner has signed. Of the request only the key
    /// counts: what the certificate says is decided here.
    ///
    /// # Errors
    /// [`Error::Malformed`] when whoever asks has not got the key, or it is too weak.
    pub async fn certify_request(
        &self,
        person: PersonId,
        request: &CertificateRequest,
        key_use: KeyUse,
        subject: Subject,
        days: u16,
        by: &Actor,
    ) -> Result<Certificate, Error> {
        let person = self.directory().present_person(person).await?;
        request.verify_possession().map_err(|reason| Error::Malformed {
            what: "a request for a certificate",
            because: format!("it {reason}"),
        })?;
        let (address, key) = (&person.address, request.public_key());
        let wanted = Wanted { address, also_for: &[], subject, key_use, key, days };
        Ok(self.sign_certificate(&wanted, by).await?.0)
    }

    async fn sign_certificate(&self, wanted: &Wanted<'_>, by: &Actor) -> Result<(Certificate, HouseAuthority), Error> {
        let directory = self.directory();
        let now = directory.now();
        let inside =
            |address: &EmailAddress| Address::from_email(address.clone()).is_ok_and(|own| directory.is_inside(&own));
        if !directory.is_inside(wanted.address) || !wanted.also_for.iter().all(inside) {
            return Err(Error::NotAllowed { what: "issuing for an address outside the organisation's domains" });
        }
        // CASES T-128: no certificate over somebody else's key, unless it names both.
        let hash = key_hash(wanted.key);
        for mut row in directory.database().fetch(sql::OTHERS_WITH_KEY, values![hash, wanted.address.key()]).await? {
            let other = Address::parse(&row.text()?).map_err(Error::corrupt)?;
            if !wanted.also_for.contains(other.email()) {
                return Err(Error::conflict(format_args!("this key is already the one of {other}")));
            }
        }
        if !(1..=MOST_DAYS).contains(&wanted.days) {
            return Err(Error::Malformed { what: "a validity", because: format!("it is 1 to {MOST_DAYS} days") });
        }
        let mut authorities = directory.house_authorities().await?.into_iter();
        let issuing = authorities.find(|authority| {
            authority.role == AuthorityRole::Issuing
                && authority.retired.is_none()
                && authority.certificate.validity().contains(now)
        });
        let id = issuing.ok_or(Error::NotFound { what: "CA of the house that issues" })?.id;
        let (authority, issuer) = self.issuer(id).await?;
        // RFC 5280 §6.1.3 would reject what outlives its issuer from then on.
        let end = now.plus_days(i64::from(wanted.days)).min(authority.certificate.validity().not_after);
        let from = now.plus_seconds(-SKEW).max(authority.certificate.validity().not_before);
        let mut builder =
            CertificateBuilder::mailbox(wanted.subject.clone(), wanted.address.email().clone(), from, end)
                .crl_url(format!("{}/{id}.crl", authority.url))
                .issuer_url(format!("{}/{id}.cer", authority.url))
                .ocsp_url(format!("{}/ocsp", authority.url));
        for address in wanted.also_for {
            builder = builder.also_for(address.clone());
        }
        if let Some(usage) = key_usage(wanted.key_use, wanted.key)? {
            builder = builder.key_usage(usage);
        }
        let key = wanted.key.clone();
        let certificate = in_background(move || issuer.issue(&builder, &key)).await?.map_err(not_signed)?;
        let mut change = directory.change().await?;
        let row = values![
            id.number(),
            hex(certificate.serial().content()),
            wanted.address.key(),
            certificate.der(),
            change.now,
            certificate.validity().not_after
        ];
        change.tx.execute(sql::ADD_HOUSE_CERTIFICATE, row).await?;
        let (subject, address) = (format!("authority:{id}"), Some(wanted.address));
        let (action, fingerprint) = ("certificate.issued", Some(certificate.sha256()));
        change.note(Note { actor: by, action, subject, address, fingerprint, why: wanted.key_use.name() }).await?;
        change.commit().await?;
        self.publish_answer(id, &certificate, None).await?;
        Ok((certificate, authority))
    }

    /// Revokes what a CA of the house has issued: signed mail with it is refused from then on, and nothing is signed
    /// with it here. The lists say so at once. Revoked again, it is made sure that they do.
    pub async fn revoke(&self, certificate: &Certificate, reason: RevocationReason, by: &Actor) -> Result<(), Error> {
        let directory = self.directory();
        let authorities = directory.house_authorities().await?;
        let authority = authorities.iter().find(|authority| {
            certificate.issuer() == authority.certificate.subject()
                && authority.certificate.public_key().is_ok_and(|key| certificate.verify_signature(key).is_ok())
        });
        let id = authority.ok_or(Error::NotFound { what: "CA of the house that issued this" })?.id;
        let serial = hex(certificate.serial().content());
        let mut change = directory.change().await?;
        let row = values![id.number(), serial.as_str(), change.now, i64::from(reason.number())];
        if change.tx.execute(sql::REVOKE_HOUSE_CERTIFICATE, row).await? > 0 {
            mark_revoked(&mut change, id, certificate, reason, by).await?;
            change.commit().await?;
        } else {
            let known = change.tx.fetch_one(sql::HOUSE_CERTIFICATE, values![id.number(), serial.as_str()]).await?;
            if known.is_none() {
                return Err(Error::NotFound { what: "certificate of the house" });
            }
            drop(change);
        }
        let row = directory.database().fetch_one(sql::HOUSE_CERTIFICATE, values![id.number(), serial]).await?;
        let stored = super::HouseCertificate::read(row.ok_or(Error::NotFound { what: "certificate of the house" })?)?;
        self.publish_list(id).await?;
        self.publish_answer(id, &stored.certificate, stored.revoked).await
    }
}

async fn mark_revoked(
    change: &mut Change<'_>,
    id: AuthorityId,
    certificate: &Certificate,
    reason: RevocationReason,
    by: &Actor,
) -> Result<(), Error> {
    let fingerprint = certificate.sha256();
    change.tx.execute(sql::REVOKE_CREDENTIAL, values![fingerprint.to_hex(), change.now]).await?;
    let address = certificate.email_addresses().first().and_then(|first| Address::from_email(first.clone()).ok());
    let (subject, why) = (format!("authority:{id}"), reason.to_string());
    let (action, address) = ("certificate.revoked", address.as_ref());
    change.note(Note { actor: by, action, subject, address, fingerprint: Some(fingerprint), why: &why }).await
}

impl HouseAuthority {
    /// What goes along with a certificate of this CA.
    fn chain_of_issued(&self) -> Vec<Certificate> {
        let above = self.chain.iter().filter(|above| above.subject() != above.issuer());
        std::iter::once(&self.certificate).chain(above).cloned().collect()
    }
}

/// As long as the S/MIME Baseline Requirements allow at most (CA/B S/MIME BR §6.3.2).
const MOST_DAYS: u16 = 1_185;
