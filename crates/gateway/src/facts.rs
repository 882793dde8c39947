use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};

use cms::Spool;
use mime::Header;
use pki::EmailAddress;

use crate::confusable::fold;
use crate::smtp::{Envelope, Peer};

/// What is known of a message before it is decided about: nothing here is trusted, only found.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The envelope's sender, when it is a mailbox in the strict form.
    pub envelope_from: Option<EmailAddress>,
    /// Whether the envelope's sender is nobody.
    pub null_sender: bool,
    /// Who has logged in.
    pub user: Option<String>,
    /// The one visible From, or why there is not exactly one.
    pub visible_from: Option<EmailAddress>,
    /// Why there is no visible From.
    pub from_problem: Option<String>,
    /// The addresses that everybody sees in To and Cc.
    pub visible_recipients: Vec<EmailAddress>,
    /// The subject, decoded.
    pub subject: String,
    /// The Message-ID, for the trace.
    pub message_id: String,
    /// All header fields, name and decoded text.
    pub fields: Vec<(String, String)>,
    /// The groups that the sender is in.
    pub groups: Vec<String>,
    /// Octets.
    pub bytes: u64,
    /// What is on it already.
    pub protection: Protection,
    /// It was made by a program (RFC 3834).
    pub automatic: bool,
    /// `Received` fields.
    pub hops: usize,
    /// Nobody has logged in where everybody has to: whoever it claims to be from did not prove it.
    pub nobody_logged_in: bool,
    /// It carries results under our name: it came in from outside, and is not written by whoever sends it on.
    pub came_in: bool,
    /// What the mail server that gave it to us calls it in its own queue.
    pub queue_id: Option<String>,
    /// The Message-IDs under which answers may name it: one, if all is well.
    pub own_ids: Vec<String>,
    /// Whether whoever answers it is sure to name it by the one of [`Self::own_ids`].
    pub has_plain_id: bool,
    /// The messages that it is, answers, or reports about: their Message-IDs.
    pub references: Vec<String>,
    /// One of those came encrypted, so this does not leave in the clear (CASES T-29, T-30).
    pub confidential: bool,
    /// It is a report and returns a message that nobody can name: that one may have come encrypted (CASES T-27).
    pub returns_nameless: bool,
}

/// The cryptographic layer that a message has at its root, by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// None of ours; OpenPGP counts as none.
    #[default]
    None,
    /// S/MIME, signed.
    Signed,
    /// S/MIME, encrypted.
    Encrypted,
    /// S/MIME, other: certificates only, compressed.
    Other,
}

impl Facts {
    /// Looks at a message.
    pub fn of(envelope: &Envelope, peer: &Peer, header: &Header, beginning: &[u8], content: &Spool) -> Self {
        let (visible_from, from_problem) = visible_from(header);
        let list = |name: &str| {
            header
                .all(name)
                .flat_map(|field| mime::parse_mailbox_list(&field.value()).unwrap_or_default())
                .collect::<Vec<_>>()
        };
        let visible_recipients = ["To", "Cc", "Resent-To", "Resent-Cc"]
            .iter()
            .flat_map(|name| list(name))
            .filter_map(|mailbox| EmailAddress::parse(&mailbox.to_string()).ok())
            .collect();
        let text = |name: &str| header.get(name).map(mime::Field::text).unwrap_or_default();
        let (own_ids, has_plain_id) = own_ids(header);
        let auto = text("Auto-Submitted");
        Self {
            envelope_from: envelope.from.mailbox().cloned(),
            null_sender: envelope.from.is_null(),
            user: peer.user.clone(),
            visible_from,
            from_problem,
            visible_recipients,
            subject: text("Subject"),
            message_id: text("Message-ID"),
            fields: header.fields().iter().map(|field| (field.name().to_owned(), field.text())).collect(),
            groups: Vec::new(),
            bytes: content.len(),
            protection: protection(header, beginning),
            automatic: !auto.is_empty() && !auto.eq_ignore_ascii_case("no"),
            hops: header.all("Received").count(),
            nobody_logged_in: false,
            came_in: false,
            queue_id: queue_id(header),
            own_ids,
            has_plain_id,
            references: references(header),
            confidential: false,
            returns_nameless: false,
        }
    }

