use std::fmt;
use std::io::{self, BufRead, Read as _};

use asn1::Time;
use cms::{Integrity, Receipt, SignedData, SignerInfo, SignerReport, Spool, oids};
use mime::{Header, Mailbox, VisibleFromError};
use pki::{
    Budget, Certificate, CertificateList, Credential, EmailAddress, OcspResponse, PathChecker, PathPolicy, Purpose,
    Reason, RevocationStatus,
};

use crate::layers::{Layer, LayerOpener, Opened, Until};
use crate::{
    Check, Content, ContentReader, Countersigner, Error, LayerReport, Policy, ProtectedHeader, RevocationMaterial,
    SignedReport, SignerVerdict, Source,
};

/// Verifies messages under a policy.
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// # let signed = smime::Signer::new(&alice)?.at(now).sign(mail)?;
/// use std::io::Read as _;
///
/// use smime::{Limits, Policy, Sender, Verifier};
///
/// // What is trusted, when, and where large content may wait: nothing is read from the environment.
/// let policy = Policy::new(pki.anchors(), now, Limits::in_folder(std::env::temp_dir()));
/// match Verifier::new(&policy).verify(&signed[..])?.accept(&Sender::VisibleFrom) {
///     Ok(mut content) => {
///         let mut text = String::new();
///         content.reader()?.read_to_string(&mut text)?; // the bytes that were signed
///         assert!(text.contains("Hello Bob"));
///     }
///     Err(rejected) => panic!("{rejected}: {:?}", rejected.layers()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A verification says nothing by itself, cannot be read from, and nothing else makes content that counts as verified:
///
/// ```compile_fail
/// fn read(verification: &mut smime::Verification) {
///     verification.reader();
/// }
/// ```
///
/// ```compile_fail
/// fn decide(verification: &smime::Verification) -> bool {
///     verification.is_valid()
/// }
/// ```
///
/// ```compile_fail
/// fn make<'s>(
///     content: smime::Content<'s>,
///     layers: Vec<smime::LayerReport>,
///     header: mime::Header,
/// ) -> smime::VerifiedContent<'s> {
///     smime::VerifiedContent { content, layers, header }
/// }
/// ```
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// fn forget(policy: &smime::Policy, mail: &[u8]) -> Result<(), smime::Error> {
///     smime::Verifier::new(policy).verify(mail)?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Verifier<'a> {
    policy: &'a Policy,
    credentials: &'a [Credential],
}

/// Whose address the signer must have.
#[derive(Debug, Clone)]
pub enum Sender {
    /// This one.
    Address(EmailAddress),
    /// The one visible From of the mail itself.
    VisibleFrom,
}

impl<'a> Verifier<'a> {
    /// Under this policy.
    pub fn new(policy: &'a Policy) -> Self {
        Self { policy, credentials: &[] }
    }

    /// Also opens encrypted layers with these keys.
    pub fn with_keys(self, credentials: &'a [Credential]) -> Self {
        Self { credentials, ..self }
    }

