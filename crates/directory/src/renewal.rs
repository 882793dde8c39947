//! Certificates that come to their end: who is told when, what the house renews by itself, and how partners learn of it.

mod announce;
mod texts;

use asn1::Time;
use crypto::{Curve, KeyKind, PublicKey, PublicKeyKind, TokenReference};
use pki::Subject;

use crate::database::values;
use crate::{
    Actor, CredentialFilter, CredentialId, CredentialInfo, CredentialState, Directory, Error, KeyOrder, KeyPlace,
    KeyRing, KeyUse, OutboxId, Outgoing, OutgoingKind, Person, Role, outbox, statements as sql,
};

pub use announce::OldKeyUse;

/// How many days before the end somebody is told, each time once; 0 is the end itself (CASES T-126).
pub const RENEWAL_STAGES: [u16; 6] = [60, 30, 14, 7, 1, 0];

/// From which stage on the employee is told as well, whose mail will not be signed any more.
const EMPLOYEE_STAGE: u16 = 14;

/// A certificate of somebody inside that ends soon, or has ended, and that no newer one stands for.
#[derive(Debug, Clone)]
pub struct DueRenewal {
    /// The certificate.
    pub credential: CredentialInfo,
    /// Whole days that are left; negative when it has ended.
    pub days_left: i64,
    /// The stage of [`RENEWAL_STAGES`] that it has reached.
    pub stage: u16,
    /// Whether a CA of the house issued it, which can renew it at once.
    pub of_house: bool,
}

/// What happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalSettings {
    /// How many days before its end a certificate of the house's own CA is renewed; 0 is never.
    pub house_days: u16,
    /// For how many days the new one is valid.
    pub validity_days: u16,
    /// Whether the partners of an employee are sent the new certificate.
    pub announce: bool,
}

impl Default for RenewalSettings {
    fn default() -> Self {
        Self { house_days: 30, validity_days: 365, announce: true }
    }
}

/// What [`KeyRing::renew_due`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenewalReport {
    /// Mails to officers and employees.
    pub notices: u64,
    /// Certificates that the house renewed.
    pub renewed: u64,
    /// Mails to partners with a new certificate.
    pub announced: u64,
    /// What went wrong, certificate by certificate; it is tried again the next time.
    pub failures: Vec<(CredentialId, String)>,
}

impl Directory {
    /// The certificates that end within 60 days and those that ended within the last 30, the first to end first.
    pub async fn renewals_due(&self) -> Result<Vec<DueRenewal>, Error> {
        let now = self.now();
        let first_stage = i64::from(RENEWAL_STAGES.first().copied().unwrap_or_default());
        let ending = CredentialFilter::EndingBefore(now.plus_days(first_stage));
        let authorities = self.house_authorities().await?;
        let mut due = Vec::new();
        for credential in self.credentials(&ending, MOST_DUE).await? {
            let end = credential.certificate.validity().not_after;
            if end < now.plus_days(-REMEMBERED_DAYS) || self.is_replaced(&credential).await? {
                continue;
            }
            let days_left = (end.to_unix() - now.to_unix()).div_euclid(86_400);
            let reached = RENEWAL_STAGES.iter().rev().find(|stage| days_left < i64::from(**stage));
            let stage = if end < now { 0 } else { reached.copied().unwrap_or_default() };
            let issuer = credential.certificate.issuer();
            let of_house = authorities.iter().any(|authority| authority.certificate.subject() == issuer);
            due.push(DueRenewal { credential, days_left, stage, of_house });
        }
        Ok(due)
    }

    /// Whether another certificate in use, maybe not valid yet, does the same and ends later.
    async fn is_replaced(&self, credential: &CredentialInfo) -> Result<bool, Error> {
        let own = CredentialFilter::For(credential.address.clone());
        let end = credential.certificate.validity().not_after;
        let mut later = Vec::new();
        for other in self.credentials(&own, 100).await? {
            if other.state == CredentialState::Active && other.certificate.validity().not_after > end {
                later.push(other.key_use);
            }
        }
        let does = |wanted: KeyUse| later.iter().any(|key_use| *key_use == wanted || *key_use == KeyUse::Both);
        Ok(match credential.key_use {
            KeyUse::Both => does(KeyUse::Sign) && does(KeyUse::Encrypt),
            one => does(one),
        })
    }
}

impl KeyRing {
    /// Renews what the house can renew, tells people about the rest, and sends partners what is new. To be called every
    /// hour; of several processes, one does it.
    pub async fn renew_due(&self, worker: &str, settings: &RenewalSettings) -> Result<RenewalReport, Error> {
        let (directory, mut report) = (self.directory(), RenewalReport::default());
        let now = directory.now();
        let lease = values!["renewal", worker, now, now.plus_seconds(LEASE_SECONDS)];
        if directory.database().execute(sql::TAKE_LEASE, lease).await? == 0 {
            return Ok(report);
        }
        let mut left = Vec::new();
        for due in directory.renewals_due().await? {
            if !due.of_house || due.days_left >= i64::from(settings.house_days) {
                left.push(due);
                continue;
            }
            match self.renew(&due.credential, settings.validity_days, &Actor::System).await {
                Ok(_) => report.renewed += 1,
                Err(error) => {
                    report.failures.push((due.credential.id, error.to_string()));
                    left.push(due);
                }
            }
        }
        report.notices = directory.send_notices(&left).await?;
        if settings.announce {
            report.announced = self.announce_new(&mut report.failures).await?;
        }
        Ok(report)
    }

