use serde::Serialize;
use smime::{Decryptor, Limits};

use super::verify::{Layer, unreadable};
use crate::cli::Decrypt;
use crate::files::{self, Message};
use crate::outcome::{Doing, Stop, tell};

/// What `verify --json` says of the layer, and of what no signature is needed for.
#[derive(Serialize)]
struct Output<'a> {
    outcome: &'static str,
    reason: Option<&'a str>,
    layers: [Layer<'a>; 1],
    cipher: &'a str,
    recipients: Vec<String>,
    /// Whether a tag protected the content against change.
    authenticated: bool,
}

pub(crate) fn run(decrypt: &Decrypt) -> Result<(), Stop> {
    let credentials = files::credentials(&decrypt.identity)?;
    let limits = Limits::in_folder(std::env::temp_dir());
    let decryptor = Decryptor::new(&credentials, &limits);
    let decrypted = match files::message(&decrypt.input)? {
        Message::File(file) => decryptor.decrypt_source(file),
        Message::Stream(stream) => decryptor.decrypt(stream),
    };
    let decrypted = decrypted.map_err(|error| match error {
        // CASES N-22: one answer, whatever went wrong.
        smime::Error::Cms(error @ cms::Error::DecryptionFailed) => {
            Stop::refused(error).hint("sealpost inspect shows what it is made of; ask the sender to send it again")
        }
        smime::Error::Cms(error @ cms::Error::NoMatchingRecipient) => {
            Stop::refused(error).hint("sealpost inspect shows to whom it is encrypted")
        }
        error @ smime::Error::NotSmime { .. } => Stop::refused(error).hint("sealpost inspect shows what it is made of"),
        error => unreadable(&error, &decrypt.input),
    })?;
    let report = match decrypted {
        Ok(mut content) => {
            files::write_from(&decrypt.output, &mut content.reader().doing("read the content")?)?;
            content.report
        }
        Err((content, unprotected)) => {
            let mut unprotected = unprotected.into_unprotected();
            files::write_from(&decrypt.output, &mut unprotected.reader().doing("read the content")?)?;
            // Anybody may have changed it on the way; a signature inside says more.
            note!(
                "note: {} does not protect content against change; verify the signature inside before you trust it",
                content.report.cipher
            );
            content.report
        }
    };
    if decrypt.json {
        let output = Output {
            outcome: "accepted",
            reason: None,
            layers: [Layer::from(&report)],
            cipher: &report.cipher,
            recipients: report.recipients(),
            authenticated: report.authenticated,
        };
        tell(&serde_json::to_string(&output).unwrap_or_default(), files::is_standard(&decrypt.output));
    }
    Ok(())
}