    /// Takes a message apart and checks each signature. What comes out is no decision yet.
    ///
    /// # Errors
    /// When the message cannot be read.
    pub fn verify(&self, message: impl BufRead) -> Result<Verification<'static>, Error> {
        self.verify_opened(self.opener().open(message, None)?)
    }

    /// The same for a message that can be read more than once, such as a file: large content is not put down anywhere
    /// while it waits for the verdict, but read once more when it is wanted. A file that was changed in between gives
    /// an error there, and nothing that was not verified.
    ///
    /// # Errors
    /// When the message cannot be read.
    pub fn verify_source<'s>(&self, message: impl Source + 's) -> Result<Verification<'s>, Error> {
        self.verify_opened(self.opener().open_source(message)?)
    }

    /// The same for a signature whose content is elsewhere.
    ///
    /// # Errors
    /// When signature or content cannot be read.
    pub fn verify_detached(
        &self,
        signature: impl BufRead,
        mut content: impl BufRead,
    ) -> Result<Verification<'static>, Error> {
        self.verify_opened(self.opener().open(signature, Some(&mut content))?)
    }

    fn opener(&self) -> LayerOpener<'_> {
        LayerOpener {
            limits: &self.policy.limits,
            credentials: self.credentials,
            most: self.policy.limits.layers,
            until: Until::Content,
        }
    }

    fn verify_opened<'s>(&self, opened: Opened<'s>) -> Result<Verification<'s>, Error> {
        if let Some(error) = opened.unavailable {
            return Err(error.into());
        }
        let budget = Budget::default();
        let mut failed_decryption = false;
        let layers = opened
            .layers
            .into_iter()
            .map(|layer| match layer {
                Layer::Signed { data, bare_line_feeds } => {
                    self.judge(&data, bare_line_feeds, &budget).map(LayerReport::Signed)
                }
                Layer::Encrypted { report, failed } => {
                    failed_decryption |= failed;
                    Ok(LayerReport::Encrypted(report))
                }
                Layer::Compressed => Ok(LayerReport::Compressed),
            })
            .collect::<Result<_, Error>>()?;
        Ok(Verification {
            header: opened.header,
            layers,
            content: opened.content,
            authenticated: opened.authenticated,
            failed_decryption,
            has_more: opened.has_more,
        })
    }

    // CASES T-02, S-43: each signer verified, and chained, by itself.
    fn judge(&self, data: &SignedData, bare_line_feeds: bool, budget: &Budget) -> Result<SignedReport, Error> {
        let reports = data.verify(&self.policy.certificates);
        let from_message: Vec<CertificateList> =
            data.crls().iter().filter_map(|der| CertificateList::from_der(der).ok()).collect();
        let stapled: Vec<OcspResponse> =
            data.ocsp_responses().iter().filter_map(|der| OcspResponse::from_der(der).ok()).collect();
        let signers = reports
            .into_iter()
            .zip(data.signers())
            .map(|(report, info)| {
                let capabilities =
                    info.signed_attributes().and_then(|attributes| attributes.value(oids::SMIME_CAPABILITIES));
                let mut verdict = describe(&report);
                verdict.capabilities = capabilities.map(<[u8]>::to_vec);
                verdict.countersigners = self.countersigners(info, data);
                if let (Integrity::Intact, Some(certificate)) = (&report.integrity, &report.certificate) {
                    self.check_path(certificate, data, (&from_message, &stapled), budget, &mut verdict)?;
                }
                Ok(verdict)
            })
            .collect::<Result<_, Error>>()?;
        Ok(SignedReport {
            signers,
            certificates: data.certificates().to_vec(),
            bare_line_feeds,
            content_type: Some(data.content_type()),
        })
    }

    // What cannot be read there is as if it were not (CASES S-46).
    fn countersigners(&self, info: &SignerInfo, data: &SignedData) -> Vec<Countersigner> {
        if info.unsigned_attributes().is_empty() {
            return Vec::new();
        }
        let reports = info.verify_countersigners(&data.candidates(&self.policy.certificates)).unwrap_or_default();
        let describe = |report: SignerReport| Countersigner {
            subject: report
                .certificate
                .as_ref()
                .map_or_else(|| report.identifier.describe(), |certificate| certificate.subject().to_string()),
            integrity: if report.integrity == Integrity::Intact { Check::Pass } else { Check::Fail },
            certificate: report.certificate,
            signing_time: report.signing_time,
        };
        reports.into_iter().map(describe).collect()
    }

    // RFC 8551 §4, RFC 8550 §4.1, §4.2: as of the moment of the policy, with the lists at hand and those that came along.
    fn check_path(
        &self,
        certificate: &Certificate,
        data: &SignedData,
        (crls, ocsp): (&[CertificateList], &[OcspResponse]),
        budget: &Budget,
        verdict: &mut SignerVerdict,
    ) -> Result<(), Error> {
        // CASES T-14: what is known elsewhere counts as much as what came along.
        let known = match &self.policy.revocations {
            Some(revocations) => revocations.about(certificate, data.certificates())?,
            None => RevocationMaterial::default(),
        };
        let policy = PathPolicy::at(self.policy.at).purpose(Purpose::Sign).revocation(self.policy.revocation);
        let mut checker = PathChecker::new(&self.policy.anchors, &policy)
            .intermediates(data.certificates().iter().chain(&self.policy.certificates))
            .crls(crls.iter().chain(&self.policy.crls).chain(&known.crls))
            .ocsp(ocsp.iter().chain(&known.ocsp))
            .budget(budget);
        if let Some(cache) = &self.policy.cache {
            checker = checker.cache(cache);
        }
        match checker.check(certificate) {
            Ok(path) => {
                verdict.path = Check::Pass;
                verdict.revocation = path.revocation();
            }
            Err(rejected) => {
                verdict.path = Check::Fail;
                verdict.revocation = rejected.revocation();
                verdict.reason = Some(rejected.to_string());
                verdict.awaits_revocation = !known.revoked && *rejected.reason() == Reason::RevocationUnknown;
            }
        }
        if known.revoked && verdict.path == Check::Pass {
            verdict.path = Check::Fail;
            verdict.revocation = RevocationStatus::Revoked;
            verdict.reason = Some("the certificate is known to be revoked".into());
        }
        Ok(())
    }
}

