//! What happens to a message, per recipient: a pure function of envelope, message, directory and policy.

use std::collections::BTreeMap;

use pki::{Certificate, EmailAddress};
use smime::Profile;

use crate::facts::{Facts, Protection, Reading};
use crate::policy::{Choice, Direction, HeaderProtection, Otherwise, Policy, Wanted};
use crate::smtp::{Recipient, Reply};

/// What the directory knows, at one moment, of those whom a message is about.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The certificate that the sender signs with, when there is a key for it.
    pub signing: Option<Certificate>,
    /// Who the logged-in user or the envelope's sender is for us, as a mailbox.
    pub identity: Option<EmailAddress>,
    /// What is known of each recipient, by canonical address.
    pub recipients: BTreeMap<String, Known>,
    /// Certificates of those to whom rules want mail encrypted as well, by canonical address.
    pub additional: BTreeMap<String, Vec<Certificate>>,
    /// Whether there is a webmailer to put messages into.
    pub webmailer: bool,
}

/// What is known of one recipient.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Whether it is one of ours.
    pub inside: bool,
    /// Certificates to encrypt to, with their capabilities in DER.
    pub certificates: Vec<(Certificate, Option<Vec<u8>>)>,
    /// Certificates that are known and cannot be used, and why.
    pub unusable: Vec<String>,
    /// Whether they can log in to the webmailer.
    pub reads_webmailer: bool,
}

/// What happens to a message for one recipient, and why.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The recipient.
    pub recipient: Recipient,
    /// What happens.
    pub action: Action,
    /// The rule that decided.
    pub rule: String,
    /// It stays in the house, and no rule is about that.
    pub stays: bool,
    /// Why, in the order of thinking.
    pub reasons: Vec<String>,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes on, treated like this.
    Deliver(Treatment),
    /// It is not accepted now; the mail server keeps it.
    Hold(Reply),
    /// It is not accepted.
    Refuse(Reply),
    /// It goes on byte for byte.
    Untouched,
    /// It is put into the webmailer.
    Webmailer {
        /// Words to take out of the subject.
        words: Vec<String>,
    },
}

/// How a message is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treatment {
    /// Signed with the sender's credential.
    pub sign: bool,
    /// Encrypted to these certificates; not encrypted when empty.
    pub encrypt: Vec<(Certificate, Option<Vec<u8>>)>,
    /// Which algorithms.
    pub profile: Profile,
    /// Whether header fields are protected, too.
    pub headers: HeaderProtection,
    /// Words to take out of the subject.
    pub words: Vec<String>,
    /// Text that is put below the message.
    pub banner: Option<String>,
    /// Whether others may not see that this recipient gets it (CASES T-36).
    pub hidden: bool,
}

impl Treatment {
    fn changes_nothing(&self) -> bool {
        !self.sign && self.encrypt.is_empty() && self.words.is_empty() && self.banner.is_none()
    }
}

impl Action {
    /// `deliver`, `hold`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deliver(treatment) => match (treatment.sign, treatment.encrypt.is_empty()) {
                (true, false) => "sign and encrypt",
                (true, true) => "sign",
                (false, false) => "encrypt",
                (false, true) => "clear",
            },
            Self::Hold(_) => "hold",
            Self::Refuse(_) => "refuse",
            Self::Untouched => "untouched",
            Self::Webmailer { .. } => "webmailer",
        }
    }
}

/// Decides about an outgoing message, for each recipient by itself.
pub fn decide(facts: &Facts, recipients: &[Recipient], known: &Snapshot, policy: &Policy) -> Vec<Plan> {
    let read = Reading::of(facts);
    let plans: Vec<(Plan, Wanted)> = recipients.iter().map(|recipient| plan(&read, recipient, known, policy)).collect();
    // CASES T-86: where a sibling must be protected, a copy in the clear would give it away.
    let protected = plans
        .iter()
        .any(|(plan, wanted)| !matches!(plan.action, Action::Untouched) && wanted.encrypt == Choice::Always);
    plans
        .into_iter()
        .map(|(plan, wanted)| if protected { no_clear_sibling(plan, facts, &wanted) } else { plan })
        .collect()
}

