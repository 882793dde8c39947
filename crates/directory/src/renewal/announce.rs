use asn1::Time;
use pki::{Certificate, Credential};

use super::texts;
use crate::database::values;
use crate::key_ring::in_background;
use crate::{
    Address, CredentialId, CredentialInfo, CredentialState, Directory, Error, KeyRing, Language, Outgoing,
    OutgoingKind, statements as sql,
};

/// A partner whose latest encrypted mail was to a certificate that is no longer in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKeyUse {
    /// Who.
    pub partner: Address,
    /// To which one they encrypt.
    pub credential: CredentialId,
    /// When they last did.
    pub last_used: Time,
}

impl Directory {
    /// Remembers to which of an employee's certificates a partner has encrypted. Whoever the employee has never written
    /// to is nobody's partner: who a mail says it is from is anybody's word.
    pub async fn record_key_use(
        &self,
        employee: &Address,
        certificate: &Certificate,
        partner: &Address,
    ) -> Result<(), Error> {
        let row = values![employee.key(), certificate.sha256().to_hex(), partner.key(), self.now()];
        self.database().execute(sql::RECORD_KEY_USE, row).await.map(drop)
    }

    /// The partners who still encrypt to an old certificate of an employee.
    pub async fn still_on_old_keys(&self, employee: &Address) -> Result<Vec<OldKeyUse>, Error> {
        let mut found: Vec<OldKeyUse> = Vec::new();
        let mut seen: Option<String> = None;
        for mut row in self.database().fetch(sql::KEY_USES_OF, values![employee.key()]).await? {
            let (partner, credential, state, last_used) = (row.text()?, row.int()?, row.text()?, row.time()?);
            // Of each partner the latest alone.
            if seen.as_deref() == Some(partner.as_str()) {
                continue;
            }
            if state != CredentialState::Active.name() {
                let partner = Address::parse(&partner).map_err(Error::corrupt)?;
                found.push(OldKeyUse { partner, credential: CredentialId(credential), last_used });
            }
            seen = Some(partner);
        }
        Ok(found)
    }
}

impl KeyRing {
    /// Sends what is new to those who have written with its owner.
    pub(super) async fn announce_new(&self, failures: &mut Vec<(CredentialId, String)>) -> Result<u64, Error> {
        let directory = self.directory();
        let rows = directory.database().fetch(sql::CREDENTIALS_TO_ANNOUNCE, values![directory.now(), STEP]).await?;
        let mut announced = 0;
        for row in rows {
            let credential = CredentialInfo::read(row)?;
            match self.announce(&credential).await {
                Ok(mails) => announced += mails,
                Err(error) => failures.push((credential.id, error.to_string())),
            }
        }
        Ok(announced)
    }

    /// Sends a certificate, in a mail that its owner signs, to everybody who has written with the owner within two
    /// years. Each gets it once.
    pub async fn announce(&self, credential: &CredentialInfo) -> Result<u64, Error> {
        let directory = self.directory();
        let (now, employee) = (directory.now(), &credential.address);
        let id = credential.id.number();
        let mut mails = 0;
        let earlier = directory.database().fetch_one(sql::HAS_EARLIER_CREDENTIAL, values![id]).await?;
        // A first certificate is learned from the first signed mail.
        if earlier.is_some()
            && let Some(signing) = self.signing_credential(employee).await?
        {
            let person = directory.person(credential.person).await?;
            let name = person.map(|person| person.name).unwrap_or_default();
            let since = now.plus_days(-PARTNER_DAYS);
            let partners = directory.database().fetch(sql::PARTNERS_WRITTEN, values![employee.key(), since]).await?;
            for mut row in partners {
                let partner = Address::parse(&row.text()?).map_err(Error::corrupt)?;
                if directory.is_inside(&partner) {
                    continue;
                }
                let known = directory.person_at(&partner).await?;
                let language = known.map_or(directory.settings().language, |partner| partner.language);
                let content = self.announcement(credential, &signing, &name, &partner, language).await?;
                let outgoing = Outgoing {
                    sender: Some(employee.clone()),
                    recipient: partner.clone(),
                    content,
                    kind: OutgoingKind::Letter,
                    // One every two seconds: nobody's mail server takes it for a flood.
                    not_before: Some(now.plus_seconds(i64::try_from(mails * 2).unwrap_or(i64::MAX))),
                    key: Some(format!("announce {} {}", credential.id, partner.key())),
                };
                directory.enqueue(outgoing).await?;
                mails += 1;
            }
        }
        directory.database().execute(sql::MARK_ANNOUNCED, values![id, now]).await?;
        Ok(mails)
    }

    async fn announcement(
        &self,
        credential: &CredentialInfo,
        signing: &Credential,
        name: &str,
        partner: &Address,
        language: Language,
    ) -> Result<Vec<u8>, Error> {
        let (settings, now) = (self.directory().settings(), self.directory().now());
        let mail = texts::announcement(settings, language, &credential.address);
        let german = language == Language::German;
        let mut certificates = vec![credential.certificate.clone()];
        certificates.extend(credential.chain.iter().cloned());
        let name = crate::texts::plain(name);
        let message = mime::MessageBuilder::new()
            .field("Date", &mime::date(now.to_unix()))
            .mailbox("From", (!name.is_empty()).then_some(name.as_str()), &credential.address.to_string())
            .field("To", &partner.to_string())
            .text_field("Subject", &mail.subject)
            .field("Message-ID", &format!("<{}@{}>", crate::OutboxId::random()?, credential.address.domain()))
            .field("Content-Language", language.code())
            // RFC 3834 §5: nobody answers this by program.
            .field("Auto-Submitted", "auto-generated")
            .text(mail.body)
            .attach(mime::Attachment {
                file_name: if german { "zertifikat.p7c" } else { "certificate.p7c" }.into(),
                content_type: "application/pkcs7-mime".into(),
                content: cms::certificates_only(&certificates),
            })
            .build();
        let signing = signing.clone();
        let signed = in_background(move || smime::Signer::new(&signing)?.at(now).sign(&message)).await?;
        signed.map_err(|error| match error {
            smime::Error::Cms(cms::Error::Crypto(error)) => Error::Crypto(error),
            error => Error::Malformed { what: "a mail to be signed", because: error.to_string() },
        })
    }
}

const STEP: i64 = 50;
const PARTNER_DAYS: i64 = 730;
