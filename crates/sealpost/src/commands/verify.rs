use std::path::Path;

use serde::Serialize;
use smime::{Check, EncryptedReport, LayerReport, Limits, Policy, ProtectedHeader, Sender, SignerVerdict, Verifier};

use crate::cli::Verify;
use crate::files::{self, Message, Readers};
use crate::outcome::{self, Stop};

pub(crate) fn run(verify: &Verify) -> Result<(), Stop> {
    let at = files::moment(verify.at.as_deref())?;
    let mut policy = Policy::new(files::anchors(&verify.trust)?, at, Limits::in_folder(std::env::temp_dir()));
    policy.certificates = files::certificates(&verify.with)?;
    policy.crls = files::crls(&verify.crl)?;
    let sender = match &verify.from {
        Some(address) => Sender::Address(
            address.parse().map_err(|error: pki::Error| Stop::failed(format_args!("--from {address}: {error}")))?,
        ),
        None => Sender::VisibleFrom,
    };
    let verifier = Verifier::new(&policy);
    let verification = match &verify.detached {
        Some(content) => verifier.verify_detached(files::open(&verify.input)?, files::open(content)?),
        None => match files::message(&verify.input)? {
            Message::File(file) => verifier.verify_source(file),
            Message::Stream(stream) => verifier.verify(stream),
        },
    };
    let verification = verification.map_err(|error| unreadable(&error, &verify.input))?;
    // Where the content goes to standard output, nothing else does.
    let for_content = verify.content.as_deref().is_some_and(files::is_standard);
    let tell = |line: String| outcome::tell(&line, for_content);
    match verification.accept(&sender) {
        Ok(mut content) => {
            if let Some(out) = &verify.content {
                let mut reader =
                    content.reader().map_err(|error| Stop::failed(format_args!("cannot read the content: {error}")))?;
                files::write_from(out, Readers::Usual, &mut reader)?;
            }
            let header = content
                .protected_header()
                .map_err(|error| Stop::failed(format_args!("cannot read the protected header: {error}")))?;
            if verify.json {
                tell(to_json("accepted", None, content.layers(), header.as_ref()));
            } else {
                let is_sender = |signer: &&SignerVerdict| signer.address == Check::Pass;
                content.signers().filter(is_sender).for_each(|signer| tell(describe("accepted:", signer)));
                let others = content.signers().filter(|signer| !is_sender(signer));
                others.for_each(|signer| tell(describe("also", signer)));
                header.iter().flat_map(about_header).for_each(tell);
            }
            Ok(())
        }
        Err(rejected) => {
            if verify.json {
                tell(to_json("refused", Some(rejected.reason()), rejected.layers(), None));
            }
            Err(refusal(&rejected, verify))
        }
    }
}

fn describe(how: &str, signer: &SignerVerdict) -> String {
    let addresses =
        if signer.addresses.is_empty() { String::new() } else { format!(" <{}>", signer.addresses.join(", ")) };
    let time = signer.signing_time.map(|time| format!(", claims {time}")).unwrap_or_default();
    clean(&format!(
        "{how} signed by {}{addresses} with {} and {}{time}; revocation {}",
        signer.subject, signer.algorithm, signer.digest, signer.revocation
    ))
}