    /// The sensitivity labels that mail programs put on it.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().flat_map(|(name, value)| {
            let plain = name.eq_ignore_ascii_case("Sensitivity").then_some(value.as_str());
            let list = if name.eq_ignore_ascii_case("msip_labels") { value.as_str() } else { "" };
            let named = list
                .split(';')
                .filter_map(|part| part.split_once('='))
                .filter_map(|(key, label)| key.trim().to_ascii_lowercase().ends_with("_name").then_some(label.trim()));
            plain.into_iter().chain(named)
        })
    }

    /// The sender that rules are about: who is visible, else who is on the envelope.
    pub fn sender(&self) -> Option<&EmailAddress> {
        self.visible_from.as_ref().or(self.envelope_from.as_ref())
    }

    /// Whether everybody sees that this recipient gets the message.
    pub fn is_visible(&self, recipient: &EmailAddress) -> bool {
        self.visible_recipients.iter().any(|visible| visible.canonical() == recipient.canonical())
    }
}

/// What rules compare, made once for a message: it has a thousand recipients, and its header a million characters
/// (CASES N-24, T-54).
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) facts: &'a Facts,
    subject: OnceCell<String>,
    labels: OnceCell<Vec<String>>,
    fields: RefCell<HashMap<String, Vec<String>>>,
    visible: OnceCell<HashSet<String>>,
    answers: RefCell<HashMap<usize, Option<String>>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn of(facts: &'a Facts) -> Self {
        Self {
            facts,
            subject: OnceCell::new(),
            labels: OnceCell::new(),
            fields: RefCell::default(),
            visible: OnceCell::new(),
            answers: RefCell::default(),
        }
    }

    /// The subject, as it is compared.
    pub(crate) fn subject(&self) -> &str {
        self.subject.get_or_init(|| fold(&self.facts.subject))
    }

    /// The labels, as they are compared.
    pub(crate) fn labels(&self) -> &[String] {
        self.labels.get_or_init(|| self.facts.labels().map(fold).collect())
    }

    /// Whether a field of this name has the text in it, which is folded already.
    pub(crate) fn has_field(&self, name: &str, part: &str) -> bool {
        let mut fields = self.fields.borrow_mut();
        let values = fields.entry(name.to_ascii_lowercase()).or_insert_with(|| {
            let called_so = self.facts.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
            called_so.map(|(_, value)| fold(value)).collect()
        });
        values.iter().any(|value| value.contains(part))
    }

    /// Whether everybody sees that this recipient gets the message.
    pub(crate) fn is_visible(&self, recipient: &EmailAddress) -> bool {
        let all = || self.facts.visible_recipients.iter().map(EmailAddress::canonical).collect();
        self.visible.get_or_init(all).contains(&recipient.canonical())
    }

    /// What a rule says to the message, whoever gets it: asked once.
    pub(crate) fn once(&self, rule: usize, ask: impl FnOnce() -> Option<String>) -> Option<String> {
        if let Some(known) = self.answers.borrow().get(&rule) {
            return known.clone();
        }
        let answer = ask();
        self.answers.borrow_mut().insert(rule, answer.clone());
        answer
    }
}

fn visible_from(header: &Header) -> (Option<EmailAddress>, Option<String>) {
    match header.visible_from() {
        Ok(mailbox) => match EmailAddress::parse(&mailbox.to_string()) {
            Ok(address) => (Some(address), None),
            Err(error) => (None, Some(error.to_string())),
        },
        Err(error) => (None, Some(error.to_string())),
    }
}

