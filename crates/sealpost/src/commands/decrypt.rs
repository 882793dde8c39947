use std::io::Read as _;
use std::path::Path;

use serde::Serialize;
use smime::{Decryptor, LayerReport, Limits};

use super::verify::{Layer, unreadable};
use crate::cli::Decrypt;
use crate::files::{self, Message, Readers};
use crate::outcome::{Doing, Stop, tell};

/// What `verify --json` says of the layers, and of what no signature is needed for.
#[derive(Serialize)]
struct Output<'a> {
    outcome: &'static str,
    reason: Option<&'a str>,
    layers: Vec<Layer<'a>>,
    cipher: &'a str,
    recipients: Vec<String>,
    /// Whether a tag protected the content against change.
    authenticated: bool,
}

pub(crate) fn run(decrypt: &Decrypt) -> Result<(), Stop> {
    let credentials = files::credentials(&decrypt.identity)?;
    let limits = Limits::in_folder(std::env::temp_dir());
    let decryptor = Decryptor::new(&credentials, &limits).from_inside();
    let decrypted = match files::message(&decrypt.input)? {
        Message::File(file) => decryptor.decrypt_source(file),
        Message::Stream(stream) => decryptor.decrypt(stream),
    };
    let decrypted = decrypted.map_err(|error| match error {
        // CASES N-22: one answer, whatever went wrong.
        smime::Error::Cms(error @ cms::Error::DecryptionFailed) => {
            Stop::refused(error).hint(way_out(&decrypt.input, &limits))
        }
        smime::Error::Cms(error @ cms::Error::NoMatchingRecipient) => {
            Stop::refused(error).hint("sealpost inspect shows to whom it is encrypted")
        }
        error @ smime::Error::NotSmime { .. } => Stop::refused(error).hint("sealpost inspect shows what it is made of"),
        error => unreadable(&error, &decrypt.input),
    })?;
    let content = match decrypted {
        Ok(mut content) => {
            files::write_from(&decrypt.output, Readers::Owner, &mut content.reader().doing("read the content")?)?;
            content
        }
        Err((content, unprotected)) => {
            let mut unprotected = unprotected.into_unprotected();
            files::write_from(&decrypt.output, Readers::Owner, &mut unprotected.reader().doing("read the content")?)?;
            // Anybody may have changed it on the way; a signature inside says more.
            note!(
                "note: {} does not protect content against change; verify the signature inside before you trust it",
                content.report.cipher
            );
            content
        }
    };
    let report = &content.report;
    if content.outside.iter().any(|layer| matches!(layer, LayerReport::Signed(_))) {
        note!("note: a signature around it was taken off and not judged: sealpost verify judges it");
    }
    if decrypt.json {
        let output = Output {
            outcome: "accepted",
            reason: None,
            layers: content.outside.iter().map(Layer::from).chain([Layer::from(report)]).collect(),
            cipher: &report.cipher,
            recipients: report.recipients(),
            authenticated: report.authenticated,
        };
        tell(&serde_json::to_string(&output).unwrap_or_default(), files::is_standard(&decrypt.output));
    }
    Ok(())
}

/// What to do about a message that cannot be decrypted. Its cipher is no secret, and to send it again as it is would be in
/// vain when nobody reads that here.
fn way_out(input: &Path, limits: &Limits) -> String {
    const MOST: u64 = 64 << 20;
    let again = "sealpost inspect shows what it is made of; ask the sender to send it again";
    let Ok(Message::File(file)) = files::message(input) else { return again.into() };
    let mut message = Vec::new();
    let read = file.take(MOST).read_to_end(&mut message).is_ok();
    let tree = read.then(|| smime::inspect(&message, limits).ok()).flatten();
    match tree.as_ref().and_then(smime::Node::unreadable_cipher) {
        Some(cipher) => format!("its cipher, {cipher}, is not read here: ask the sender to encrypt with AES"),
        None => again.into(),
    }
}