    /// A new key and a new certificate of the house's own CA, with what the old one said. The old one goes on decrypting.
    pub async fn renew(&self, old: &CredentialInfo, days: u16, by: &Actor) -> Result<CredentialId, Error> {
        self.issue(old.person, &same_again(old)?, days, by).await
    }
}

impl Directory {
    /// To each officer one mail about everything that has reached a new stage, and to employees one about their own.
    async fn send_notices(&self, due: &[DueRenewal]) -> Result<u64, Error> {
        let now = self.now();
        let officers = self.people(Role::Officer, None, 100).await?;
        let mut employees = Vec::new();
        for due in due.iter().filter(|due| due.stage <= EMPLOYEE_STAGE) {
            employees.push((due.credential.id, self.person(due.credential.person).await?));
        }
        let mut tx = self.database().begin().await?;
        let (mut reached, mut mails) = (Vec::new(), Vec::<(Person, crate::texts::Mail, String)>::new());
        for due in due {
            let row = values![due.credential.id.number(), i64::from(due.stage), now];
            if tx.execute(sql::ADD_RENEWAL_NOTICE, row).await? > 0 {
                reached.push(due);
            }
        }
        if reached.is_empty() {
            return Ok(0);
        }
        for due in &reached {
            let employee =
                employees.iter().find(|(id, _)| *id == due.credential.id).and_then(|(_, person)| person.clone());
            if let Some(employee) = employee.filter(|employee| employee.active) {
                let mail = texts::ends_for_employee(self.settings(), employee.language, due);
                mails.push((employee, mail, format!("renewal {} {}", due.credential.id, due.stage)));
            }
        }
        for officer in officers.into_iter().filter(|officer| officer.active) {
            let mail = texts::ends_for_officer(self.settings(), officer.language, &reached);
            let first = reached.first().map(|due| format!("{} {}", due.credential.id, due.stage)).unwrap_or_default();
            let key = format!("renewals {} {first} {}", officer.id, now.to_unix());
            mails.push((officer, mail, key));
        }
        let mut sent = 0;
        for (person, mail, key) in mails {
            let content = crate::texts::render(self.settings(), &person.address, person.language, now, &mail)?;
            let outgoing = Outgoing {
                sender: Some(self.settings().notify_from.clone()),
                recipient: person.address,
                content,
                kind: OutgoingKind::Reminder,
                not_before: None,
                key: Some(key),
            };
            let id = OutboxId::random()?;
            let kept = outbox::add(&mut tx, &self.settings().store_key, id, &outgoing, now).await?;
            sent += u64::from(kept == id);
        }
        tx.commit().await?;
        Ok(sent)
    }
}

/// The order for a key and a certificate like those that somebody has.
pub(crate) fn same_again(old: &CredentialInfo) -> Result<KeyOrder, Error> {
    let certificate = &old.certificate;
    let place = match &old.token_key {
        Some(reference) => KeyPlace::Token(TokenReference::parse(reference).map_err(Error::corrupt)?.token),
        None => KeyPlace::Sealed,
    };
    let also_for =
        certificate.email_addresses().iter().filter(|address| *address != old.address.email()).cloned().collect();
    Ok(KeyOrder {
        kind: kind_of(certificate.public_key().map_err(Error::corrupt)?)?,
        place,
        key_use: old.key_use,
        subject: Subject::from_name(certificate.subject()),
        also_for,
    })
}

// What was too short is made longer.
fn kind_of(key: &PublicKey) -> Result<KeyKind, Error> {
    Ok(match key.kind() {
        PublicKeyKind::Rsa { bits, .. } if bits > 3072 => KeyKind::Rsa4096,
        PublicKeyKind::Rsa { .. } => KeyKind::Rsa3072,
        PublicKeyKind::Ec(Curve::P256) => KeyKind::P256,
        PublicKeyKind::Ec(Curve::P384) => KeyKind::P384,
        PublicKeyKind::Ec(Curve::P521) => KeyKind::P521,
        PublicKeyKind::Ec(Curve::BrainpoolP256r1) => KeyKind::BrainpoolP256r1,
        PublicKeyKind::Ec(Curve::BrainpoolP384r1) => KeyKind::BrainpoolP384r1,
        PublicKeyKind::Ed25519 => KeyKind::Ed25519,
        PublicKeyKind::X25519 => KeyKind::X25519,
        PublicKeyKind::MlDsa(level) => KeyKind::MlDsa(level),
        PublicKeyKind::MlKem(level) => KeyKind::MlKem(level),
        _ => return Err(Error::NotAllowed { what: "making a key of this kind" }),
    })
}

/// For how long it is said that a certificate has ended.
const REMEMBERED_DAYS: i64 = 30;
const MOST_DUE: u32 = 10_000;
const LEASE_SECONDS: i64 = 300;

/// The last moment of the day on which a certificate ends, for people.
fn day(time: Time) -> String {
    let parts = time.parts();
    format!("{:04}-{:02}-{:02}", parts.year, parts.month, parts.day)
}
