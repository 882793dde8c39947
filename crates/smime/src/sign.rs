use std::io::Write as _;

use asn1::{Tag, Time};
use cms::{Attribute, DetachedSigner, SignedDataWriter, SignerSettings, oids};
use crypto::{DigestAlgorithm, PssParameters, PublicKeyKind, SignatureAlgorithm};
use mime::{Base64Writer, Header};
use pki::Credential;

use crate::header_confidentiality::{Divided, divide};
use crate::split::{Split, join, split};
use crate::{Capabilities, Error, HeaderConfidentiality, Limits, Profile};

/// How signature and content go together in a mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignatureForm {
    /// `multipart/signed`: everybody can read it (RFC 8551 §3.5.3).
    #[default]
    Clear,
    /// `application/pkcs7-mime`: the content is inside (RFC 8551 §3.5.2).
    Opaque,
}

/// Where the header fields go.
#[derive(Debug, Clone, Copy)]
enum Headers {
    /// They stay outside, unprotected.
    Outside,
    /// Outside and under the signature.
    Signed,
    /// Under the signature, and outside what the policy leaves there.
    Confidential(HeaderConfidentiality),
}

/// Signs mails.
#[derive(Debug, Clone)]
#[must_use]
pub struct Signer {
    first: SignerSettings,
    others: Vec<SignerSettings>,
    form: SignatureForm,
    headers: Headers,
    limits: mime::Limits,
}

impl Signer {
    /// With one credential, in the clear form, with the algorithm that suits the key. The certificate, its chain, our
    /// capabilities and the key preference go along, so that the recipient can answer encrypted.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn new(credential: &Credential) -> Result<Self, Error> {
        Ok(Self {
            first: settings(credential)?,
            others: Vec::new(),
            form: SignatureForm::Clear,
            headers: Headers::Outside,
            limits: mime::Limits::default(),
        })
    }

    /// Also with another credential.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn and(mut self, credential: &Credential) -> Result<Self, Error> {
        self.others.push(settings(credential)?);
        Ok(self)
    }

    /// With the algorithm that a profile chooses.
    pub fn profile(mut self, profile: Profile) -> Self {
        for signer in std::iter::once(&mut self.first).chain(&mut self.others) {
            if let Some(algorithm) = profile.signature(signer.credential().key().public_key()) {
                *signer = signer.clone().algorithm(algorithm);
            }
        }
        self
    }

    /// With this digest, and RSASSA-PSS instead of PKCS #1 v1.5 if `pss`.
    ///
    /// # Errors
    /// When the key's algorithm leaves no such choice.
    pub fn digest(mut self, digest: DigestAlgorithm, pss: bool) -> Result<Self, Error> {
        for signer in std::iter::once(&mut self.first).chain(&mut self.others) {
            let key = signer.credential().key().public_key();
            let algorithm = match key.kind() {
                PublicKeyKind::Rsa { pss: restricted, .. } if pss || restricted.is_some() => {
                    SignatureAlgorithm::RsaPss(PssParameters::standard(digest))
                }
                PublicKeyKind::Rsa { .. } => SignatureAlgorithm::RsaPkcs1(digest),
                PublicKeyKind::Ec(_) => SignatureAlgorithm::Ecdsa(digest),
                _ => {
                    return Err(
                        crypto::Error::Unsupported { algorithm: format!("{digest} with {}", key.describe()) }.into()
                    );
                }
            };
            *signer = signer.clone().algorithm(algorithm);
        }
        Ok(self)
    }

    /// Claims to sign at `time`.
    pub fn at(mut self, time: Time) -> Self {
        self.first = self.first.signing_time(time);
        self.others = self.others.into_iter().map(|signer| signer.signing_time(time)).collect();
        self
    }

    /// In another form.
    pub fn form(self, form: SignatureForm) -> Self {
        Self { form, ..self }
    }

    /// Puts the header fields under the signature, too (RFC 9788 §2.1).
    pub fn protect_headers(self) -> Self {
        Self { headers: Headers::Signed, ..self }
    }

    /// Puts the header fields under the signature of a mail that is encrypted next, and leaves outside only what
    /// `policy` leaves there (RFC 9788 §3.2).
    pub fn protect_headers_confidentially(self, policy: HeaderConfidentiality) -> Self {
        Self { headers: Headers::Confidential(policy), ..self }
    }

    /// Signs a mail. The fields that are not about the content stay where they are.
    ///
    /// # Errors
    /// When the mail cannot be read or the key cannot sign.
    pub fn sign(self, mail: &[u8]) -> Result<Vec<u8>, Error> {
        let limits = Limits { mime: self.limits, ..Limits::in_folder("") };
        let Split { mut outer, mut entity } = split(mail, &limits)?;
        let policy = match self.headers {
            Headers::Outside => None,
            Headers::Signed => Some(None),
            Headers::Confidential(policy) => Some(Some(policy)),
        };
        if let Some(policy) = policy {
            Divided { outer, entity } = divide(&outer, &entity, policy, &self.limits)?;
        }
        let entity = mime::seven_bit(&entity, &self.limits)?;
        match self.form {
            SignatureForm::Clear => self.sign_clear(&outer, &entity),
            SignatureForm::Opaque => self.sign_opaque(&outer, &entity),
        }
    }

    /// The bare signature over bytes as they are, in DER.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign_detached(self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signer = DetachedSigner::new(self.first, self.others);
        signer.update(content);
        Ok(signer.finish()?)
    }

    fn sign_clear(self, outer: &Header, entity: &[u8]) -> Result<Vec<u8>, Error> {
        let mut algorithms: Vec<&str> =
            std::iter::once(&self.first).chain(&self.others).map(|signer| signer.digest().micalg()).collect();
        algorithms.dedup();
        let micalg = algorithms.join(",");
        let signature = self.sign_detached(entity)?;
        let boundary = boundary(entity)?;
        let fields = format!(
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg={micalg}; boundary=\"{boundary}\"\r\n"
        );
        join(outer, &fields, |out| {
            out.extend_from_slice(b"This is a message signed with S/MIME.\r\n\r\n");
            out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            out.extend_from_slice(entity);
            out.extend_from_slice(
                format!(
                    "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
                     Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
                )
                .as_bytes(),
            );
            write_base64(out, &signature)?;
            out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            Ok(())
        })
    }

    fn sign_opaque(self, outer: &Header, entity: &[u8]) -> Result<Vec<u8>, Error> {
        let mut writer = SignedDataWriter::new(self.first, self.others, oids::ID_DATA, Vec::new());
        writer.write_all(entity)?;
        let der = writer.finish()?;
        join(outer, pkcs7_mime_fields("signed-data"), |out| write_base64(out, &der))
    }
}

