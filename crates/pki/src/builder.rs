use asn1::{Oid, Tag, Time, Writer};
use crypto::{DigestAlgorithm, PrivateKey, PublicKey, SignatureAlgorithm};

use crate::{
    Certificate, CertificateList, Credential, EmailAddress, Error, KeyUsage, RevocationReason, SerialNumber, Subject,
    oids,
};

/// What a certificate to be issued says (RFC 5280 §4.1).
#[derive(Debug, Clone)]
pub struct CertificateBuilder {
    subject: Subject,
    addresses: Vec<EmailAddress>,
    not_before: Time,
    not_after: Time,
    authority: Option<Option<u32>>,
    key_usage: Option<KeyUsage>,
    purposes: Vec<Oid>,
    crl_url: Option<String>,
    ocsp_url: Option<String>,
    issuer_url: Option<String>,
    name_constraints: Vec<String>,
}

impl CertificateBuilder {
    /// For a person's mailbox: key usage as the key allows, purpose email protection.
    pub fn mailbox(subject: Subject, address: EmailAddress, not_before: Time, not_after: Time) -> Self {
        Self {
            subject,
            addresses: vec![address],
            not_before,
            not_after,
            authority: None,
            key_usage: None,
            purposes: vec![oids::EMAIL_PROTECTION],
            crl_url: None,
            ocsp_url: None,
            issuer_url: None,
            name_constraints: Vec::new(),
        }
    }

    /// For a CA, with at most `path_length` CAs below it.
    pub fn authority(subject: Subject, path_length: Option<u32>, not_before: Time, not_after: Time) -> Self {
        Self {
            subject,
            addresses: Vec::new(),
            not_before,
            not_after,
            authority: Some(path_length),
            key_usage: Some(KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN)),
            purposes: Vec::new(),
            crl_url: None,
            ocsp_url: None,
            issuer_url: None,
            name_constraints: Vec::new(),
        }
    }

    /// Also for this mailbox.
    #[must_use]
    pub fn also_for(mut self, address: EmailAddress) -> Self {
        self.addresses.push(address);
        self
    }

    /// For no mailbox at all.
    #[must_use]
    pub fn without_address(self) -> Self {
        Self { addresses: Vec::new(), ..self }
    }

    /// Valid from one moment to another.
    #[must_use]
    pub fn valid(self, not_before: Time, not_after: Time) -> Self {
        Self { not_before, not_after, ..self }
    }

    /// With exactly this key usage.
    #[must_use]
    pub fn key_usage(self, key_usage: KeyUsage) -> Self {
        Self { key_usage: Some(key_usage), ..self }
    }

    /// With exactly these purposes (extended key usage); none leaves the extension out.
    #[must_use]
    pub fn purposes(self, purposes: Vec<Oid>) -> Self {
        Self { purposes, ..self }
    }

    /// With a place where the revocation list is published.
    #[must_use]
    pub fn crl_url(self, url: impl Into<String>) -> Self {
        Self { crl_url: Some(url.into()), ..self }
    }

    /// With a place where somebody answers for its status.
    #[must_use]
    pub fn ocsp_url(self, url: impl Into<String>) -> Self {
        Self { ocsp_url: Some(url.into()), ..self }
    }

    /// With a place where the issuer's certificate is published.
    #[must_use]
    pub fn issuer_url(self, url: impl Into<String>) -> Self {
        Self { issuer_url: Some(url.into()), ..self }
    }

    /// For a CA: only for mailboxes in these domains, given in A-labels.
    #[must_use]
    pub fn only_for_domains(self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name_constraints: domains.into_iter().map(Into::into).collect(), ..self }
    }

    fn tbs(
        &self,
        issuer: &[u8],
        issuer_key: &PublicKey,
        key: &PublicKey,
        algorithm: &SignatureAlgorithm,
        serial: &[u8; 16],
    ) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.context(0, |w| w.unsigned(2));
            w.unsigned_bytes(serial);
            algorithm.identifier().encode(w);
            w.raw(issuer);
            w.sequence(|w| {
                w.time(self.not_before);
                w.time(self.not_after);
            });
            w.raw(&self.subject.to_der());
            w.raw(key.spki());
            w.context(3, |w| w.sequence(|w| self.extensions(issuer_key, key, w)));
        });
        writer.into_vec()
    }

    fn extensions(&self, issuer_key: &PublicKey, key: &PublicKey, writer: &mut Writer) {
        extension(writer, "2.5.29.14", false, |w| w.octet_string(&key_identifier(key)));
        extension(writer, "2.5.29.35", false, |w| {
            w.sequence(|w| w.primitive(Tag::context(0), &key_identifier(issuer_key)))
        });
        if let Some(path_length) = self.authority {
            extension(writer, "2.5.29.19", true, |w| {
                w.sequence(|w| {
                    w.boolean(true);
                    if let Some(path_length) = path_length {
                        w.unsigned(u64::from(path_length));
                    }
                });
            });
        }
        let key_usage = self.key_usage.unwrap_or_else(|| usual_key_usage(key));
        write_mail_extensions(key_usage, &self.purposes, &self.addresses, self.subject.is_empty(), writer);
        if !self.name_constraints.is_empty() {
            extension(writer, "2.5.29.30", true, |w| w.sequence(|w| self.permitted_subtrees(w)));
        }
        if self.ocsp_url.is_some() || self.issuer_url.is_some() {
            extension(writer, "1.3.6.1.5.5.7.1.1", false, |w| w.sequence(|w| self.authority_access(w)));
        }
        if let Some(url) = &self.crl_url {
            extension(writer, "2.5.29.31", false, |w| {
                w.sequence(|w| {
                    w.sequence(|w| w.context(0, |w| w.context(0, |w| w.primitive(Tag::context(6), url.as_bytes()))))
                });
            });
        }
    }
}

