//! Mail to the intake address: certificates are found in whatever they come, sent into the one flow, and the sender
//! is told what was found (F2).
//!
//! A mail proves nothing about who wrote it (CASES T-71): each certificate is confirmed by an encrypted mail to its own
//! mailbox. Everything happens in memory; a private key that was sent in goes nowhere (CASES T-73).

mod answer;
mod language;
mod mailbox;

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use directory::harvest::{Finding, FoundFile, harvest};
use directory::{Actor, Address, Directory, KeyRing, Language, Limit, Origin, Request, Submission};
use mime::{Entity, Header};
use pki::{Certificate, Credential, EmailAddress};
use smime::{Decryptor, Sender, Verifier};
use tokio::sync::{Notify, Semaphore};

pub use mailbox::MailboxSettings;
pub(crate) use mailbox::watch_mailbox;

use crate::book::{IntakeMail, Unavailable};
use crate::directory_book::known_revocations;
use crate::facts::{Facts, Protection};
use crate::settings::IntakeSettings;
use crate::smtp::Reply;

/// Takes in what is mailed to the intake address.
#[derive(Debug)]
pub(crate) struct Intake {
    directory: Directory,
    keys: KeyRing,
    settings: IntakeSettings,
    limits: smime::Limits,
    /// So that a flood of mail to this address leaves the rest of the mail alone (CASES T-75).
    busy: Semaphore,
    unproven: Mutex<(i64, u32)>,
    wake: Arc<Notify>,
}

/// What a mail had in it.
struct Looked {
    found: Vec<FoundFile>,
    /// Whether the envelope's sender signed it.
    signed: bool,
    /// Whether what was found may be named to the envelope's sender.
    may_be_named: bool,
    language: Option<Language>,
}

impl Intake {
    pub(crate) fn new(directory: Directory, keys: KeyRing, settings: IntakeSettings, limits: smime::Limits) -> Self {
        Self {
            directory,
            keys,
            settings,
            limits,
            busy: Semaphore::new(AT_ONCE),
            unproven: Mutex::default(),
            wake: Arc::default(),
        }
    }

    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Takes a mail in; when this returns, what it led to is committed. The same mail again leads to nothing more.
    pub(crate) async fn take_in(&self, mail: IntakeMail) -> Result<(), Reply> {
        if mail.facts.null_sender {
            // Reports, perhaps about mail of ours: nobody sends a certificate like this.
            tracing::info!("a report to the intake address was dropped");
            return Ok(());
        }
        let wait = tokio::time::timeout(PATIENCE, self.busy.acquire());
        let _busy = wait.await.ok().and_then(Result::ok).ok_or_else(|| later("too much is being looked at"))?;
        let from = mail.facts.envelope_from.clone().and_then(|from| Address::from_email(from).ok());
        let sender = from.as_ref().map_or("nobody", Address::key);
        match self.directory.attempt(Limit::Upload, &[&format!("intake {sender}")]).await {
            // It ends by itself; what is counted is to be counted.
            Ok(counted) => drop(counted),
            Err(directory::Error::LimitReached { .. }) => return Err(too_many()),
            Err(error) => return Err(Unavailable::from(error).into()),
        }
        let (content, facts) = (Arc::new(mail.content), Arc::new(mail.facts));
        let looked = self.look(&content, &facts).await?;
        let known = match &from {
            Some(from) => self.directory.person_at(from).await.map_err(Unavailable::from)?,
            None => None,
        };
        let language = known
            .map(|person| person.language)
            .or(looked.language)
            .unwrap_or_else(|| self.directory.settings().language);
        if looked.found.iter().any(|file| file.finding == Finding::PrivateKey) {
            tracing::warn!(from = sender, "a private key was sent in; it was dropped");
            let actor = from.clone().map_or(Actor::System, Actor::Mail);
            let noted = self.directory.note(&actor, "intake.private-key", "intake", from.as_ref(), "dropped");
            noted.await.map_err(Unavailable::from)?;
        }
        let requests = self.submit(&looked.found, from.as_ref(), &facts, language).await?;
        if let Some(from) = &from
            && self.may_answer(&facts, looked.signed, from)
        {
            let named = looked.may_be_named.then_some((looked.found.as_slice(), requests.as_slice()));
            let answer = answer::compose(&self.directory, language, from, &facts, named, &mail.key);
            let answer = answer.map_err(Unavailable::from)?;
            // CASES T-74: one answer a day.
            let kept = self.directory.enqueue_answer(answer, &[]).await.map_err(Unavailable::from)?;
            tracing::info!(answered = kept.is_some(), files = looked.found.len(), "a mail was taken in");
        } else {
            tracing::info!(answered = false, files = looked.found.len(), "a mail was taken in");
        }
        self.wake.notify_one();
        Ok(())
    }

