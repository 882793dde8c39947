//! Incoming mail: decrypted with the envelope recipient's keys only, verified, marked. With `outgoing` the only place
//! that calls `smime`.

use std::io::{Read as _, Write as _};

use cms::Spool;
use mime::{Field, Header};
use pki::{Certificate, Credential, RevocationStatus};
use smime::{
    Check, Decryptor, LayerReport, Policy, ProtectedHeader, Rejected, Sender, SignerVerdict, VerifiedContent, Verifier,
};

use crate::book::Candidate;
use crate::clean_html::{self, Cleaned};
use crate::facts::{Protection, protection};
use crate::inside::{entity_of, put_under};
use crate::mail::{Rewritten, read_header, unreadable_spool};
use crate::notes::{self, Note};
use crate::scanner::Scanned;
use crate::settings::{Incoming, Tampered, Undecryptable};
use crate::smtp::{Class, Reply, reader_behind};
use crate::trace;
use crate::verdict::{self, SmimeResult, Verdict};

/// A message as the next hop gets it, and what was found out.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) message: Rewritten,
    pub(crate) verdict: Verdict,
    pub(crate) signers: Vec<Candidate>,
    /// An encrypted layer is left: other keys may open it.
    pub(crate) is_unopened: bool,
    /// Set when all that is missing is word about revocation.
    pub(crate) undecided: Option<Undecided>,
}

/// Whose signature holds but for what is not known about revocation.
#[derive(Debug)]
pub(crate) struct Undecided {
    pub(crate) signer: Certificate,
    /// Those that came with it.
    pub(crate) others: Vec<Certificate>,
    /// Whether it was found under encryption: then nothing that is answered tells of it (CASES T-24, T-28).
    pub(crate) is_secret: bool,
}

/// What the message becomes: another header, the body behind so many octets of a spool, and the verdict.
struct Outcome {
    header: Header,
    skip: usize,
    /// Where the body is, if not in the mail as it came.
    content: Option<Spool>,
    verdict: Verdict,
    signers: Vec<Candidate>,
    undecided: Option<Undecided>,
}

impl Outcome {
    /// The message stays as it came.
    fn unchanged(header: Header, verdict: Verdict) -> Self {
        let skip = header.octets_read();
        Self { header, skip, content: None, verdict, signers: Vec::new(), undecided: None }
    }
}

/// Opens a message for one recipient, or says why it is not taken. What is decrypted is called `message_id` at its very
/// top, unfolded: so it is known again in whatever answers, returns or forwards it.
pub(crate) fn open(
    mail: &mut Spool,
    keys: &[Credential],
    policy: &Policy,
    settings: &Incoming,
    hostname: &str,
    message_id: Option<&str>,
) -> Result<Opened, Reply> {
    let header = read_header(mail)?;
    let mut outcome = judge(mail, header, keys, policy, settings)?;
    if outcome.verdict.decrypted {
        let released = looked_through(outcome, mail, policy, settings);
        outcome = released.or_else(|reply| told_alike(&reply, mail, settings))?;
    }
    let Outcome { mut header, skip, content, verdict, signers, undecided } = outcome;
    let is_unopened = verdict == not_opened();
    trace::strip_forged(&mut header, hostname);
    // CASES T-90: a line that is no field is neither the rest of a field of ours nor, to others, the body's beginning.
    header.name_stray_lines(STRAY_LINE);
    let mark = match (verdict.result, verdict.decrypted) {
        _ if verdict.withheld => MARK_WITHHELD,
        (SmimeResult::Pass, _) => settings.mark_signed.as_str(),
        (SmimeResult::Fail, _) => settings.mark_failed.as_str(),
        // A house that wants no marks gets none.
        (SmimeResult::TempError, _) if settings.mark_failed.is_empty() => "",
        (SmimeResult::TempError, _) => MARK_UNKNOWN,
        (_, true) => settings.mark_encrypted.as_str(),
        _ => "",
    };
    trace::mark_subject(&mut header, &marks(settings), mark);
    if let Some(note) = verdict::notes_field(&verdict.notes) {
        header.prepend(note);
    }
    header.prepend(verdict.field(hostname));
    if let Some(id) = message_id.filter(|_| verdict.decrypted) {
        header.retain(|field| !field.is("Message-ID"));
        header.prepend(Field::new("Message-ID", id));
    }
    Ok(Opened { message: Rewritten::with_header(&header, skip, content), verdict, signers, is_unopened, undecided })
}

/// What we put before subjects, and nobody else.
pub(crate) fn marks(settings: &Incoming) -> [&str; 5] {
    let Incoming { mark_signed, mark_failed, mark_encrypted, .. } = settings;
    [mark_signed, mark_failed, mark_encrypted, MARK_WITHHELD, MARK_UNKNOWN]
}