/// What the mail server that gave us the mail calls it: the `id` of the uppermost Received (RFC 5321 §4.4).
fn queue_id(header: &Header) -> Option<String> {
    let received = header.get("Received")?.value();
    let mut words = received.split(';').next().unwrap_or_default().split_ascii_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("id"))?;
    let id = words.next()?;
    let plain = id.len() <= 100 && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    plain.then(|| id.to_owned())
}

/// The message's own Message-IDs, as [`references`] will find them in an answer; and whether there is one alone, in a
/// form that every program repeats as it is (RFC 5322 §3.6.4).
pub(crate) fn own_ids(header: &Header) -> (Vec<String>, bool) {
    let values: Vec<String> = header.all("Message-ID").map(mime::Field::value).collect();
    let found: Vec<String> = values.iter().flat_map(|value| ids(value)).take(MOST).collect();
    let plain = |id: &str| id.bytes().all(|b| b.is_ascii_graphic() && !b"()\"\\".contains(&b)) && !id.contains("=?");
    let sure = match (found.as_slice(), values.as_slice()) {
        ([id], [value]) => plain(id) && id.matches('<').count() == 1 && value.matches('<').count() == 1,
        _ => false,
    };
    (found, sure)
}

/// Message-IDs that a text names.
pub(crate) fn ids(text: &str) -> impl Iterator<Item = String> + '_ {
    let all = text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(id, _)| format!("<{id}>"));
    all.filter(|id| (3..=LONGEST).contains(&id.len()))
}

/// Messages that one may refer to, and octets of a Message-ID.
const MOST: usize = 20;
const LONGEST: usize = 250;

/// Message-IDs in the fields that say what a message is about.
fn references(header: &Header) -> Vec<String> {
    let text: Vec<String> = ["Message-ID", "In-Reply-To", "References"]
        .iter()
        .flat_map(|name| header.all(name))
        .map(mime::Field::value)
        .collect();
    let mut found: Vec<String> = Vec::new();
    for id in text.iter().flat_map(|text| ids(text)) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    // Of a long conversation the message itself, the one it answers, and the latest before.
    let first = found.len().min(2);
    let rest = found.split_off(first);
    found.extend(rest.into_iter().rev().take(MOST));
    found
}

/// What a message is at its root, by its header and the beginning of its body.
pub(crate) fn protection(header: &Header, beginning: &[u8]) -> Protection {
    let Some(content_type) = header.content_type() else { return Protection::None };
    let essence = content_type.essence.as_str();
    if essence == "multipart/signed" {
        let smime =
            content_type.parameter("protocol").is_none_or(|protocol| protocol.to_ascii_lowercase().contains("pkcs7"));
        return if smime { Protection::Signed } else { Protection::None };
    }
    let name = header
        .disposition()
        .and_then(|disposition| disposition.file_name().map(str::to_owned))
        .or_else(|| content_type.parameter("name").map(str::to_owned))
        .unwrap_or_default()
        .to_ascii_lowercase();
    // CASES S-09: its ASN.1 decides, not its label. What is looked at is what `smime` opens.
    let labelled = ["application/pkcs7-", "application/x-pkcs7-"].iter().any(|start| essence.starts_with(start));
    let named = [".p7m", ".p7s", ".p7c", ".p7z"].iter().any(|end| name.ends_with(end));
    if !labelled && !named && essence != "application/octet-stream" {
        return Protection::None;
    }
    let body = match header.transfer_encoding().as_str() {
        "base64" => decode_some(beginning),
        "quoted-printable" => mime::decode_quoted_printable(beginning),
        _ => beginning.to_vec(),
    };
    match cms::sniff(&body) {
        Some(cms::ContentType::SignedData) => Protection::Signed,
        Some(cms::ContentType::EnvelopedData | cms::ContentType::AuthEnvelopedData) => Protection::Encrypted,
        None if !labelled && !name.ends_with(".p7m") => Protection::None,
        _ => Protection::Other,
    }
}

fn decode_some(text: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut out = Vec::new();
    let _ = mime::Base64Reader::new(text).take(64).read_to_end(&mut out);
    out
}
