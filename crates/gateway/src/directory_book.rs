//! The directory and the key ring, as the gateway sees them.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use asn1::Time;
use crypto::ContentCipher;
use directory::{
    Actor, Address, Directory, Folder, JournalKey, KeyRing, MessageStore, NewMessage, Origin, Outgoing, OutgoingKind,
    PartnerCertificate, RequestFilter, State, Submission, Trace, texts,
};
use pki::{
    Certificate, Credential, EmailAddress, PathCache, PathChecker, PathPolicy, Purpose, Revocation, TrustAnchors,
};
use tokio::sync::{Notify, mpsc};

use crate::acme::Answerer;
use crate::book::{Book, Candidate, Certificates, IntakeMail, MessageKey, Unavailable, WebmailerMessage};
use crate::facts::own_ids;
use crate::finder;
use crate::inquiry::{Answer, Inquiry};
use crate::intake::Intake;
use crate::log_in::LogIn;
use crate::smtp::Reply;

/// The book that the program uses.
#[derive(Debug)]
pub(crate) struct DirectoryBook {
    directory: Directory,
    keys: KeyRing,
    store: Option<MessageStore>,
    intake: Intake,
    answerer: Option<Answerer>,
    log_in: LogIn,
    inquiry: Inquiry,
    intake_address: EmailAddress,
    paths: PathCache,
    wake: Arc<Notify>,
    written: Mutex<HashMap<(String, String), Instant>>,
    traces: mpsc::Sender<Vec<Trace>>,
    wanted: mpsc::Sender<EmailAddress>,
}

impl From<directory::Error> for Unavailable {
    // Whatever the directory cannot say now holds the mail: a damaged row or a wrong master key as well (CASES T-88).
    fn from(error: directory::Error) -> Self {
        Self { because: error.to_string() }
    }
}

impl DirectoryBook {
    /// The book, the traces that it wants kept, and the people that it wants certificates of.
    pub(crate) fn new(
        directory: Directory,
        keys: KeyRing,
        store: Option<MessageStore>,
        intake: Intake,
        answerer: Option<Answerer>,
        log_in: LogIn,
        inquiry: Inquiry,
    ) -> (Self, mpsc::Receiver<Vec<Trace>>, mpsc::Receiver<EmailAddress>) {
        let intake_address = directory.settings().intake.email().clone();
        let (traces, kept) = mpsc::channel(TRACES);
        let (wanted, looked_up) = mpsc::channel(finder::WAITING);
        let this = Self {
            directory,
            keys,
            store,
            wake: intake.wake(),
            intake,
            answerer,
            log_in,
            inquiry,
            intake_address,
            paths: PathCache::new(),
            written: Mutex::default(),
            traces,
            wanted,
        };
        (this, kept, looked_up)
    }

    /// Where the webmailer's messages are.
    pub(crate) fn store(&self) -> Option<&MessageStore> {
        self.store.as_ref()
    }

    /// What opens private keys.
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Told when something was put into the outbox here.
    pub(crate) fn wake(&self) -> &Notify {
        &self.wake
    }

    /// What the house signs its own mail with, if it has something.
    pub(crate) async fn house_credential(&self) -> Result<Option<Credential>, Unavailable> {
        Ok(self.keys.signing_credential(&self.directory.settings().notify_from).await?)
    }

    fn view(&self) -> View<'_> {
        View { directory: &self.directory, paths: &self.paths }
    }

    fn is_new(&self, employee: &EmailAddress, partner: &EmailAddress) -> bool {
        let pair = (employee.canonical(), partner.canonical());
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.get(&pair).is_some_and(|at| at.elapsed() < REMEMBERED) {
            return false;
        }
        if written.len() >= MOST_REMEMBERED {
            written.clear();
        }
        written.insert(pair, Instant::now());
        true
    }
}