pub(crate) fn pkcs7_mime_fields(smime_type: &str) -> &'static str {
    macro_rules! fields {
        ($kind:literal) => {
            concat!(
                "Content-Type: application/pkcs7-mime; smime-type=",
                $kind,
                "; name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n",
                "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n"
            )
        };
    }
    match smime_type {
        "signed-data" => fields!("signed-data"),
        "authEnveloped-data" => fields!("authEnveloped-data"),
        _ => fields!("enveloped-data"),
    }
}

pub(crate) fn write_base64(out: &mut Vec<u8>, der: &[u8]) -> Result<(), Error> {
    let mut writer = Base64Writer::new(std::mem::take(out));
    writer.write_all(der)?;
    *out = writer.finish()?;
    Ok(())
}

fn settings(credential: &Credential) -> Result<SignerSettings, Error> {
    let certificate = credential.certificate();
    let mut settings = SignerSettings::new(credential)?;
    settings = settings
        .attribute(Attribute { oid: oids::SMIME_CAPABILITIES, values: vec![Capabilities::ours().der().to_vec()] });
    // RFC 8551 §2.5.3: the certificate to encrypt to, when it is this one.
    let encrypts = certificate
        .key_usage()
        .is_none_or(|usage| usage.intersects(pki::KeyUsage::KEY_ENCIPHERMENT.with(pki::KeyUsage::KEY_AGREEMENT)));
    if encrypts && cms::Recipient::new(certificate).is_ok() {
        settings = settings.attribute(Attribute::single(oids::ID_AA_ENCRYP_KEY_PREF, |w| {
            w.constructed(Tag::context_constructed(0), |w| {
                w.raw(certificate.issuer().as_der());
                w.integer_content(certificate.serial().content());
            });
        }));
    }
    Ok(settings)
}

// Random, so that no content can contain it by intent.
fn boundary(entity: &[u8]) -> Result<String, Error> {
    loop {
        let random: [u8; 16] = crypto::random_array()?;
        let boundary = random.iter().fold(String::from("=_smime_"), |text, octet| text + &format!("{octet:02x}"));
        if !entity.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
            return Ok(boundary);
        }
    }
}