fn no_clear_sibling(mut plan: Plan, facts: &Facts, wanted: &Wanted) -> Plan {
    let clear = match &plan.action {
        Action::Deliver(treatment) => treatment.encrypt.is_empty(),
        // What is neither changed nor encrypted leaves as readable as it came; inside it stays in the house.
        Action::Untouched => !plan.stays && facts.protection != Protection::Encrypted,
        _ => false,
    };
    let allowed = wanted.otherwise == Otherwise::Clear || wanted.encrypt == Choice::Never;
    if clear && !allowed {
        plan.reasons.push("another recipient's copy must be encrypted, so this one does not leave in the clear".into());
        plan.action = hold(plan.recipient.to.mailbox());
    }
    plan
}

fn plan(read: &Reading<'_>, recipient: &Recipient, known: &Snapshot, policy: &Policy) -> (Plan, Wanted) {
    let facts = read.facts;
    let to = recipient.to.mailbox();
    let nothing = Known::default();
    let about = known.recipients.get(&to.canonical()).unwrap_or(&nothing);
    let direction = if about.inside { Direction::Within } else { Direction::Outward };
    let mut wanted = policy.wanted(read, to, direction);
    let mut reasons: Vec<String> = wanted.passed_over.iter().map(|why| format!("passed over {why}")).collect();
    let recipient = recipient.clone();
    if facts.hops > MOST_HOPS {
        reasons.push(format!("{} Received fields", facts.hops));
        let action = Action::Refuse(Reply::new(554, "5.4.6", "the message goes round in circles"));
        return (Plan { recipient, action, rule: "loop".into(), stays: false, reasons }, wanted);
    }
    if about.inside && wanted.is_default {
        reasons.push("the recipient is inside".into());
        return (Plan { recipient, action: Action::Untouched, rule: INSIDE.into(), stays: true, reasons }, wanted);
    }
    if facts.protection == Protection::Encrypted {
        reasons.push("it is encrypted already, by the sender's own program".into());
        return (
            Plan { recipient, action: Action::Untouched, rule: wanted.rule.clone(), stays: false, reasons },
            wanted,
        );
    }
    // CASES T-29, T-30, T-31: what came in encrypted goes out encrypted or not at all, whatever a rule says.
    if (facts.confidential || facts.returns_nameless) && !about.inside {
        reasons.push(match facts.confidential {
            true => "it belongs to a conversation that came encrypted, so it must be encrypted".into(),
            false => "it returns a message that nobody can name and that may have come encrypted".into(),
        });
        wanted.encrypt = Choice::Always;
        if wanted.otherwise == Otherwise::Clear {
            wanted.otherwise = Otherwise::Hold;
        }
    }
    let action = match choose_signing(facts, known, &wanted, &mut reasons) {
        Ok(sign) => choose_encryption(read, to, about, known, &wanted, sign, &mut reasons),
        Err(action) => action,
    };
    let action = match action {
        Action::Deliver(treatment) if treatment.changes_nothing() => Action::Untouched,
        other => other,
    };
    (Plan { recipient, action, rule: wanted.rule.clone(), stays: false, reasons }, wanted)
}

/// The rule's name where the recipient is inside and no rule is about that.
const INSIDE: &str = "inside";

/// Received fields that a message may have (CASES T-85).
pub(crate) const MOST_HOPS: usize = 50;

/// Whether to sign; an action when the mail does not leave for that.
fn choose_signing(facts: &Facts, known: &Snapshot, wanted: &Wanted, reasons: &mut Vec<String>) -> Result<bool, Action> {
    if wanted.sign == Choice::Never {
        reasons.push("the rule says not to sign".into());
        return Ok(false);
    }
    if facts.protection == Protection::Signed {
        reasons.push("it is signed already, by the sender's own program".into());
        return Ok(false);
    }
    let problem = match may_sign(facts, known) {
        Ok(certificate) => {
            reasons.push(format!("signed with the sender's certificate {}", certificate.sha256()));
            return Ok(true);
        }
        Err(problem) => problem,
    };
    reasons.push(format!("not signed: {}", problem.text));
    match (wanted.sign, problem.for_good) {
        (Choice::Always, true) => Err(Action::Refuse(Reply::new(
            550,
            "5.7.1",
            format!("this mail must be signed, and cannot be: {}", problem.text),
        ))),
        (Choice::Always, false) => Err(Action::Hold(Reply::new(
            451,
            "4.7.5",
            format!("this mail must be signed, and cannot be now: {}", problem.text),
        ))),
        _ => Ok(false),
    }
}

