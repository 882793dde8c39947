//! What would happen to a mail, and why: for people who ask, and kept for each real message.

use std::collections::BTreeMap;

use directory::Directory;
use pki::{Certificate, EmailAddress, PathCache};
use serde_json::{Value, json};
use smime::Capabilities;

use crate::book::{Book, Unavailable};
use crate::decide::{Action, Known, Plan, Snapshot, decide, groups};
use crate::directory_book::View;
use crate::facts::{Facts, Protection};
use crate::policy::Policy;
use crate::smtp::{Recipient, Reply};

/// A mail that somebody asks about.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Who would send it: the envelope's sender and the visible From.
    pub from: Option<EmailAddress>,
    /// Who would have logged in, when it is not the sender.
    pub user: Option<String>,
    /// Those in To and Cc.
    pub to: Vec<EmailAddress>,
    /// Those in Bcc.
    pub bcc: Vec<EmailAddress>,
    /// The subject.
    pub subject: String,
    /// More header fields, name and text.
    pub fields: Vec<(String, String)>,
    /// Octets.
    pub bytes: u64,
    /// What the sender's own program would have put on it.
    pub protection: Protection,
}

/// What happens to a mail for one recipient, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The recipient.
    pub recipient: EmailAddress,
    /// The rule that decided.
    pub rule: String,
    /// `sign`, `encrypt`, `sign and encrypt`, `clear`, `untouched`, `webmailer`, `hold`, `refuse`.
    pub action: &'static str,
    /// Why, in the order of thinking: rules that did not match, what stood against signing, certificates passed over.
    pub reasons: Vec<String>,
    /// The certificate that it is signed with, and the algorithm.
    pub signed_with: Option<Chosen>,
    /// The certificates that it is encrypted to, each with its key's algorithm.
    pub encrypted_to: Vec<Chosen>,
    /// The content cipher.
    pub cipher: Option<String>,
    /// Certificates that are known and not used, and why.
    pub unusable: Vec<String>,
    /// What the sender's server would hear when the mail does not leave.
    pub reply: Option<Reply>,
}

/// A certificate that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its subject.
    pub subject: String,
    /// The addresses in it.
    pub addresses: Vec<String>,
    /// When it runs out, as RFC 3339 has it.
    pub not_after: String,
    /// What is done with its key.
    pub algorithm: String,
}

/// Explains what would happen, with what the directory knows now.
///
/// # Errors
/// When the directory cannot be asked: a real mail would be held.
pub async fn explain_with_directory(
    directory: &Directory,
    policy: &Policy,
    webmailer: bool,
    query: &Query,
) -> Result<Vec<Explanation>, Unavailable> {
    let paths = PathCache::new();
    let view = View { directory, paths: &paths };
    let (facts, recipients) = facts_of(query);
    let mut known = Snapshot { webmailer, ..Snapshot::default() };
    known.identity = identity(&facts).filter(|identity| view.is_inside(identity));
    let mut facts = facts;
    if let Some(identity) = &known.identity {
        known.signing = view.signing_certificate(identity).await?;
        facts.groups = view.groups(identity).await?;
    }
    for recipient in &recipients {
        let to = recipient.to.mailbox();
        let mut about = Known { inside: view.is_inside(to), ..Known::default() };
        if about.inside && policy.encrypts_within() {
            let certificates = view.house_certificates(to).await?;
            about.certificates = certificates.into_iter().map(|certificate| (certificate, None)).collect();
        }
        if !about.inside {
            about.certificates = view.certificates(to).await?;
            about.unusable = view.unusable(to).await?;
            about.reads_webmailer = webmailer && view.reads_webmailer(to).await?;
        }
        known.recipients.insert(to.canonical(), about);
    }
    for other in policy.additional() {
        known.additional.insert(other.canonical(), view.house_certificates(other).await?);
    }
    facts.confidential = view.is_confidential(&facts.references).await?;
    let plans = decide(&facts, &recipients, &known, policy);
    Ok(explain(&known, &plans))
}

fn identity(facts: &Facts) -> Option<EmailAddress> {
    match &facts.user {
        Some(user) => EmailAddress::parse(user).ok(),
        None => facts.envelope_from.clone(),
    }
}

