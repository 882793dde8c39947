use serde::Serialize;
use smime::{Check, LayerReport, Limits, Policy, ProtectedHeader, Sender, SignerVerdict, Verifier};

use crate::cli::Verify;
use crate::files::{self, Message};
use crate::outcome::Stop;

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
    let verification =
        verification.map_err(|error| Stop::failed(format_args!("cannot read {}: {error}", verify.input.display())))?;
    match verification.accept(&sender) {
        Ok(mut content) => {
            if let Some(out) = &verify.content {
                let mut reader =
                    content.reader().map_err(|error| Stop::failed(format_args!("cannot read the content: {error}")))?;
                files::write_from(out, &mut reader)?;
            }
            let header = content
                .protected_header()
                .map_err(|error| Stop::failed(format_args!("cannot read the protected header: {error}")))?;
            if verify.json {
                print_json("accepted", None, content.layers(), header.as_ref());
            } else {
                let is_sender = |signer: &&SignerVerdict| signer.address == Check::Pass;
                content.signers().filter(is_sender).for_each(|signer| println!("{}", describe("accepted:", signer)));
                let others = content.signers().filter(|signer| !is_sender(signer));
                others.for_each(|signer| println!("{}", describe("also", signer)));
                header.iter().for_each(print_header);
            }
            Ok(())
        }
        Err(rejected) => {
            if verify.json {
                print_json("refused", Some(rejected.reason()), rejected.layers(), None);
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
fn print_header(header: &ProtectedHeader) {
    if let Some(subject) = header.subject() {
        println!("protected subject: {}", clean(&subject));
    }
    for difference in header.differences() {
        let (sent, received) = (difference.sent.unwrap_or_default(), difference.received.unwrap_or_default());
        println!(
            "warning: {} was changed on the way: sent as \"{}\", received as \"{}\"",
            difference.name,
            clean(&sent),
            clean(&received)
        );
    }
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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
    if reason.contains("several From fields") {
        return stop.hint("a mail has one sender; ask whoever it seems to come from to send it again");
    }
    if reason.contains("the message is not signed") {
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
struct Layer<'a> {
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

fn print_json(outcome: &'static str, reason: Option<&str>, layers: &[LayerReport], header: Option<&ProtectedHeader>) {
    let layers = layers.iter().map(|layer| match layer {
        LayerReport::Signed(report) => Layer {
            kind: "signed",
            signers: report.signers.iter().map(Signer::from).collect(),
            recipients: Vec::new(),
            cipher: None,
        },
        LayerReport::Encrypted(report) => Layer {
            kind: "encrypted",
            signers: Vec::new(),
            recipients: report.recipients(),
            cipher: Some(&report.cipher),
        },
        _ => Layer { kind: "compressed", signers: Vec::new(), recipients: Vec::new(), cipher: None },
    });
    let output = Output { outcome, reason, layers: layers.collect(), protected_header: header.map(Protected::from) };
    println!("{}", serde_json::to_string(&output).unwrap_or_default());
}
