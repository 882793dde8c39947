use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crypto::{ContentCipher, KeyTransportAlgorithm};
use directory::SystemClock;
use pki::{Certificate, EmailAddress, Reason};
use smime::Encryptor;

use crate::cli::{Encrypt, Profile, Transport};
use crate::commands::config::load;
use crate::outcome::Stop;
use crate::{files, serve};

pub(crate) fn run(encrypt: &Encrypt) -> Result<(), Stop> {
    let named = encrypt.to.iter().map(Path::new).chain([encrypt.input.as_path()]);
    if named.filter(|path| files::is_standard(path)).count() > 1 {
        return Err(Stop::failed("standard input is read once, and here it is named twice")
            .hint("give the certificate or the mail as a file"));
    }
    let known = certificates_known(encrypt)?;
    let mut encryptor: Option<Encryptor> = None;
    for recipient in &encrypt.to {
        let certificates = match known.get(recipient) {
            Some(certificates) => certificates.clone(),
            None => vec![usable(recipient, certificate_in(recipient)?)?],
        };
        for certificate in certificates {
            let next = match encryptor {
                None => Encryptor::to(&certificate),
                Some(encryptor) => encryptor.and(&certificate),
            };
            encryptor = Some(next.map_err(|error| {
                Stop::refused(format_args!("{recipient}: {error}"))
                    .hint("ask for a certificate with an RSA, elliptic curve, X25519 or ML-KEM key that may encrypt")
            })?);
        }
    }
    let Some(mut encryptor) = encryptor else { return Err(Stop::failed("there is nobody to encrypt to")) };
    encryptor = encryptor.profile(match encrypt.profile {
        Profile::Modern => smime::Profile::Modern,
        Profile::Compatible => smime::Profile::Compatible,
        Profile::Energy => smime::Profile::Energy,
        Profile::Bsi => smime::Profile::Bsi,
        Profile::Pq => smime::Profile::Pq,
    });
    if let Some(name) = &encrypt.cipher {
        let cipher = ContentCipher::from_name(name).filter(|cipher| !cipher.is_legacy());
        let known: Vec<String> = ContentCipher::ALL
            .iter()
            .filter(|cipher| !cipher.is_legacy())
            .map(|cipher| cipher.name().to_lowercase())
            .collect();
        encryptor = encryptor.cipher(cipher.ok_or_else(|| {
            Stop::failed(format_args!("there is no cipher {name}")).hint(format_args!("known are {}", known.join(", ")))
        })?);
    }
    if encrypt.transport == Transport::Pkcs1 {
        // CASES S-71: these two know no exception.
        if matches!(encrypt.profile, Profile::Energy | Profile::Bsi) {
            return Err(Stop::failed("this profile allows RSAES-OAEP only").hint("leave out --transport or --profile"));
        }
        encryptor = encryptor.transport(KeyTransportAlgorithm::RsaPkcs1);
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    encryptor = encryptor.threads(threads);
    let mut mail = files::source(&encrypt.input)?;
    let cannot = |error: smime::Error| Stop::failed(format_args!("cannot encrypt: {error}"));
    files::write_with(&encrypt.output, files::Readers::Usual, |out| {
        encryptor.encrypt_to(&mut *mail, out).map_err(cannot)
    })
}

/// Whether a recipient is an address and no file. Where the directory is asked, a file in the folder that one happens to
/// be in does not choose the key for an address: a path has a slash.
fn is_address(recipient: &str, asks_directory: bool) -> bool {
    recipient.contains('@') && !recipient.contains('/') && (asks_directory || !Path::new(recipient).exists())
}

/// What the directory knows about the recipients that are addresses and no files.
fn certificates_known(encrypt: &Encrypt) -> Result<HashMap<String, Vec<Certificate>>, Stop> {
    let asks = encrypt.config.is_some();
    let addresses: Vec<&String> = encrypt.to.iter().filter(|recipient| is_address(recipient, asks)).collect();
    let Some(first) = addresses.first() else { return Ok(HashMap::new()) };
    let unknown = |address: &str| Stop::refused(format_args!("no certificate is known for {address}"));
    let Some(config) = &encrypt.config else {
        return Err(unknown(first).hint("name the certificate's file, or the directory's configuration with --config"));
    };
    let config = load(config)?;
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let mut known = HashMap::new();
        for text in addresses {
            let address = EmailAddress::parse(text).map_err(|error| Stop::failed(format_args!("{text}: {error}")))?;
            let certificates = gateway::certificates_for(&directory, &address).await.map_err(|error| {
                Stop::failed(format_args!("the directory cannot say which certificate {text} has: {}", error.because))
            })?;
            if certificates.is_empty() {
                let hint =
                    format!("sealpost policy explain --from YOU --to {text} says why; or invite them to send one");
                return Err(unknown(text).hint(hint));
            }
            known.insert(text.clone(), certificates);
        }
        directory.close().await;
        Ok(known)
    })
}