impl CertificateBuilder {
    // RFC 5280 §4.2.1.10: an rfc822Name that is a host name stands for all mailboxes on that host. RFC 9598 §6: it
    // constrains SmtpUTF8Mailbox as well.
    fn permitted_subtrees(&self, writer: &mut Writer) {
        writer.context(0, |w| {
            for domain in &self.name_constraints {
                w.sequence(|w| w.primitive(Tag::context(1), domain.as_bytes()));
            }
        });
    }

    // RFC 5280 §4.2.2.1
    fn authority_access(&self, writer: &mut Writer) {
        for (method, url) in [(oids::OCSP, &self.ocsp_url), (oids::CA_ISSUERS, &self.issuer_url)] {
            if let Some(url) = url {
                writer.sequence(|w| {
                    w.oid(&method);
                    w.primitive(Tag::context(6), url.as_bytes());
                });
            }
        }
    }
}

// RFC 8550 §4.4.2, and CA/B S/MIME BR §7.1.2.3: what the key can do, both for one key.
pub(crate) fn usual_key_usage(key: &PublicKey) -> KeyUsage {
    use crypto::PublicKeyKind;
    match key.kind() {
        PublicKeyKind::Rsa { pss: None, .. } => KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::KEY_ENCIPHERMENT),
        PublicKeyKind::Ec(_) => KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::KEY_AGREEMENT),
        PublicKeyKind::X25519 => KeyUsage::KEY_AGREEMENT,
        PublicKeyKind::MlKem(_) => KeyUsage::KEY_ENCIPHERMENT,
        _ => KeyUsage::DIGITAL_SIGNATURE,
    }
}

/// What a certificate for mail and the request for one have in common: key usage, purposes, mailboxes.
pub(crate) fn write_mail_extensions(
    key_usage: KeyUsage,
    purposes: &[Oid],
    addresses: &[EmailAddress],
    subject_is_empty: bool,
    writer: &mut Writer,
) {
    extension(writer, "2.5.29.15", true, |w| w.named_bits(&key_usage.bits()));
    if !purposes.is_empty() {
        extension(writer, "2.5.29.37", false, |w| w.sequence(|w| purposes.iter().for_each(|purpose| w.oid(purpose))));
    }
    if !addresses.is_empty() {
        // RFC 5280 §4.2.1.6: critical where the names stand nowhere else.
        extension(writer, "2.5.29.17", subject_is_empty, |w| {
            w.sequence(|w| addresses.iter().for_each(|address| general_name(address, w)))
        });
    }
}

// RFC 9598 §3: SmtpUTF8Mailbox only where the local part is not ASCII; rfc822Name otherwise.
fn general_name(address: &EmailAddress, writer: &mut Writer) {
    let text = format!("{}@{}", address.local_part(), address.domain());
    if address.needs_smtp_utf8() {
        writer.context(0, |w| {
            w.oid(&oids::SMTP_UTF8_MAILBOX);
            w.context(0, |w| w.utf8_string(&text));
        });
    } else {
        writer.primitive(Tag::context(1), text.as_bytes());
    }
}