/// Messages whose traces may wait to be kept.
const TRACES: usize = 10_000;
/// How long a pair of correspondents needs no second row, and how many are remembered.
const REMEMBERED: Duration = Duration::from_secs(3_600);
const MOST_REMEMBERED: usize = 50_000;

impl Book for DirectoryBook {
    fn now(&self) -> Time {
        self.directory.now()
    }

    fn is_inside(&self, address: &EmailAddress) -> bool {
        self.view().is_inside(address)
    }

    async fn anchors(&self) -> Result<Arc<TrustAnchors>, Unavailable> {
        Ok(Arc::new(self.directory.trust_anchors().await?))
    }

    async fn certificates(&self, address: &EmailAddress) -> Result<Certificates, Unavailable> {
        self.view().certificates(address).await
    }

    async fn unusable(&self, address: &EmailAddress) -> Result<Vec<String>, Unavailable> {
        self.view().unusable(address).await
    }

    async fn groups(&self, address: &EmailAddress) -> Result<Vec<String>, Unavailable> {
        self.view().groups(address).await
    }

    async fn house_certificates(&self, address: &EmailAddress) -> Result<Vec<Certificate>, Unavailable> {
        self.view().house_certificates(address).await
    }

    async fn signing(&self, address: &EmailAddress) -> Result<Option<Credential>, Unavailable> {
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(None) };
        // Nobody signs for somebody who has left.
        if !self.directory.person_at(&address).await?.is_some_and(|person| person.active) {
            return Ok(None);
        }
        Ok(self.keys.signing_credential(&address).await?)
    }

    async fn decryption(&self, address: &EmailAddress) -> Result<Vec<Credential>, Unavailable> {
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(Vec::new()) };
        Ok(self.keys.decryption_credentials(&address).await?)
    }

    async fn encrypted_to(&self, employee: &EmailAddress, certificate: &Certificate, partner: &EmailAddress) {
        let (Ok(employee), Ok(partner)) = (Address::from_email(employee.clone()), Address::from_email(partner.clone()))
        else {
            return;
        };
        if self.directory.is_inside(&partner) {
            return;
        }
        // A statistic: it holds no mail up.
        if let Err(error) = self.directory.record_key_use(&employee, certificate, &partner).await {
            tracing::warn!(%error, "which key a partner encrypts to was not noted");
        }
    }

    async fn delivered(&self, message: &MessageKey) -> Result<HashSet<String>, Unavailable> {
        Ok(self.directory.delivered_groups(&JournalKey::of_digest(&message.0)).await?)
    }

    async fn record_delivery(&self, message: &MessageKey, recipient: &EmailAddress) -> Result<(), Unavailable> {
        Ok(self.directory.record_delivery(&JournalKey::of_digest(&message.0), &recipient.canonical()).await?)
    }

    async fn finish_delivery(&self, message: &MessageKey) -> Result<(), Unavailable> {
        Ok(self.directory.finish_delivery(&JournalKey::of_digest(&message.0)).await?)
    }

    async fn learn(&self, address: &EmailAddress, candidate: &Candidate) -> Result<(), Unavailable> {
        let Candidate { certificate, chain, capabilities, signed } = candidate;
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(()) };
        if self.directory.is_inside(&address) {
            return Ok(());
        }
        let active = self.directory.active_certificates(&address).await?;
        if let Some(active) = active.iter().find(|active| active.certificate == *certificate) {
            let news = capabilities.as_ref().filter(|der| active.capabilities.as_ref() != Some(der) && is_strong(der));
            if let (Some(der), Some(signed)) = (news, signed) {
                self.directory.record_capabilities(&address, &certificate.sha256(), der, *signed).await?;
            }
            return Ok(());
        }
        // A certificate that only signs is no candidate, and one that is known already is not asked for twice.
        if cms::Recipient::new(certificate).is_err() || !may_encrypt(certificate) {
            return Ok(());
        }
        let known = self.directory.requests(&RequestFilter::For(address.clone()), 100).await?;
        if known.iter().any(|request| request.fingerprint() == certificate.sha256()) {
            return Ok(());
        }
        // CASES T-60: a candidate, and no more than that, whatever is in use now.
        let by = Actor::Mail(address.clone());
        let mut submission = Submission::new(address, certificate.clone(), Origin::Learned, by);
        submission.intermediates = chain.clone();
        match self.directory.submit(submission).await {
            Ok(request) => {
                tracing::info!(request = %request.id(), state = request.state().name(), "a certificate was learnt");
                self.wake.notify_one();
                Ok(())
            }
            // Somebody else is taking it in.
            Err(directory::Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn wrote(&self, employee: &EmailAddress, partner: &EmailAddress) {
        if !self.is_new(employee, partner) {
            return;
        }
        let (Ok(employee), Ok(partner)) = (Address::from_email(employee.clone()), Address::from_email(partner.clone()))
        else {
            return;
        };
        let noted = async {
            self.directory.record_contact(&employee, &partner).await?;
            self.directory.seen(&partner).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "who wrote to whom was not noted");
        }
    }

    fn is_wanted(&self, address: &EmailAddress) {
        // Whoever is not looked up now is looked up with the next mail.
        let _ = self.wanted.try_send(address.clone());
    }

    async fn mark_confidential(&self, message_id: &str) -> Result<(), Unavailable> {
        Ok(self.directory.mark_confidential(message_id).await?)
    }

    async fn is_confidential(&self, message_ids: &[String]) -> Result<bool, Unavailable> {
        self.view().is_confidential(message_ids).await
    }

    fn trace(&self, traces: Vec<Trace>) {
        // What is not explained later is lost; what is not delivered would be worse.
        if self.traces.try_send(traces).is_err() {
            tracing::warn!("too many traces wait to be kept; some were dropped");
        }
    }

    async fn authenticate(&self, name: &str, password: &str, network: IpAddr) -> Result<bool, Reply> {
        self.log_in.check(&self.directory, name, password, network).await
    }

    fn revocation(&self) -> Revocation {
        self.directory.settings().revocation
    }

    fn revocations(&self) -> Option<Arc<dyn smime::Revocations>> {
        Some(known_revocations(&self.directory))
    }

    async fn ask_about(&self, signer: &Certificate, others: &[Certificate]) -> Result<Answer, Unavailable> {
        self.inquiry.about(&self.directory, signer, others).await
    }

    fn has_webmailer(&self) -> bool {
        self.store.is_some()
    }

    async fn reads_webmailer(&self, address: &EmailAddress) -> Result<bool, Unavailable> {
        self.view().reads_webmailer(address).await
    }

    async fn keep(&self, message: WebmailerMessage) -> Result<(), Unavailable> {
        let store = self.store.as_ref().ok_or_else(|| Unavailable { because: "there is no webmailer".into() })?;
        let (partner, from) = (Address::from_email(message.to)?, Address::from_email(message.from)?);
        let (settings, now) = (self.directory.settings(), self.directory.now());
        let language = self.directory.person_at(&partner).await?.map_or(settings.language, |person| person.language);
        let body = store.put(&message.content).await?;
        let mail = texts::notification(settings, language, &from.to_string());
        let notification = Outgoing {
            sender: Some(settings.notify_from.clone()),
            recipient: partner.clone(),
            content: texts::render(settings, &partner, language, now, &mail)?,
            kind: OutgoingKind::Notification,
            not_before: None,
            key: Some(format!("webmailer {} {}", message.key, partner.key())),
        };
        let new = NewMessage {
            partner,
            folder: Folder::Inbox,
            correspondent: from,
            subject: message.subject,
            body,
            bytes: u64::try_from(message.content.len()).unwrap_or(u64::MAX),
        };
        // The partner may not read it in the clear, so nobody does in what is answered to it (CASES T-30).
        let header = mime::Header::parse(&message.content, &mime::Limits::default());
        for id in header.map(|(header, _)| own_ids(&header).0).unwrap_or_default() {
            self.directory.mark_confidential(&id).await?;
        }
        // When the answer to the commit is lost, the body stays: the message may be there (CASES R-06).
        if self.directory.add_message_once(&new, &notification).await?.is_none() {
            // It is kept already: a body too many is no reason to put this mail off, and is swept later.
            if let Err(error) = store.remove(body).await {
                tracing::warn!(%error, %body, "a message body was not removed");
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    fn is_intake(&self, address: &EmailAddress) -> bool {
        address.canonical() == self.intake_address.canonical()
    }

    async fn take_in(&self, mail: IntakeMail) -> Result<(), Reply> {
        self.intake.take_in(mail).await
    }

    async fn answer_challenge(&self, to: &EmailAddress, content: &[u8]) -> Result<bool, Reply> {
        let Some(answerer) = &self.answerer else { return Ok(false) };
        let answered = answerer.answer(&self.directory, &self.keys, to, content).await?;
        if answered {
            self.wake.notify_one();
        }
        Ok(answered)
    }
}

/// The certificates that mail to an address is encrypted to, in use and trusted now: what a gateway with this directory
/// would choose from.
///
/// # Errors
/// When the directory cannot be asked.
pub async fn certificates_for(directory: &Directory, address: &EmailAddress) -> Result<Vec<Certificate>, Unavailable> {
    View { directory, paths: &PathCache::new() }.house_certificates(address).await
}

/// What the directory knows of revocation, for the threads that take messages apart.
pub(crate) fn known_revocations(directory: &Directory) -> Arc<dyn smime::Revocations> {
    let runtime = tokio::runtime::Handle::current();
    Arc::new(KnownRevocations { directory: directory.clone(), runtime })
}

/// The directory, asked from the threads that take messages apart.
#[derive(Debug)]
struct KnownRevocations {
    directory: Directory,
    runtime: tokio::runtime::Handle,
}

impl smime::Revocations for KnownRevocations {
    fn about(&self, signer: &Certificate, others: &[Certificate]) -> std::io::Result<smime::RevocationMaterial> {
        self.runtime.block_on(self.directory.signer_revocation(signer, others)).map_err(std::io::Error::other)
    }
}

/// What can be known without any key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) paths: &'a PathCache,
}

impl View<'_> {
    pub(crate) fn is_inside(&self, address: &EmailAddress) -> bool {
        self.directory.settings().domains.iter().any(|domain| domain == address.domain())
    }

    pub(crate) async fn certificates(&self, address: &EmailAddress) -> Result<Certificates, Unavailable> {
        // An address that the directory does not take has no certificate there.
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(Vec::new()) };
        let active = self.directory.active_certificates(&address).await?;
        if active.is_empty() {
            return Ok(Vec::new());
        }
        let anchors = self.directory.trust_anchors().await?;
        let trusted = active.into_iter().filter(|active| self.is_trusted(active, &anchors));
        Ok(trusted.map(|active| (active.certificate, active.capabilities)).collect())
    }

    pub(crate) async fn unusable(&self, address: &EmailAddress) -> Result<Vec<String>, Unavailable> {
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(Vec::new()) };
        let in_use = self.certificates(address.email()).await?;
        let requests = self.directory.requests(&RequestFilter::For(address), 20).await?;
        let now = self.directory.now();
        let about = |request: &directory::Request| {
            let why = match (request.state(), request.refusal()) {
                (State::Received, _) => "its CA is not known here, and nobody has decided about it".to_owned(),
                (State::Checked, _) => "its owner has not confirmed it yet".to_owned(),
                (State::Confirmed | State::Approved, _) => "no officer has approved it yet".to_owned(),
                (State::Active, _) if request.certificate().validity().not_after < now => "it expired".to_owned(),
                (State::Active, _) => "its CA is not trusted any more".to_owned(),
                (_, Some(refusal)) => refusal.detail.clone(),
                (state, None) => format!("it is {}", state.name()),
            };
            format!("{}: {why}", request.fingerprint())
        };
        let used = |request: &directory::Request| in_use.iter().any(|(used, _)| used == request.certificate());
        Ok(requests.iter().filter(|request| !used(request)).map(about).collect())
    }

    pub(crate) async fn groups(&self, address: &EmailAddress) -> Result<Vec<String>, Unavailable> {
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(Vec::new()) };
        match self.directory.person_at(&address).await? {
            Some(person) => Ok(self.directory.groups_of(person.id).await?),
            None => Ok(Vec::new()),
        }
    }

    pub(crate) async fn reads_webmailer(&self, address: &EmailAddress) -> Result<bool, Unavailable> {
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(false) };
        Ok(self.directory.account_at(&address).await?.is_some())
    }

    pub(crate) async fn house_certificates(&self, address: &EmailAddress) -> Result<Vec<Certificate>, Unavailable> {
        let Ok(inside) = Address::from_email(address.clone()) else { return Ok(Vec::new()) };
        if !self.is_inside(address) {
            return Ok(self.certificates(address).await?.into_iter().map(|(certificate, _)| certificate).collect());
        }
        let all = self.directory.employee_certificates(&inside).await?;
        Ok(all.into_iter().filter(may_encrypt).take(1).collect())
    }

    /// The certificate that somebody's mail is signed with, as far as it can be told without the keys.
    pub(crate) async fn signing_certificate(&self, address: &EmailAddress) -> Result<Option<Certificate>, Unavailable> {
        let Ok(address) = Address::from_email(address.clone()) else { return Ok(None) };
        if !self.directory.person_at(&address).await?.is_some_and(|person| person.active) {
            return Ok(None);
        }
        let signs = |certificate: &Certificate| {
            let wanted = pki::KeyUsage::DIGITAL_SIGNATURE.with(pki::KeyUsage::NON_REPUDIATION);
            certificate.key_usage().is_none_or(|usage| usage.intersects(wanted))
                && certificate.validity().contains(self.directory.now())
        };
        Ok(self.directory.employee_certificates(&address).await?.into_iter().find(signs))
    }

    pub(crate) async fn is_confidential(&self, message_ids: &[String]) -> Result<bool, Unavailable> {
        let ids: Vec<&str> = message_ids.iter().map(String::as_str).collect();
        Ok(self.directory.is_confidential(&ids).await?)
    }

    /// Whether a certificate in use still leads to a root that is trusted now: officers may have taken one back.
    fn is_trusted(&self, active: &PartnerCertificate, anchors: &TrustAnchors) -> bool {
        let policy = PathPolicy::at(self.directory.now())
            .purpose(Purpose::Encrypt)
            .address(active.address.email().clone())
            .revocation(Revocation::Off);
        let checker = PathChecker::new(anchors, &policy).intermediates(&active.intermediates).cache(self.paths);
        checker.check(&active.certificate).is_ok()
    }
}

/// CASES T-69: capabilities without any AES are nobody's word about what to send.
fn is_strong(capabilities: &[u8]) -> bool {
    use ContentCipher::{Aes128Cbc, Aes128Gcm, Aes192Cbc, Aes192Gcm, Aes256Cbc, Aes256Gcm};
    smime::Capabilities::from_der(capabilities).is_some_and(|known| {
        [Aes256Gcm, Aes192Gcm, Aes128Gcm, Aes256Cbc, Aes192Cbc, Aes128Cbc].into_iter().any(|cipher| known.can(cipher))
    })
}

fn may_encrypt(certificate: &Certificate) -> bool {
    let wanted = pki::KeyUsage::KEY_ENCIPHERMENT.with(pki::KeyUsage::KEY_AGREEMENT);
    certificate.key_usage().is_none_or(|usage| usage.intersects(wanted))
}