/// Before the subject of mail that the scanner stopped.
const MARK_WITHHELD: &str = "[malware inside, left encrypted]";

/// Before the subject of mail whose signer may have been revoked, for all that is known.
const MARK_UNKNOWN: &str = "[signature not verified]";

/// What becomes of lines that are no fields.
const STRAY_LINE: &str = "X-Sealpost-Stray-Line";

/// What was decrypted is scanned and cleaned, as the settings want it.
fn looked_through(
    mut outcome: Outcome,
    mail: &mut Spool,
    policy: &Policy,
    settings: &Incoming,
) -> Result<Outcome, Reply> {
    if let Some(found) = scan(mail, &mut outcome, settings)? {
        return Ok(withheld(read_header(mail)?, &found));
    }
    if settings.clean_html { cleaned(outcome, mail, policy) } else { Ok(outcome) }
}

/// What the scanner found in a mail that was decrypted here; others have been looked at before (CASES T-34).
fn scan(mail: &mut Spool, outcome: &mut Outcome, settings: &Incoming) -> Result<Option<String>, Reply> {
    let Some(scanner) = &settings.scanner else { return Ok(None) };
    let head = Rewritten::with_header(&outcome.header, outcome.skip, None).head;
    let spool = outcome.content.as_mut().unwrap_or(mail);
    let rest = reader_behind(spool, outcome.skip).map_err(|_| unreadable_spool())?;
    match scanner.scan(&mut head.chain(rest)) {
        Ok(Scanned::Clean) => Ok(None),
        Ok(Scanned::Found(name)) => Ok(Some(name)),
        Err(error) => {
            tracing::error!(%error, %scanner, "what was decrypted cannot be scanned, so it is held");
            Err(cannot_decrypt())
        }
    }
}

/// What was decrypted, without what tells somebody outside about it (CASES T-37). What nobody can take apart is not
/// released: it stays encrypted.
fn cleaned(mut outcome: Outcome, mail: &mut Spool, policy: &Policy) -> Result<Outcome, Reply> {
    let Some(content) = &mut outcome.content else { return Ok(outcome) };
    let entity = entity_of(&outcome.header, content, outcome.skip)?;
    let left = "what is under a signature inside was left as it came: its HTML may fetch something, or hide text";
    let keep_signed = outcome.verdict.result == SmimeResult::Pass;
    let (entity, signed) = match clean_html::clean(&entity, keep_signed) {
        Ok(Cleaned::Nothing) => return Ok(outcome),
        Ok(Cleaned::Signed) => {
            outcome.verdict.notes.push(Note::new(left));
            return Ok(outcome);
        }
        Ok(Cleaned::Changed { entity, signed }) => (entity, signed),
        Err(_) => {
            let verdict = Verdict::none(Some("it stays encrypted: what is inside has too many parts to be cleaned"));
            return Ok(Outcome::unchanged(read_header(mail)?, verdict));
        }
    };
    let mut spool = Spool::new(policy.limits.spool.clone());
    spool.write_all(&entity).map_err(|_| Reply::new(452, "4.3.1", "the message cannot be stored now"))?;
    let (header, skip, content) = put_under(outcome.header, spool, &policy.limits.spool)?;
    let taken_out = "what its HTML would fetch was taken out, and its styles, so that hidden text shows";
    outcome.verdict.notes.push(Note::new(taken_out));
    if signed {
        outcome.verdict.notes.push(Note::new(left));
    }
    Ok(Outcome { header, skip, content: Some(content), ..outcome })
}

/// It stays as it came, still encrypted, so that nothing is lost and nobody opens it by mistake. A refusal would tell
/// whoever sent it something about its content (CASES T-27).
fn withheld(header: Header, found: &str) -> Outcome {
    tracing::warn!(found, "malware in an encrypted mail; it stays encrypted");
    let verdict = Verdict {
        withheld: true,
        notes: vec![Note::new(format!("malware was found inside, and the message stays encrypted: {found}"))],
        ..Verdict::none(Some("the content was not released"))
    };
    Outcome::unchanged(header, verdict)
}