    async fn look(&self, content: &Arc<Vec<u8>>, facts: &Arc<Facts>) -> Result<Looked, Reply> {
        let keys = match facts.protection {
            Protection::Encrypted => {
                let intake = &self.directory.settings().intake;
                self.keys.decryption_credentials(intake).await.map_err(Unavailable::from)?
            }
            _ => Vec::new(),
        };
        let anchors = self.directory.trust_anchors().await.map_err(Unavailable::from)?;
        let mut policy = smime::Policy::new(anchors, self.directory.now(), self.limits.clone());
        policy.revocation = self.directory.settings().revocation;
        policy.revocations = Some(known_revocations(&self.directory));
        let (content, facts) = (Arc::clone(content), Arc::clone(facts));
        tokio::task::spawn_blocking(move || look_into(&content, &facts, &keys, &policy))
            .await
            .map_err(|_| crate::mail::broke_off())
    }

    /// Sends what was found into the flow.
    async fn submit(
        &self,
        found: &[FoundFile],
        from: Option<&Address>,
        facts: &Facts,
        language: Language,
    ) -> Result<Vec<Request>, Reply> {
        let all: Vec<&Certificate> = found
            .iter()
            .flat_map(|file| match &file.finding {
                Finding::Certificates(certificates) => certificates.as_slice(),
                _ => &[],
            })
            .collect();
        let intermediates: Vec<Certificate> = all.iter().filter(|other| other.is_ca()).copied().cloned().collect();
        let mut leaves: Vec<&Certificate> = Vec::new();
        for certificate in all {
            if !certificate.is_ca() && !leaves.contains(&certificate) {
                leaves.push(certificate);
            }
        }
        // Who is visible counts for this: it only decides which of a certificate's mailboxes is meant.
        let visible = facts.visible_from.clone().and_then(|from| Address::from_email(from).ok());
        let mut requests = Vec::new();
        for certificate in leaves.into_iter().take(MOST_CERTIFICATES) {
            for address in mailboxes(certificate, [visible.as_ref(), from]) {
                let by = from.cloned().map_or(Actor::System, Actor::Mail);
                let mut submission = Submission::new(address, certificate.clone(), Origin::IntakeMail, by);
                submission.intermediates = intermediates.clone();
                submission.language = Some(language);
                match self.directory.submit(submission).await {
                    Ok(request) => requests.push(request),
                    Err(error @ directory::Error::Malformed { .. }) => {
                        tracing::info!(%error, "a certificate that was sent in cannot be used");
                    }
                    Err(error) => return Err(Unavailable::from(error).into()),
                }
            }
        }
        Ok(requests)
    }

    /// CASES T-74: nobody is answered who may not have written, and no program.
    fn may_answer(&self, facts: &Facts, signed: bool, from: &Address) -> bool {
        let settings = self.directory.settings();
        if from == &settings.intake || from == &settings.notify_from || !answer::is_answerable(facts, &settings.intake)
        {
            return false;
        }
        if signed {
            return true;
        }
        match &self.settings.authentication_results {
            Some(server) => answer::has_passed(facts, server, from),
            None => self.counts_among_unproven(),
        }
    }