fn describe(report: &SignerReport) -> SignerVerdict {
    let certificate = report.certificate.as_ref();
    let (integrity, reason) = match &report.integrity {
        Integrity::Intact => (Check::Pass, None),
        Integrity::Broken(failure) => (Check::Fail, Some(failure.to_string())),
    };
    SignerVerdict {
        subject: certificate
            .map_or_else(|| report.identifier.describe(), |certificate| certificate.subject().to_string()),
        addresses: certificate
            .map(|certificate| certificate.email_addresses().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        certificate: report.certificate.clone(),
        algorithm: report.algorithm.clone(),
        digest: report.digest.clone(),
        signing_time: report.signing_time,
        integrity,
        path: Check::Unchecked,
        revocation: RevocationStatus::Unchecked,
        address: Check::Unchecked,
        reason,
        countersigners: Vec::new(),
        awaits_revocation: false,
        capabilities: None,
    }
}

/// A message whose signatures were checked. It says nothing before [`Self::accept`].
#[derive(Debug)]
#[must_use = "a verification decides nothing by itself: accept it or look at its layers"]
pub struct Verification<'s> {
    header: Header,
    layers: Vec<LayerReport>,
    content: Content<'s>,
    authenticated: bool,
    failed_decryption: bool,
    has_more: bool,
}

impl<'s> Verification<'s> {
    /// Each layer, outermost first.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }

    /// The header of the mail as it came, unprotected.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The one visible sender.
    pub fn visible_from(&self) -> Result<Mailbox, VisibleFromError> {
        self.header.visible_from()
    }