fn judge(
    mail: &mut Spool,
    header: Header,
    keys: &[Credential],
    policy: &Policy,
    settings: &Incoming,
) -> Result<Outcome, Reply> {
    let reader = mail.reader().map_err(|_| unreadable_spool())?;
    let verification = match Verifier::new(policy).with_keys(keys).verify(reader) {
        Ok(verification) => verification,
        Err(error) if is_unavailable(&error) => return Err(key_unavailable(&error)),
        // CASES T-53: larger inside than anything may be. It will not be smaller later.
        Err(smime::Error::Io(error)) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            return unreadable(mail, header, settings, &error.to_string());
        }
        Err(smime::Error::Io(_)) => return Err(unreadable_spool()),
        Err(error) => return unreadable(mail, header, settings, &error.to_string()),
    };
    if verification.layers().is_empty() {
        return Ok(Outcome::unchanged(header, Verdict::none(None)));
    }
    if verification.has_unopened_layer() {
        return unopened(header, settings);
    }
    match verification.accept(&Sender::VisibleFrom) {
        Ok(accepted) => {
            let decrypted = accepted.layers().iter().any(|layer| matches!(layer, LayerReport::Encrypted(_)));
            let outcome = taken(accepted, header, policy, settings);
            if decrypted { outcome.or_else(|reply| told_alike(&reply, mail, settings)) } else { outcome }
        }
        Err(rejected) => {
            let verdict = Verdict::of(rejected.layers(), Some(&rejected));
            let undecided = undecided(&rejected);
            if let Some(reply) = refusal(&verdict, settings) {
                return Err(reply);
            }
            if !matches!(rejected.layers().first(), Some(LayerReport::Encrypted(_))) {
                let outcome = Outcome::unchanged(header, Verdict { decrypted: false, ..verdict });
                return Ok(Outcome { undecided, ..outcome });
            }
            let outcome = without_outer_layer(mail, header, keys, policy, settings, verdict);
            let outcome = outcome.or_else(|reply| told_alike(&reply, mail, settings))?;
            Ok(Outcome { undecided, ..outcome })
        }
    }
}

/// A message whose signatures all hold and are the sender's, and what was protected by them.
fn taken(
    mut accepted: VerifiedContent,
    mut header: Header,
    policy: &Policy,
    settings: &Incoming,
) -> Result<Outcome, Reply> {
    let mut verdict = Verdict::of(accepted.layers(), None);
    let protected = accepted.protected_header().map_err(|error| match error {
        smime::Error::Io(_) => unreadable_spool(),
        error => Reply::new(550, "5.6.0", format!("what is inside cannot be read: {error}")),
    })?;
    verdict.notes = notes::of(&header, accepted.signers(), protected.as_ref(), policy.at);
    if let Some(protected) = &protected {
        unwrap_header(&mut header, protected);
    }
    let signers = accepted
        .signers()
        .filter_map(|signer| {
            Some(Candidate {
                certificate: signer.certificate.clone().filter(|_| signer.address == Check::Pass)?,
                chain: authorities(accepted.layers()),
                capabilities: signer.capabilities().map(|capabilities| capabilities.der().to_vec()),
                signed: signer.signing_time,
            })
        })
        .collect();
    if settings.keep_signature && !verdict.decrypted {
        // RFC 2045 §4. CASES T-07: where it is missing, some show all of a multipart as text, what stands before
        // the first part at its top.
        if header.get("MIME-Version").is_none() {
            header.push(Field::new("MIME-Version", "1.0"));
        }
        return Ok(Outcome { signers, ..Outcome::unchanged(header, verdict) });
    }
    let content = accepted.into_spool().map_err(|_| unreadable_spool())?;
    let (header, skip, content) = put_under(header, content, &policy.limits.spool)?;
    Ok(Outcome { header, skip, content: Some(content), verdict, signers, undecided: None })
}

/// CASES N-22: whatever the cause, one outcome.
fn unopened(header: Header, settings: &Incoming) -> Result<Outcome, Reply> {
    match settings.undecryptable {
        Undecryptable::Hold => Err(cannot_decrypt()),
        Undecryptable::DeliverEncrypted => Ok(Outcome::unchanged(header, not_opened())),
    }
}

/// It is no S/MIME that can be read. What is encrypted outside fares like all that does not open: where it broke off
/// may depend on what came out of the cipher.
fn unreadable(mail: &mut Spool, header: Header, settings: &Incoming, because: &str) -> Result<Outcome, Reply> {
    let mut beginning = Vec::new();
    let rest = reader_behind(mail, header.octets_read()).map_err(|_| unreadable_spool())?;
    rest.take(BEGINNING).read_to_end(&mut beginning).map_err(|_| unreadable_spool())?;
    if protection(&header, &beginning) == Protection::Encrypted && settings.undecryptable == Undecryptable::Hold {
        tracing::warn!(because, "an encrypted mail cannot be read, so it is held");
        return Err(cannot_decrypt());
    }
    Ok(Outcome::unchanged(header, Verdict::unreadable(because)))
}

/// CASES N-22: what does not go on after it was decrypted fares like what was not. Another answer would tell whoever
/// sent it that it was, and something about the content.
fn told_alike(reply: &Reply, mail: &mut Spool, settings: &Incoming) -> Result<Outcome, Reply> {
    tracing::warn!(%reply, "a mail was decrypted and cannot go on like that");
    match reply.class() {
        Class::Permanent => unopened(read_header(mail)?, settings),
        // It may go on later.
        _ => Err(cannot_decrypt()),
    }
}