/// What the signer wrote in the header, and where the outside is another.
fn about_header(header: &ProtectedHeader) -> Vec<String> {
    let subject = header.subject().map(|subject| format!("protected subject: {}", clean(&subject)));
    let differences = header.differences().into_iter().map(|difference| {
        let (sent, received) = (difference.sent.unwrap_or_default(), difference.received.unwrap_or_default());
        format!(
            "warning: {} was changed on the way: sent as \"{}\", received as \"{}\"",
            difference.name,
            clean(&sent),
            clean(&received)
        )
    });
    subject.into_iter().chain(differences).collect()
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A message that is broken is refused, so that nobody who sends one turns a no into a later; what could not be read, or is
/// no message at all, could not be judged.
pub(super) fn unreadable(error: &smime::Error, input: &Path) -> Stop {
    let failed = || Stop::failed(format_args!("cannot read {}: {error}", input.display()));
    if matches!(error, smime::Error::Empty | smime::Error::Unrecognised) {
        return failed().hint("give a mail, or an S/MIME file in DER, PEM or base64");
    }
    if error.is_local() {
        return failed();
    }
    Stop::refused(format_args!("the message is broken: {error}")).hint("sealpost inspect shows what it is made of")
}

fn refusal(rejected: &smime::Rejected, verify: &Verify) -> Stop {
    let reason = rejected.reason();
    let stop = Stop::refused(reason);
    if reason.contains("expired") && verify.at.is_none() {
        return stop.hint("to judge old mail by the day it arrived, add --at 2026-02-11");
    }
    if reason.contains("cannot be opened") {
        return stop.hint("decrypt it first: sealpost decrypt");
    }
    if reason.contains("issuer") || reason.contains("anchor") || reason.contains("trusted") {
        return stop.hint("name the root with --trust, and certificates in between with --with");
    }
    if reason.contains("is not in the message") && verify.detached.is_none() {
        return stop.hint("a detached signature needs its content: --detached CONTENT");
    }
    if reason.contains("not valid before") && verify.at.is_some() {
        return stop.hint("leave out --at to judge by today");
    }
    if reason.contains("not read in the same way") || reason.contains("several From fields") {
        return stop.hint("ask whoever it seems to come from, by another way, to send it again");
    }
    if reason.contains("the message is not signed") || reason.contains("inside each other") {
        return stop.hint("sealpost inspect shows what it is made of");
    }
    if reason.contains(" is for ") && reason.contains(", not for ") {
        return stop.hint("whoever signed is not whom the mail names as its sender; ask them by another way");
    }
    if reason.contains("From") && verify.from.is_none() {
        return stop.hint("say whose address is meant with --from ADDRESS");
    }
    stop
}

#[derive(Serialize)]
struct Output<'a> {
    outcome: &'static str,
    reason: Option<&'a str>,
    layers: Vec<Layer<'a>>,
    /// The header fields under the signature, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    protected_header: Option<Protected>,
}

#[derive(Serialize)]
struct Protected {
    subject: Option<String>,
    differences: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    name: String,
    sent: Option<String>,
    received: Option<String>,
}

impl From<&ProtectedHeader> for Protected {
    fn from(header: &ProtectedHeader) -> Self {
        let differences = header.differences().into_iter().map(|difference| Difference {
            name: difference.name,
            sent: difference.sent,
            received: difference.received,
        });
        Self { subject: header.subject(), differences: differences.collect() }
    }
}

/// One layer as `ARCHITECTURE.md` lays `--json` down.
#[derive(Serialize)]
pub(super) struct Layer<'a> {
    kind: &'static str,
    signers: Vec<Signer<'a>>,
    recipients: Vec<String>,
    cipher: Option<&'a str>,
}

#[derive(Serialize)]
struct Signer<'a> {
    subject: &'a str,
    addresses: &'a [String],
    sha256: Option<String>,
    algorithm: &'a str,
    digest: &'a str,
    signing_time: Option<String>,
    integrity: &'static str,
    path: &'static str,
    revocation: String,
    address: &'static str,
    reason: Option<&'a str>,
}

impl<'a> From<&'a LayerReport> for Layer<'a> {
    fn from(layer: &'a LayerReport) -> Self {
        let empty = Self { kind: "compressed", signers: Vec::new(), recipients: Vec::new(), cipher: None };
        match layer {
            LayerReport::Signed(report) => {
                Self { kind: "signed", signers: report.signers.iter().map(Signer::from).collect(), ..empty }
            }
            LayerReport::Encrypted(report) => Self::from(report),
            _ => empty,
        }
    }
}

impl<'a> From<&'a EncryptedReport> for Layer<'a> {
    fn from(report: &'a EncryptedReport) -> Self {
        Self { kind: "encrypted", signers: Vec::new(), recipients: report.recipients(), cipher: Some(&report.cipher) }
    }
}

impl<'a> From<&'a SignerVerdict> for Signer<'a> {
    fn from(signer: &'a SignerVerdict) -> Self {
        Self {
            subject: &signer.subject,
            addresses: &signer.addresses,
            sha256: signer.certificate.as_ref().map(|certificate| certificate.sha256().to_hex()),
            algorithm: &signer.algorithm,
            digest: &signer.digest,
            signing_time: signer.signing_time.map(|time| time.to_string()),
            integrity: signer.integrity.as_str(),
            path: signer.path.as_str(),
            revocation: signer.revocation.to_string(),
            address: signer.address.as_str(),
            reason: signer.reason.as_deref(),
        }
    }
}

fn to_json(
    outcome: &'static str,
    reason: Option<&str>,
    layers: &[LayerReport],
    header: Option<&ProtectedHeader>,
) -> String {
    let layers = layers.iter().map(Layer::from);
    let output = Output { outcome, reason, layers: layers.collect(), protected_header: header.map(Protected::from) };
    serde_json::to_string(&output).unwrap_or_default()
}