    fn counts_among_unproven(&self) -> bool {
        let hour = self.directory.now().to_unix().div_euclid(3_600);
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        if unproven.0 != hour {
            *unproven = (hour, 0);
        }
        if unproven.1 >= self.settings.answers_per_hour {
            return false;
        }
        unproven.1 += 1;
        true
    }
}

/// Takes off what encrypts it, looks at what is inside, and at who signed it.
fn look_into(content: &[u8], facts: &Facts, keys: &[Credential], policy: &smime::Policy) -> Looked {
    let mut inner = Vec::new();
    let mut opened = content;
    let signed = facts.envelope_from.as_ref().is_some_and(|from| is_signed_by(content, from, keys, policy));
    // CASES T-28: whoever sends captured mail of others here learns nothing of it.
    let may_be_named = facts.protection != Protection::Encrypted || signed;
    if facts.protection == Protection::Encrypted {
        // CASES T-21: what nothing protects against change may have been put together from others' mail.
        let spool = match Decryptor::new(keys, &policy.limits).decrypt(content) {
            Ok(Ok(mut decrypted)) => decrypted.reader().and_then(|mut r| r.read_to_end(&mut inner)).is_ok(),
            Ok(Err((_, unprotected))) if signed => {
                unprotected.into_unprotected().reader().and_then(|mut r| r.read_to_end(&mut inner)).is_ok()
            }
            Ok(Err(_)) | Err(_) => false,
        };
        if spool {
            opened = &inner;
        }
    }
    let language = Header::parse(content, &policy.limits.mime).ok().and_then(|(header, _)| {
        let entity = may_be_named.then(|| Entity::parse(opened, &policy.limits.mime).ok()).flatten();
        let text = entity.and_then(|entity| entity.first_text());
        language::of(&header, text.as_deref().unwrap_or_default())
    });
    let name = match language.unwrap_or_default() {
        Language::German => "Ihre Nachricht",
        Language::English => "your message",
    };
    let mut found = harvest(name, opened);
    // Logos are in most mails and are no attempt to send a certificate.
    let picture = |file: &FoundFile| {
        let name = file.name.to_ascii_lowercase();
        file.finding == Finding::NoCertificate
            && [".png", ".jpg", ".jpeg", ".gif"].iter().any(|end| name.ends_with(end))
    };
    if !found.iter().all(picture) {
        found.retain(|file| !picture(file));
    }
    Looked { found, signed, may_be_named, language }
}

fn is_signed_by(content: &[u8], from: &EmailAddress, keys: &[Credential], policy: &smime::Policy) -> bool {
    Verifier::new(policy)
        .with_keys(keys)
        .verify(content)
        .is_ok_and(|verification| verification.accept(&Sender::Address(from.clone())).is_ok())
}

/// Whom a certificate is for: the sender, when it is theirs; else whoever it names (CASES T-63: each of them is asked).
fn mailboxes(certificate: &Certificate, senders: [Option<&Address>; 2]) -> Vec<Address> {
    let named: Vec<Address> =
        certificate.email_addresses().into_iter().filter_map(|address| Address::from_email(address).ok()).collect();
    match senders.into_iter().flatten().find(|sender| named.contains(sender)) {
        Some(sender) => vec![sender.clone()],
        None => named.into_iter().take(MOST_MAILBOXES).collect(),
    }
}

/// About this sender alone; others are taken in.
pub(crate) fn too_many() -> Reply {
    later("this sender sent too many")
}

fn later(why: &str) -> Reply {
    Reply::new(451, "4.7.1", format!("certificates are not taken in now: {why}; try again later"))
}

/// Mails that are looked into at the same time, and how long others wait for that.
const AT_ONCE: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);
/// Certificates of one mail that are asked about, and mailboxes of one certificate (CASES T-110).
const MOST_CERTIFICATES: usize = 20;
const MOST_MAILBOXES: usize = 3;
