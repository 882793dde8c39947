//! Keys, certificates and chains: from whatever files they are in, into one.

use std::path::Path;

use directory::harvest::{Finding, harvest};
use pki::{Credential, Pkcs12Builder, Protection};
use zeroize::Zeroizing;

use super::{Export, Format, Import, key_pem, new_password};
use crate::files;
use crate::outcome::Stop;

pub(super) fn import(arguments: &Import) -> Result<(), Stop> {
    let password = files::password(arguments.password_file.as_deref())?.map(Zeroizing::new);
    let new_password = new_password(arguments.new_password_file.as_deref(), "--new-password-file")?;
    let mut inputs = Vec::new();
    for path in &arguments.inputs {
        inputs.push(Zeroizing::new(read_any(path)?));
    }
    let named = arguments.inputs.first().map(|path| path.display().to_string()).unwrap_or_default();
    let inputs = inputs.iter().map(|bytes| bytes.as_slice());
    let found = Credential::load_exportable(inputs, password.as_deref().map(String::as_str))
        .map_err(|error| files::key_error(&named, &error))?;
    let mut pem = Zeroizing::new(String::new());
    for (key, credential) in &found {
        let key = Zeroizing::new(key_pem(key, new_password.as_deref().map(String::as_str))?);
        pem.push_str(&key);
        for certificate in std::iter::once(credential.certificate()).chain(credential.chain()) {
            let block = certificate.to_pem();
            // Two keys of one person share their chain.
            if !pem.contains(&block) {
                pem.push_str(&block);
            }
        }
    }
    files::write_secret(&arguments.output, pem.as_bytes())?;
    for (_, credential) in &found {
        let certificate = credential.certificate();
        note!(
            "imported: the key of {certificate}, good until {}, with {} more of the chain",
            certificate.validity().not_after,
            credential.chain().len()
        );
    }
    Ok(())
}

/// A file as it is, or the certificates out of it as PEM where it is a mail, a `.p7b` or an archive.
pub(super) fn read_any(path: &Path) -> Result<Vec<u8>, Stop> {
    let bytes = files::read(path)?;
    if pki::contains_private_key(&bytes) {
        return Ok(bytes);
    }
    let mut pem = String::new();
    for file in harvest(&path.display().to_string(), &bytes) {
        match file.finding {
            Finding::Certificates(certificates) => {
                certificates.iter().for_each(|certificate| pem.push_str(&certificate.to_pem()));
            }
            Finding::PrivateKey => {
                return Err(Stop::failed(format_args!("{} has a private key in an attachment", path.display()))
                    .hint("save the attachment as a file and import that; a key that was mailed may be burnt"));
            }
            _ => {}
        }
    }
    if pem.is_empty() { Err(files::no_certificate(path)) } else { Ok(pem.into_bytes()) }
}

pub(super) fn export(arguments: &Export) -> Result<(), Stop> {
    let password = new_password(arguments.new_password_file.as_deref(), "--new-password-file")?;
    let found = files::exportable(&arguments.identity)?;
    let more = files::certificates(&arguments.with)?;
    let cannot = |error: pki::CredentialError| Stop::failed(format_args!("cannot export: {error}"));
    let bytes = match arguments.format {
        Format::Pem => {
            let mut pem = Zeroizing::new(String::new());
            for (key, credential) in &found {
                let key = Zeroizing::new(key_pem(key, password.as_deref().map(String::as_str))?);
                pem.push_str(&key);
                pem.push_str(&credential.certificate().to_pem());
            }
            for certificate in found.iter().flat_map(|(_, credential)| credential.chain()).chain(&more) {
                let block = certificate.to_pem();
                if !pem.contains(&block) {
                    pem.push_str(&block);
                }
            }
            Zeroizing::new(pem.as_bytes().to_vec())
        }
        Format::P12 => {
            let Some(password) = &password else {
                return Err(Stop::failed("a .p12 needs a password").hint("give its file by --new-password-file"));
            };
            let protection = if arguments.compatible { Protection::Compatible } else { Protection::Modern };
            let mut builder = Pkcs12Builder::new(protection);
            for (key, credential) in &found {
                let certificate = credential.certificate();
                let name =
                    certificate.email_addresses().first().map_or_else(|| certificate.to_string(), ToString::to_string);
                builder = builder.key(key, certificate, Some(&name)).map_err(cannot)?.chain(credential.chain());
            }
            Zeroizing::new(builder.chain(&more).build(password).map_err(cannot)?)
        }
    };
    files::write_secret(&arguments.output, &bytes)
}