/// The one person's certificate that a file is about. CAs' beside it are passed over, as is an older one of the same person.
fn certificate_in(recipient: &str) -> Result<Certificate, Stop> {
    let path = Path::new(recipient);
    let one_each = "name each person's certificate file by a --to of its own";
    if path.is_dir() {
        // Whoever may write there would read the mail.
        return Err(Stop::failed(format_args!("{recipient} is a folder, and --to takes one person's certificate"))
            .hint(one_each));
    }
    let bytes = files::read(path)?;
    // A mail that slipped in among the recipients brings whatever certificate its sender liked.
    if files::is_mail(&bytes) {
        return Err(files::mail_for_certificates(path, "--to"));
    }
    if files::is_signature(&bytes) {
        return Err(Stop::failed(format_args!(
            "{recipient} is somebody's signature, and --to takes certificates alone"
        ))
        .hint(one_each));
    }
    let found = files::certificates_from(path, &bytes)?;
    let people: Vec<&Certificate> = found.iter().filter(|certificate| !certificate.is_ca()).collect();
    let Some(first) = people.first() else {
        return found.first().cloned().ok_or_else(|| files::no_certificate(path));
    };
    if let Some(other) = people.iter().find(|other| !whose(other).iter().any(|own| whose(first).contains(own))) {
        return Err(Stop::refused(format_args!(
            "{recipient} holds certificates of several people: {first} and {other}"
        ))
        .hint(one_each));
    }
    // Signing and encrypting may have a certificate each, and a renewed one stands for the one before it.
    let best =
        people.iter().max_by_key(|certificate| (Encryptor::to(certificate).is_ok(), certificate.validity().not_after));
    Ok((*best.unwrap_or(first)).clone())
}

/// What `cert check --purpose encrypt` says no to, whatever the chain is, nobody encrypts to (CASES S-24, T-68).
fn usable(recipient: &str, certificate: Certificate) -> Result<Certificate, Stop> {
    let lint = pki::lint::lint(&certificate, files::now());
    // Whoever names a certificate without an address, or with a sample key, may have a reason.
    let no = |reason: &&Reason| !matches!(reason, Reason::AddressMissing | Reason::KeyIsPublic);
    let Some(reason) = lint.refusals().iter().find(no) else { return Ok(certificate) };
    let stop = Stop::refused(format_args!("{recipient}: the certificate of {certificate} {reason}"));
    Err(match reason {
        Reason::NotYetValid { .. } => stop.hint("ask for the one that is in use until then"),
        Reason::KeyUsage { .. } => {
            stop.hint("ask for a certificate with an RSA, elliptic curve, X25519 or ML-KEM key that may encrypt")
        }
        _ => stop.hint("ask for a new certificate for mail; sealpost cert lint says all that is wrong with this one"),
    })
}

/// Whom a certificate speaks for: its mailboxes, or its name where it has none.
fn whose(certificate: &Certificate) -> Vec<String> {
    let addresses: Vec<String> = certificate.email_addresses().iter().map(ToString::to_string).collect();
    if addresses.is_empty() { vec![certificate.subject().to_string()] } else { addresses }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_folder_is_no_address_of_the_directory() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let file = folder.path().join("alice@example.org");
        std::fs::write(&file, "x").unwrap();
        let path = file.to_string_lossy();
        assert!(!is_address(&path, true) && !is_address(&path, false));
        assert!(is_address("alice@example.org", true) && is_address("alice@example.org", false));
        assert!(!is_address("alice.crt", true));
        let bare = tempfile::Builder::new().prefix("bob@").tempfile_in(".").unwrap();
        let name = bare.path().file_name().unwrap().to_string_lossy().into_owned();
        assert!(is_address(&name, true) && !is_address(&name, false));
    }
}