struct Problem {
    text: String,
    /// Waiting does not help.
    for_good: bool,
}

/// A key signs only for its owner: logged-in user or envelope sender, visible From and certificate are one mailbox
/// (CASES T-84).
fn may_sign<'a>(facts: &Facts, known: &'a Snapshot) -> Result<&'a Certificate, Problem> {
    let no = |text: &str, for_good| Problem { text: text.to_owned(), for_good };
    if facts.null_sender {
        return Err(no("the envelope has no sender", true));
    }
    let Some(from) = &facts.visible_from else {
        let why = facts.from_problem.as_deref().unwrap_or("there is no From");
        return Err(no(&format!("nobody can tell who it is from: {why}"), true));
    };
    if facts.fields.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("resent-")) {
        return Err(no("it was resent by somebody else", true));
    }
    // What a mailbox or a program gives on keeps the sender that a stranger wrote on its envelope.
    if facts.came_in {
        return Err(no("it came in from outside and is only sent on", true));
    }
    if facts.nobody_logged_in {
        return Err(no("the mail server does not say who has logged in", true));
    }
    let Some(identity) = &known.identity else { return Err(no("the sender is not known here", true)) };
    if identity.canonical() != from.canonical() {
        return Err(no("the visible From is not the one who sends it", true));
    }
    let Some(certificate) = &known.signing else {
        return Err(no("the sender has no certificate with a key here", false));
    };
    if !certificate.email_addresses().iter().any(|address| address.canonical() == from.canonical()) {
        return Err(no("the sender's certificate is for another address", false));
    }
    Ok(certificate)
}

fn choose_encryption(
    read: &Reading<'_>,
    to: &EmailAddress,
    about: &Known,
    known: &Snapshot,
    wanted: &Wanted,
    sign: bool,
    reasons: &mut Vec<String>,
) -> Action {
    let facts = read.facts;
    let banner = wanted.banner.clone().filter(|_| facts.protection == Protection::None);
    let deliver = |encrypt| {
        Action::Deliver(Treatment {
            sign,
            encrypt,
            profile: wanted.profile,
            headers: wanted.headers,
            words: wanted.words.clone(),
            banner: banner.clone(),
            hidden: !read.is_visible(to),
        })
    };
    reasons.extend(about.unusable.iter().map(|why| format!("a certificate was passed over: {why}")));
    let mut own = about.certificates.clone();
    if let (true, Some(other)) = (own.is_empty(), &wanted.certificate_of) {
        let of_domain = known.additional.get(&other.canonical()).map(Vec::as_slice).unwrap_or_default();
        own.extend(of_domain.iter().map(|certificate| (certificate.clone(), None)));
        reasons.push(match own.is_empty() {
            true => format!("the rule would take the certificate of {other}, who has none here now"),
            false => format!("the rule takes the certificate of {other} for this recipient, who has none"),
        });
    }
    match (wanted.encrypt, own.is_empty()) {
        (Choice::Never, _) => {
            reasons.push("the rule says not to encrypt".into());
            deliver(Vec::new())
        }
        (_, false) => {
            let list: Vec<String> = own.iter().map(|(c, _)| c.sha256().to_string()).collect();
            reasons.push(format!("encrypted to {}", list.join(", ")));
            let mut encrypt = own;
            for other in &wanted.also_to {
                let Some(certificates) = known.additional.get(&other.canonical()).filter(|list| !list.is_empty())
                else {
                    reasons.push(format!("the rule wants it encrypted to {other} as well, who has no certificate"));
                    return Action::Hold(Reply::new(
                        451,
                        "4.7.5",
                        format!("mail to {to} must be encrypted to {other} as well, who has no certificate here now"),
                    ));
                };
                reasons.push(format!("encrypted to {other} as well, as the rule wants it"));
                encrypt.extend(certificates.iter().map(|certificate| (certificate.clone(), None)));
            }
            deliver(encrypt)
        }
        (Choice::IfPossible, true) => {
            reasons.push("there is no certificate, and the rule does not demand encryption".into());
            deliver(Vec::new())
        }
        (Choice::Always, true) => {
            reasons.push("there is no certificate, and the rule demands encryption".into());
            match wanted.otherwise {
                Otherwise::Webmailer if !known.webmailer => {
                    reasons.push("there is no webmailer".into());
                    hold(to)
                }
                // What nobody could ever read is not taken: the sender hears of it and can invite the recipient.
                Otherwise::Webmailer if !about.reads_webmailer => {
                    reasons.push("the recipient cannot log in to the webmailer yet".into());
                    not_invited(to)
                }
                Otherwise::Webmailer if facts.sender().is_none() => {
                    reasons.push("nobody can tell who it is from".into());
                    Action::Refuse(Reply::new(550, "5.7.1", "the webmailer does not take mail without a sender"))
                }
                // CASES T-84: the webmailer shows who wrote, and for those who log in that is who they are. The mail
                // server of the house says so itself.
                Otherwise::Webmailer if facts.user.is_some() && !is_from(facts, known.identity.as_ref()) => {
                    reasons.push("the visible From is not the one who has logged in".into());
                    Action::Refuse(Reply::new(
                        550,
                        "5.7.1",
                        "the webmailer takes mail only from the one who has logged in, and the visible From is another",
                    ))
                }
                Otherwise::Webmailer => Action::Webmailer { words: wanted.words.clone() },
                Otherwise::Hold => hold(to),
                Otherwise::Refuse => Action::Refuse(Reply::new(
                    550,
                    "5.7.5",
                    format!("mail to {to} must be encrypted, and there is no certificate for this address"),
                )),
                Otherwise::Clear => {
                    reasons.push("the rule allows it in the clear".into());
                    deliver(Vec::new())
                }
            }
        }
    }
}