    /// Whether an encrypted layer could not be opened, for whatever reason.
    pub fn has_unopened_layer(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, LayerReport::Encrypted(report) if !report.opened))
    }

    /// Whether decryption was tried and did not succeed.
    pub fn has_failed_decryption(&self) -> bool {
        self.failed_decryption
    }

    /// The latest time that a signer claims, for a warning about replay.
    pub fn claimed_signing_time(&self) -> Option<Time> {
        self.signers().filter_map(|signer| signer.signing_time).max()
    }

    fn signers(&self) -> impl Iterator<Item = &SignerVerdict> {
        self.layers.iter().flat_map(|layer| match layer {
            LayerReport::Signed(report) => report.signers.as_slice(),
            _ => &[],
        })
    }

    pub(crate) fn into_parts(self) -> (Content<'s>, Vec<LayerReport>, bool) {
        (self.content, self.layers, self.authenticated)
    }

    /// Decides. The content is accepted when every layer is open and there are no more than the policy's limit, something is signed, every signer of every signed
    /// layer is intact and trusted, each signed layer has a signer with the sender's address (CASES T-02, T-08, T-17:
    /// the weakest layer decides), everybody reads the mail's header in the same way ([`mime::Ambiguity`]), and what a
    /// cipher without a tag gave is signed inside (T-20, T-21).
    pub fn accept(mut self, sender: &Sender) -> Result<VerifiedContent<'s>, Rejected> {
        // CASES T-08: who wants one address of a mail with several senders still does not know what others show of it.
        let several = matches!(self.visible_from(), Err(VisibleFromError::SeveralFields));
        let sender = match (self.header.ambiguity(), sender) {
            // CASES T-08, T-54: others may see another sender, another text, or other parts under this signature.
            (Some(ambiguity), _) => Err(ambiguity.to_string()),
            (None, Sender::Address(_)) if several => Err(VisibleFromError::SeveralFields.to_string()),
            (None, Sender::Address(address)) => Ok(address.clone()),
            (None, Sender::VisibleFrom) => match self.visible_from() {
                Ok(mailbox) => EmailAddress::parse(&mailbox.to_string())
                    .map_err(|error| format!("the From address cannot be in a certificate: {error}")),
                Err(error) => Err(error.to_string()),
            },
        };
        let is_mail = !self.header.fields().is_empty();
        // CASES S-10, T-33: what nobody looked at is not under a verdict.
        let more = self.has_more.then(|| {
            format!("there are more than {} layers inside each other: the rest was not judged", self.layers.len())
        });
        let Some(reason) = problem(&mut self.layers, &sender, is_mail, Awaited::Missing).or(more) else {
            return Ok(VerifiedContent { content: self.content, layers: self.layers, header: self.header });
        };
        // Judged once more as if all that is missing were good.
        let not_known_yet = !self.has_more
            && self.signers().any(SignerVerdict::awaits_revocation)
            && problem(&mut self.layers.clone(), &sender, is_mail, Awaited::Good).is_none();
        Err(Rejected { reason, layers: self.layers, not_known_yet })
    }
}

/// What is taken to be known where nothing but the revocation status of a path is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Missing,
    Good,
}

/// What speaks against the message, if anything does.
fn problem(
    layers: &mut [LayerReport],
    sender: &Result<EmailAddress, String>,
    is_mail: bool,
    awaited: Awaited,
) -> Option<String> {
    let mut problem: Option<String> = None;
    let mut signed = false;
    for layer in &mut *layers {
        let found = match layer {
            LayerReport::Encrypted(report) if !report.opened => {
                Some("an encrypted layer cannot be opened with the keys at hand".to_owned())
            }
            LayerReport::Encrypted(_) | LayerReport::Compressed => None,
            LayerReport::Signed(report) => {
                signed |= !report.signers.is_empty();
                judge_layer(report, sender, awaited).or_else(|| other_content(report).filter(|_| is_mail))
            }
        };
        problem = problem.or(found);
    }
    if !signed {
        problem = problem.or(Some("the message is not signed".into()));
    }
    problem.or_else(|| unprotected(layers))
}

// CASES T-20, T-21: a signature around a cipher without a tag covers what went in, not what comes out: whoever has
// changed a stranger's ciphertext can sign the result.
fn unprotected(layers: &[LayerReport]) -> Option<String> {
    let open =
        |layer: &LayerReport| matches!(layer, LayerReport::Encrypted(report) if report.opened && !report.authenticated);
    let innermost = layers.iter().rposition(open)?;
    let signed_inside = layers.iter().skip(innermost).any(|layer| matches!(layer, LayerReport::Signed(_)));
    (!signed_inside).then(|| "nothing protects what was decrypted: it is not signed inside".to_owned())
}

// RFC 8551 §2.4.1, §2.4.2: mail is signed as id-data. What was signed as something else is not passed off as one.
fn other_content(report: &SignedReport) -> Option<String> {
    let known = [oids::ID_DATA, oids::ID_CT_RECEIPT];
    let other = report.content_type.filter(|content_type| !known.contains(content_type))?;
    Some(format!("what was signed is no mail but content of the type {other}"))
}