fn extension(writer: &mut Writer, oid: &str, critical: bool, value: impl FnOnce(&mut Writer)) {
    writer.sequence(|w| {
        if let Some(oid) = Oid::from_dotted(oid) {
            w.oid(&oid);
        }
        if critical {
            w.boolean(true);
        }
        w.octet_string_of(value);
    });
}

// RFC 5280 §4.2.1.2, as RFC 7093 §2 has it: the leftmost 160 bits of the SHA-256 of the key's bits.
fn key_identifier(key: &PublicKey) -> Vec<u8> {
    let digest = DigestAlgorithm::Sha256.digest(key.bits());
    digest.octets().get(..20).unwrap_or_default().to_vec()
}

/// A CA that issues: the organisation's own, for tests and closed groups.
#[derive(Debug, Clone)]
pub struct Issuer {
    credential: Credential,
}

impl Issuer {
    /// Makes a root: a certificate that its own key signs.
    pub fn new_root(key: std::sync::Arc<dyn PrivateKey>, certificate: &CertificateBuilder) -> Result<Self, Error> {
        let public = key.public_key().clone();
        let root = sign(certificate, &certificate.subject.to_der(), &*key, &public)?;
        let credential = Credential::new(key, [root]).map_err(|_| Error::Unsupported { what: "this key" })?;
        Ok(Self { credential })
    }

    /// One whose key and certificate exist.
    pub fn from_credential(credential: Credential) -> Self {
        Self { credential }
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        self.credential.certificate()
    }

    /// Its key and certificate.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Issues a certificate for `key`.
    pub fn issue(&self, certificate: &CertificateBuilder, key: &PublicKey) -> Result<Certificate, Error> {
        sign(certificate, self.certificate().subject().as_der(), self.credential.key(), key)
    }

    /// Issues a certificate for `key` and puts both together with the chain.
    pub fn issue_credential(
        &self,
        certificate: &CertificateBuilder,
        key: std::sync::Arc<dyn PrivateKey>,
    ) -> Result<Credential, Error> {
        let issued = self.issue(certificate, key.public_key())?;
        let chain = std::iter::once(self.certificate())
            .chain(self.credential.chain())
            .filter(|above| above.subject() != above.issuer());
        let certificates: Vec<Certificate> = std::iter::once(issued).chain(chain.cloned()).collect();
        Credential::new(key, certificates).map_err(|_| Error::Unsupported { what: "this key" })
    }

    /// Issues a CA below this one.
    pub fn issue_authority(
        &self,
        certificate: &CertificateBuilder,
        key: std::sync::Arc<dyn PrivateKey>,
    ) -> Result<Self, Error> {
        let credential = self.issue_credential(certificate, key)?;
        Ok(Self { credential })
    }

    /// Signs a revocation list.
    pub fn issue_crl(&self, list: &RevocationListBuilder) -> Result<CertificateList, Error> {
        let key = self.credential.key();
        let algorithm = default_algorithm(key)?;
        let tbs = list.tbs(self.certificate(), key.public_key(), &algorithm);
        CertificateList::from_der(&signed(&tbs, &algorithm, key)?)
    }
}

/// What a revocation list to be issued says (RFC 5280 §5.1).
#[derive(Debug, Clone)]
pub struct RevocationListBuilder {
    this_update: Time,
    next_update: Time,
    number: u64,
    revoked: Vec<(SerialNumber, Time, RevocationReason)>,
}

impl RevocationListBuilder {
    /// An empty list; `number` grows with each list of an issuer.
    pub fn new(number: u64, this_update: Time, next_update: Time) -> Self {
        Self { this_update, next_update, number, revoked: Vec::new() }
    }

    /// Adds a certificate.
    #[must_use]
    pub fn revoke(mut self, serial: SerialNumber, at: Time, reason: RevocationReason) -> Self {
        self.revoked.push((serial, at, reason));
        self
    }

    fn tbs(&self, issuer: &Certificate, issuer_key: &PublicKey, algorithm: &SignatureAlgorithm) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.unsigned(1);
            algorithm.identifier().encode(w);
            w.raw(issuer.subject().as_der());
            w.time(self.this_update);
            w.time(self.next_update);
            if !self.revoked.is_empty() {
                w.sequence(|w| {
                    for (serial, at, reason) in &self.revoked {
                        w.sequence(|w| {
                            w.integer_content(serial.content());
                            w.time(*at);
                            w.sequence(|w| {
                                extension(w, "2.5.29.21", false, |w| w.primitive(Tag::ENUMERATED, &[reason.number()]))
                            });
                        });
                    }
                });
            }
            w.context(0, |w| {
                w.sequence(|w| {
                    extension(w, "2.5.29.35", false, |w| {
                        w.sequence(|w| w.primitive(Tag::context(0), &key_identifier(issuer_key)))
                    });
                    extension(w, "2.5.29.20", false, |w| w.unsigned(self.number));
                });
            });
        });
        writer.into_vec()
    }
}