/// What is answered where mail whose signature does not hold is refused. CASES T-24: what was encrypted never is; the
/// answer would tell its sender about the content.
fn refusal(verdict: &Verdict, settings: &Incoming) -> Option<Reply> {
    let refused = verdict.result == SmimeResult::Fail && !verdict.decrypted && settings.tampered == Tampered::Refuse;
    let why = verdict.reason.as_deref().unwrap_or_default();
    refused.then(|| Reply::new(550, "5.7.5", format!("the signature is not accepted: {why}")))
}

/// The signer about whom only the answer is missing whether the certificate was revoked, where it has to be known and
/// everything else holds, the visible From among it.
fn undecided(rejected: &Rejected) -> Option<Undecided> {
    if !rejected.is_not_known_yet() {
        return None;
    }
    let is_secret = rejected.layers().iter().any(|layer| matches!(layer, LayerReport::Encrypted(_)));
    let signers = rejected.layers().iter().filter_map(|layer| match layer {
        LayerReport::Signed(report) => Some(report.signers.iter().map(move |signer| (signer, report))),
        _ => None,
    });
    let waits = |signer: &SignerVerdict| {
        let unknown = signer.revocation == RevocationStatus::Unknown;
        signer.integrity == Check::Pass && signer.path == Check::Fail && unknown
    };
    let (signer, report) = signers.flatten().find(|(signer, _)| waits(signer))?;
    Some(Undecided { signer: signer.certificate.clone()?, others: report.certificates.clone(), is_secret })
}

/// What was hidden outside and stands under an accepted signature is shown again (RFC 9788 §4.5): the subject and what
/// goes with it. Everything else outside stays as it came, and what differs is in the notes.
fn unwrap_header(header: &mut Header, protected: &ProtectedHeader) {
    if !protected.is_confidential() {
        return;
    }
    for name in ["Subject", "Keywords", "Comments"] {
        if let Some(field) = protected.header().get(name) {
            header.replace(field.tidied());
        }
    }
}

/// What came along and may help to build a path. It proves nothing by itself.
fn authorities(layers: &[LayerReport]) -> Vec<Certificate> {
    let all = layers.iter().flat_map(|layer| match layer {
        LayerReport::Signed(report) => report.certificates.as_slice(),
        _ => &[],
    });
    all.filter(|certificate| certificate.is_ca()).take(8).cloned().collect()
}

/// Takes the encryption off and leaves what is inside as it is, its signature included.
fn without_outer_layer(
    mail: &mut Spool,
    header: Header,
    keys: &[Credential],
    policy: &Policy,
    settings: &Incoming,
    verdict: Verdict,
) -> Result<Outcome, Reply> {
    let reader = mail.reader().map_err(|_| unreadable_spool())?;
    match Decryptor::new(keys, &policy.limits).decrypt(reader) {
        Ok(Ok(decrypted)) => {
            let content = decrypted.into_spool().map_err(|_| unreadable_spool())?;
            let (header, skip, content) = put_under(header, content, &policy.limits.spool)?;
            Ok(Outcome { header, skip, content: Some(content), verdict, signers: Vec::new(), undecided: None })
        }
        // CASES T-21: what anybody may have changed on its way is not released without a signature that holds.
        Ok(Err(_)) => match settings.undecryptable {
            Undecryptable::Hold => Err(cannot_decrypt()),
            Undecryptable::DeliverEncrypted => {
                let verdict = Verdict {
                    reason: Some(
                        "it stays encrypted: nothing protects it against change, neither cipher nor signature".into(),
                    ),
                    decrypted: false,
                    stays_encrypted: true,
                    ..verdict
                };
                Ok(Outcome::unchanged(header, verdict))
            }
        },
        Err(error) if is_unavailable(&error) => Err(key_unavailable(&error)),
        Err(_) => Err(cannot_decrypt()),
    }
}

fn not_opened() -> Verdict {
    Verdict::none(Some("an encrypted layer cannot be opened with the recipient's keys"))
}

/// The one answer about mail that is held because of what is encrypted in it.
pub(crate) fn cannot_decrypt() -> Reply {
    Reply::new(451, "4.7.5", "the message cannot be decrypted for this recipient now")
}

/// That there is a key for it is nobody's business outside.
fn key_unavailable(error: &smime::Error) -> Reply {
    tracing::error!(%error, "a key cannot be reached, so a mail is held");
    cannot_decrypt()
}

/// Octets of a body that tell what it is.
const BEGINNING: u64 = 4_096;

/// The key did not answer: that says nothing about the message.
pub(crate) fn is_unavailable(error: &smime::Error) -> bool {
    matches!(error, smime::Error::Cms(cms::Error::Crypto(crypto::Error::Unavailable { .. })))
}