fn is_from(facts: &Facts, identity: Option<&EmailAddress>) -> bool {
    match (&facts.visible_from, identity) {
        (Some(from), Some(identity)) => from.canonical() == identity.canonical(),
        _ => false,
    }
}

fn hold(to: &EmailAddress) -> Action {
    // RFC 3463 §3.8: X.7.5, a cryptographic failure.
    Action::Hold(Reply::new(
        451,
        "4.7.5",
        format!(
            "mail to {to} must be encrypted, and there is no certificate for this address yet; it is kept and tried again"
        ),
    ))
}

fn not_invited(to: &EmailAddress) -> Action {
    Action::Hold(Reply::new(
        451,
        "4.7.5",
        format!(
            "mail to {to} must be encrypted; there is neither a certificate for this address nor a log-in to the \
             webmailer: invite them there, or have them send in a certificate; the mail is kept and tried again"
        ),
    ))
}

/// The Plans that share one copy of the message: the same treatment, and nobody hidden among others.
pub fn groups(plans: Vec<Plan>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, plan) in plans.into_iter().enumerate() {
        let found = groups.iter_mut().find(|group| group.takes(&plan.action));
        match found {
            Some(group) => group.add(index, plan),
            None => groups.push(Group { action: plan.action, members: vec![(index, plan.recipient)] }),
        }
    }
    groups
}

/// Recipients that share one copy of a message.
#[derive(Debug, Clone)]
pub struct Group {
    /// What happens to it.
    pub action: Action,
    /// Who gets it, with their place in the envelope.
    pub members: Vec<(usize, Recipient)>,
}

impl Group {
    fn takes(&self, action: &Action) -> bool {
        match (&self.action, action) {
            (Action::Untouched, Action::Untouched) => true,
            (Action::Deliver(own), Action::Deliver(other)) => {
                // CASES T-36: whoever is hidden has a copy of their own when it names its recipients.
                let apart = (own.hidden || other.hidden) && !(own.encrypt.is_empty() && other.encrypt.is_empty());
                !apart
                    && own.sign == other.sign
                    && own.encrypt.is_empty() == other.encrypt.is_empty()
                    && own.profile == other.profile
                    && own.headers == other.headers
                    && own.words == other.words
                    && own.banner == other.banner
            }
            _ => false,
        }
    }

    fn add(&mut self, index: usize, plan: Plan) {
        if let (Action::Deliver(own), Action::Deliver(other)) = (&mut self.action, plan.action) {
            let new: Vec<_> = other.encrypt.into_iter().filter(|entry| !own.encrypt.contains(entry)).collect();
            own.encrypt.extend(new);
        }
        self.members.push((index, plan.recipient));
    }
}