fn sign(
    certificate: &CertificateBuilder,
    issuer: &[u8],
    issuer_key: &dyn PrivateKey,
    key: &PublicKey,
) -> Result<Certificate, Error> {
    let algorithm = default_algorithm(issuer_key)?;
    // CA/B BR §7.1: at least 64 bits from a generator; the top bit is cleared and the next set, so it is positive and
    // of one length.
    let mut serial = crypto::random_array::<16>().map_err(Error::Crypto)?;
    serial[0] = serial[0] & 0x3F | 0x40;
    let tbs = certificate.tbs(issuer, issuer_key.public_key(), key, &algorithm, &serial);
    Certificate::from_der(&signed(&tbs, &algorithm, issuer_key)?)
}

pub(crate) fn default_algorithm(key: &dyn PrivateKey) -> Result<SignatureAlgorithm, Error> {
    key.default_signature_algorithm().ok_or(Error::Crypto(crypto::Error::NotForThisKey { operation: "sign" }))
}

pub(crate) fn signed(tbs: &[u8], algorithm: &SignatureAlgorithm, key: &dyn PrivateKey) -> Result<Vec<u8>, Error> {
    let signature = key.sign(algorithm, tbs).map_err(Error::Crypto)?;
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.raw(tbs);
        algorithm.identifier().encode(w);
        w.bit_string(0, &signature);
    });
    Ok(writer.into_vec())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crypto::{KeyKind, SoftwareKey};

    use super::*;
    use crate::{PathChecker, PathPolicy, Purpose, Revocation, TrustAnchors};

    #[test]
    fn what_is_issued_is_trusted_until_it_is_revoked() {
        let now = Time::parse_rfc3339("2026-11-24").unwrap();
        let later = now.plus_days(365);
        let key = || Arc::new(SoftwareKey::generate(KeyKind::P256).unwrap());
        let root = Issuer::new_root(
            key(),
            &CertificateBuilder::authority(Subject::named("Root").of("Example"), Some(1), now, later),
        )
        .unwrap();
        let ca = root
            .issue_authority(&CertificateBuilder::authority(Subject::named("CA"), Some(0), now, later), key())
            .unwrap();
        let address = EmailAddress::parse("alice@example.org").unwrap();
        let alice = ca
            .issue_credential(&CertificateBuilder::mailbox(Subject::named("Alice"), address.clone(), now, later), key())
            .unwrap();
        assert_eq!(alice.chain(), [ca.certificate().clone()]);

        let mut anchors = TrustAnchors::new();
        anchors.add(root.certificate().clone());
        let policy =
            PathPolicy::at(now.plus_days(1)).purpose(Purpose::Encrypt).address(address).revocation(Revocation::Off);
        let path = PathChecker::new(&anchors, &policy).intermediates(alice.chain()).check(alice.certificate()).unwrap();
        assert_eq!(path.anchor(), root.certificate());

        let list = RevocationListBuilder::new(1, now, later).revoke(
            alice.certificate().serial().clone(),
            now,
            RevocationReason::KeyCompromise,
        );
        let list = ca.issue_crl(&list).unwrap();
        let policy = policy.revocation(Revocation::IfAvailable);
        let rejected =
            PathChecker::new(&anchors, &policy).intermediates(alice.chain()).crls([&list]).check(alice.certificate());
        assert_eq!(rejected.unwrap_err().revocation(), crate::RevocationStatus::Revoked);
    }

    #[test]
    fn t_128_a_key_that_does_not_match_makes_no_credential() {
        let now = Time::parse_rfc3339("2026-11-24").unwrap();
        let key = Arc::new(SoftwareKey::generate(KeyKind::P256).unwrap());
        let root =
            Issuer::new_root(key, &CertificateBuilder::authority(Subject::named("Root"), None, now, now.plus_days(1)))
                .unwrap();
        let other = Arc::new(SoftwareKey::generate(KeyKind::P256).unwrap());
        let mismatch = Credential::new(other, [root.certificate().clone()]).map(|_| ());
        assert_eq!(mismatch, Err(crate::CredentialError::Mismatch));
    }
}