fn facts_of(query: &Query) -> (Facts, Vec<Recipient>) {
    let field = |name: &str| query.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    let automatic = field("Auto-Submitted").is_some_and(|(_, value)| !value.eq_ignore_ascii_case("no"));
    let references = ["Message-ID", "In-Reply-To", "References"]
        .into_iter()
        .filter_map(field)
        .flat_map(|(_, value)| value.split_whitespace().map(str::to_owned))
        .take(20)
        .collect();
    let facts = Facts {
        envelope_from: query.from.clone(),
        null_sender: query.from.is_none(),
        user: query.user.clone(),
        visible_from: query.from.clone(),
        visible_recipients: query.to.clone(),
        subject: query.subject.clone(),
        fields: query.fields.clone(),
        bytes: query.bytes,
        protection: query.protection,
        automatic,
        references,
        ..Facts::default()
    };
    let recipients = query.to.iter().chain(&query.bcc).cloned().map(Recipient::new).collect();
    (facts, recipients)
}

/// Explains Plans, with the snapshot that they were made with.
pub fn explain(known: &Snapshot, plans: &[Plan]) -> Vec<Explanation> {
    let mut ciphers: BTreeMap<usize, String> = BTreeMap::new();
    // What a copy is encrypted with depends on all who share it.
    for group in groups(plans.to_vec()) {
        let Action::Deliver(treatment) = &group.action else { continue };
        if treatment.encrypt.is_empty() {
            continue;
        }
        let capabilities: Vec<Option<Capabilities>> =
            treatment.encrypt.iter().map(|(_, der)| der.as_deref().and_then(Capabilities::from_der)).collect();
        let cipher = treatment.profile.cipher(capabilities.iter().map(Option::as_ref)).to_string();
        for (index, _) in &group.members {
            ciphers.insert(*index, cipher.clone());
        }
    }
    plans
        .iter()
        .enumerate()
        .map(|(index, plan)| {
            let about = known.recipients.get(&plan.recipient.to.mailbox().canonical());
            let mut explanation = Explanation {
                recipient: plan.recipient.to.mailbox().clone(),
                rule: plan.rule.clone(),
                action: plan.action.name(),
                reasons: plan.reasons.clone(),
                signed_with: None,
                encrypted_to: Vec::new(),
                cipher: ciphers.get(&index).cloned(),
                unusable: about.map(|about| about.unusable.clone()).unwrap_or_default(),
                reply: None,
            };
            match &plan.action {
                Action::Deliver(treatment) => {
                    let signing = known.signing.as_ref().filter(|_| treatment.sign);
                    explanation.signed_with = signing.map(|certificate| {
                        let key = certificate.public_key().ok();
                        let algorithm = key.and_then(|key| treatment.profile.signature(key));
                        chosen(certificate, algorithm.map(|algorithm| algorithm.name().to_owned()))
                    });
                    explanation.encrypted_to =
                        treatment.encrypt.iter().map(|(certificate, _)| chosen(certificate, None)).collect();
                }
                Action::Hold(reply) | Action::Refuse(reply) => explanation.reply = Some(reply.clone()),
                Action::Untouched | Action::Webmailer { .. } => {}
            }
            explanation
        })
        .collect()
}

fn chosen(certificate: &Certificate, algorithm: Option<String>) -> Chosen {
    Chosen {
        sha256: certificate.sha256().to_hex(),
        subject: certificate.subject().to_string(),
        addresses: certificate.email_addresses().iter().map(ToString::to_string).collect(),
        not_after: certificate.validity().not_after.to_string(),
        algorithm: algorithm
            .or_else(|| certificate.public_key().ok().map(crypto::PublicKey::describe))
            .unwrap_or_else(|| "an unknown algorithm".into()),
    }
}

impl Explanation {
    /// For programs. It has nothing of the message's content.
    pub fn to_json(&self) -> Value {
        let certificate = |chosen: &Chosen| {
            json!({
                "sha256": chosen.sha256, "subject": chosen.subject, "addresses": chosen.addresses,
                "not_after": chosen.not_after, "algorithm": chosen.algorithm,
            })
        };
        json!({
            "direction": "outward",
            "recipient": self.recipient.to_string(), "rule": self.rule, "action": self.action,
            "reasons": self.reasons,
            "signed_with": self.signed_with.as_ref().map(certificate),
            "encrypted_to": self.encrypted_to.iter().map(certificate).collect::<Vec<_>>(),
            "cipher": self.cipher, "unusable": self.unusable,
            "reply": self.reply.as_ref().map(ToString::to_string),
        })
    }
}

/// Plans and what is known of one real message, through a book.
pub(crate) async fn additional<B: Book>(
    book: &B,
    policy: &Policy,
) -> Result<BTreeMap<String, Vec<Certificate>>, Unavailable> {
    let mut found = BTreeMap::new();
    for other in policy.additional() {
        found.insert(other.canonical(), book.house_certificates(other).await?);
    }
    Ok(found)
}
