use crypto::{DigestAlgorithm, PublicKeyKind};
use smime::{SignatureForm, Signer};

use crate::cli::{Digest, Form, Sign};
use crate::files;
use crate::outcome::Stop;

pub(crate) fn run(sign: &Sign) -> Result<(), Stop> {
    let credential = files::signing_credential(&sign.identity, &sign.with)?;
    let cannot = |error: smime::Error| Stop::failed(format_args!("cannot sign: {error}"));
    let mut signer = Signer::new(&credential).map_err(cannot)?.at(files::now());
    let key = credential.key().public_key();
    if sign.pss && !matches!(key.kind(), PublicKeyKind::Rsa { .. }) {
        return Err(Stop::failed(format_args!(
            "cannot sign: RSASSA-PSS needs an RSA key, and this one is {}",
            key.describe()
        ))
        .hint("leave out --pss"));
    }
    if sign.digest.is_some() || sign.pss {
        let digest = match sign.digest.unwrap_or(Digest::Sha256) {
            Digest::Sha256 => DigestAlgorithm::Sha256,
            Digest::Sha384 => DigestAlgorithm::Sha384,
            Digest::Sha512 => DigestAlgorithm::Sha512,
        };
        signer = signer.digest(digest, sign.pss).map_err(|error| {
            cannot(error).hint("leave out --digest and --pss: the key's own algorithm has no choice")
        })?;
    }
    if sign.protect_headers {
        signer = signer.protect_headers();
    }
    let signer = match sign.form {
        Form::Clear => signer.form(SignatureForm::Clear),
        Form::Opaque => signer.form(SignatureForm::Opaque),
        Form::Detached => {
            let signature = signer.sign_detached_from(&mut files::open(&sign.input)?);
            return files::write(&sign.output, &signature.map_err(cannot)?);
        }
    };
    let mut mail = files::source(&sign.input)?;
    files::write_with(&sign.output, files::Readers::Usual, |out| signer.sign_to(&mut *mail, out).map_err(cannot))
}