fn judge_layer(report: &mut SignedReport, sender: &Result<EmailAddress, String>, awaited: Awaited) -> Option<String> {
    let mut problem = None;
    let mut addressed = false;
    for signer in &mut report.signers {
        let assumed = awaited == Awaited::Good && signer.awaits_revocation;
        if !signer.passes_without_address() && !assumed {
            problem = problem.or_else(|| signer.reason.clone());
            continue;
        }
        let Ok(sender) = sender else { continue };
        // RFC 8550 §4.4.3, RFC 8550 §3: one of the certificate's addresses.
        let matches =
            signer.certificate.as_ref().is_some_and(|certificate| certificate.email_addresses().contains(sender));
        signer.address = if matches { Check::Pass } else { Check::Fail };
        addressed |= matches;
        if !matches {
            let addresses =
                if signer.addresses.is_empty() { "no address".to_owned() } else { signer.addresses.join(", ") };
            signer.reason = Some(format!("the certificate is for {addresses}, not for {sender}"));
        }
    }
    if report.signers.is_empty() {
        return Some("there is no signer".into());
    }
    match sender {
        Err(error) => problem.or_else(|| Some(error.clone())),
        Ok(_) if !addressed => problem.or_else(|| report.signers.iter().find_map(|signer| signer.reason.clone())),
        Ok(_) => problem,
    }
}

/// Content that an accepted signature covers, byte for byte. Only [`Verification::accept`] makes it.
#[derive(Debug)]
pub struct VerifiedContent<'s> {
    content: Content<'s>,
    layers: Vec<LayerReport>,
    header: Header,
}

impl VerifiedContent<'_> {
    /// The entity that was signed, to be kept.
    ///
    /// # Errors
    /// When it is not held yet, and cannot be read or put down.
    pub fn into_spool(self) -> io::Result<Spool> {
        self.content.into_spool()
    }

    /// Reads the entity that was signed: its header fields and its body.
    ///
    /// # Errors
    /// When what it is in cannot be read.
    pub fn reader(&mut self) -> io::Result<ContentReader<'_>> {
        self.content.reader()
    }

    /// Each layer, outermost first.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }

    /// The header of the mail as it came. It is not covered by the signature.
    pub fn outer_header(&self) -> &Header {
        &self.header
    }

    /// The header fields under the signature; `None` when the sender protected none (RFC 9788 §4).
    ///
    /// # Errors
    /// When the content cannot be read.
    pub fn protected_header(&mut self) -> Result<Option<ProtectedHeader>, Error> {
        let encrypted = self.was_encrypted();
        ProtectedHeader::read(&mut self.content.reader()?, &self.header, encrypted, &mime::Limits::default())
    }

    /// The signed receipt that this is, if it is one: the signer says that they verified a signature (RFC 2634 §2.6).
    ///
    /// # Errors
    /// When the content cannot be read, or is none although it says so.
    pub fn receipt(&mut self) -> Result<Option<Receipt>, Error> {
        const LONGEST: u64 = 64 * 1024;
        let receipt = |layer: &LayerReport| matches!(layer, LayerReport::Signed(report) if report.content_type == Some(oids::ID_CT_RECEIPT));
        if !self.layers.last().is_some_and(receipt) {
            return Ok(None);
        }
        let mut content = Vec::new();
        self.content.reader()?.take(LONGEST).read_to_end(&mut content)?;
        Ok(Some(Receipt::parse(&content)?))
    }

    /// Every signer, outermost layer first.
    pub fn signers(&self) -> impl Iterator<Item = &SignerVerdict> {
        self.layers.iter().flat_map(|layer| match layer {
            LayerReport::Signed(report) => report.signers.as_slice(),
            _ => &[],
        })
    }

    /// Whether it was encrypted.
    pub fn was_encrypted(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, LayerReport::Encrypted(_)))
    }
}

/// It was checked, and the answer is no.
#[derive(Debug)]
pub struct Rejected {
    reason: String,
    layers: Vec<LayerReport>,
    not_known_yet: bool,
}

impl Rejected {
    /// The reason closest to the truth, as a sentence without capital and full stop.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether all that is missing is word about revocation, where the policy requires it: nothing says that a certificate
    /// was revoked, and everything else holds. The same message may be accepted once lists or answers were fetched, so
    /// that whoever holds it can wait for them.
    pub fn is_not_known_yet(&self) -> bool {
        self.not_known_yet
    }

    /// Each layer, outermost first, with each signer: how far it got, and why it stopped.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
