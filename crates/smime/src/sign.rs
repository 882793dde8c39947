use std::io::{BufRead, Write};

use asn1::{Tag, Time};
use cms::{Attribute, DetachedSigner, SignedDataWriter, SignerSettings, oids};
use crypto::{DigestAlgorithm, PssParameters, PublicKeyKind, SignatureAlgorithm};
use mime::Base64Writer;
use pki::{Certificate, Credential};

use crate::source::{Both, pass};
use crate::split::{Headers, Split};
use crate::{Capabilities, Error, HeaderConfidentiality, Profile, Source};

/// How signature and content go together in a mail (RFC 8551 §3.5.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignatureForm {
    /// `multipart/signed`: everybody can read it (RFC 8551 §3.5.3).
    #[default]
    Clear,
    /// `application/pkcs7-mime`: the content is inside (RFC 8551 §3.5.2).
    Opaque,
}

/// Signs mails.
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// use smime::Signer;
///
/// let signed = Signer::new(&alice)?.at(now).sign(mail)?;
/// assert!(String::from_utf8_lossy(&signed).contains("multipart/signed"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Several signers, each with an algorithm that suits their key; whoever verifies wants all of them to be good:
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// # let seal = pki.person("alice@example.org", KeyKind::Ed25519).credential;
/// use smime::{SignatureForm, Signer};
///
/// let signed = Signer::new(&alice)?.and(&seal)?.at(now).form(SignatureForm::Opaque).sign(mail)?;
/// # let policy = smime::Policy::new(pki.anchors(), now, smime::Limits::in_folder(std::env::temp_dir()));
/// # let content = smime::Verifier::new(&policy).verify(&signed[..])?.accept(&smime::Sender::VisibleFrom)
/// #     .map_err(|rejected| rejected.to_string())?;
/// # assert_eq!(content.signers().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Header fields under the signature, and out of sight in the encrypted mail (RFC 9788 §3.2):
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// use smime::{Encryptor, HeaderConfidentiality, Signer};
///
/// let signed = Signer::new(&alice)?
///     .at(now)
///     .protect_headers_confidentially(HeaderConfidentiality::Baseline)
///     .sign(mail)?;
/// let encrypted = Encryptor::to(bob.certificate())?.encrypt(&signed)?;
/// assert!(!String::from_utf8_lossy(&encrypted).contains("Offer"));
/// # let policy = smime::Policy::new(pki.anchors(), now, smime::Limits::in_folder(std::env::temp_dir()));
/// # let keys = [bob];
/// # let verification = smime::Verifier::new(&policy).with_keys(&keys).verify(&encrypted[..])?;
/// # let mut content = verification.accept(&smime::Sender::VisibleFrom).map_err(|rejected| rejected.to_string())?;
/// // The recipient sees the subject that was protected.
/// let header = content.protected_header()?.ok_or("it has none")?;
/// assert_eq!(header.subject().as_deref(), Some("Offer"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A mail of any size passes in flat memory, here from a file of a gigabyte into another:
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// use std::fs::File;
/// use std::io::{BufWriter, Write as _};
///
/// use smime::{Encryptor, Signer};
///
/// # let folder = tempfile::tempdir()?;
/// # let (large, signed, encrypted) =
/// #     (folder.path().join("large.eml"), folder.path().join("signed.eml"), folder.path().join("encrypted.eml"));
/// # std::fs::write(&large, [&mail[..], &b"text\r\n".repeat(100_000)].concat())?;
/// let mut out = BufWriter::new(File::create(&signed)?);
/// Signer::new(&alice)?.at(now).sign_to(&mut File::open(&large)?, &mut out)?;
/// out.flush()?;
///
/// let mut out = BufWriter::new(File::create(&encrypted)?);
/// Encryptor::to(bob.certificate())?.encrypt_to(&mut File::open(&signed)?, &mut out)?;
/// out.flush()?;
/// # assert!(std::fs::metadata(&encrypted)?.len() > std::fs::metadata(&signed)?.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        let mut out = Vec::with_capacity(mail.len() + mail.len() / 2 + 8 * 1024);
        self.sign_to(&mut &*mail, &mut out)?;
        Ok(out)
    }

    /// The same for a mail of any size, in flat memory: it is read twice and written once. What stands in `out` after an
    /// error is no message. It is written in small pieces, too: a file is given as a buffered one.
    ///
    /// # Errors
    /// When reading or writing fails, or the key cannot sign.
    pub fn sign_to(self, mail: &mut dyn Source, out: &mut dyn Write) -> Result<(), Error> {
        let split = Split::read(mail, self.headers, &self.limits)?;
        match self.form {
            SignatureForm::Clear => self.sign_clear(&split, mail, out),
            SignatureForm::Opaque => self.sign_opaque(&split, mail, out),
        }
    }

    /// The bare signature over bytes as they are, in DER.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign_detached(self, content: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_detached_from(&mut &*content)
    }

    /// The same over content of any size, which is read once.
    ///
    /// # Errors
    /// When reading fails, or the key cannot sign.
    pub fn sign_detached_from(self, content: &mut dyn BufRead) -> Result<Vec<u8>, Error> {
        let mut signer = DetachedSigner::new(self.first, self.others);
        pass(content, &mut signer)?;
        Ok(signer.finish()?)
    }

    fn sign_clear(self, split: &Split, mail: &mut dyn Source, out: &mut dyn Write) -> Result<(), Error> {
        let mut algorithms: Vec<&str> =
            std::iter::once(&self.first).chain(&self.others).map(|signer| signer.digest().micalg()).collect();
        // RFC 8551 §3.5.3.2: each once.
        algorithms.sort_unstable();
        algorithms.dedup();
        let micalg = algorithms.join(",");
        let boundary = boundary()?;
        let fields = format!(
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg={micalg}; boundary=\"{boundary}\"\r\n"
        );
        split.write_outer(&fields, out)?;
        out.write_all(format!("This is a message signed with S/MIME.\r\n\r\n--{boundary}\r\n").as_bytes())?;
        let mut signer = DetachedSigner::new(self.first, self.others);
        split.write_entity(mail, &mut Both(&mut signer, &mut *out))?;
        let signature = signer.finish()?;
        out.write_all(
            format!(
                "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
                 Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
            )
            .as_bytes(),
        )?;
        let mut writer = Base64Writer::new(&mut *out);
        writer.write_all(&signature)?;
        writer.finish()?;
        Ok(out.write_all(format!("\r\n--{boundary}--\r\n").as_bytes())?)
    }

    fn sign_opaque(self, split: &Split, mail: &mut dyn Source, out: &mut dyn Write) -> Result<(), Error> {
        split.write_outer(pkcs7_mime_fields("signed-data"), out)?;
        let armour = Base64Writer::new(out);
        let mut writer = SignedDataWriter::new(self.first, self.others, oids::ID_DATA, armour);
        split.write_entity(mail, &mut writer)?;
        writer.finish()?.finish()?;
        Ok(())
    }
}

pub(crate) fn pkcs7_mime_fields(smime_type: &str) -> &'static str {
    macro_rules! fields {
        ($kind:literal, $name:literal) => {
            concat!(
                "Content-Type: application/pkcs7-mime; smime-type=",
                $kind,
                "; name=\"",
                $name,
                "\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"",
                $name,
                "\"\r\n"
            )
        };
    }
    // RFC 8551 §3.2.1, §3.2.2: name and smime-type.
    match smime_type {
        "signed-data" => fields!("signed-data", "smime.p7m"),
        "authEnveloped-data" => fields!("authEnveloped-data", "smime.p7m"),
        "compressed-data" => fields!("compressed-data", "smime.p7z"),
        "certs-only" => fields!("certs-only", "smime.p7c"),
        _ => fields!("enveloped-data", "smime.p7m"),
    }
}

fn settings(credential: &Credential) -> Result<SignerSettings, Error> {
    let certificate = credential.certificate();
    let mut settings = SignerSettings::new(credential)?;
    settings = settings
        .attribute(Attribute { oid: oids::SMIME_CAPABILITIES, values: vec![Capabilities::ours().der().to_vec()] });
    // RFC 8551 §2.5.3: the certificate to encrypt to, this one or one of the same mailbox that goes along.
    let of_the_same_mailbox = |other: &&Certificate| {
        let own = certificate.email_addresses();
        !other.is_ca() && other.email_addresses().iter().any(|address| own.contains(address))
    };
    let others = credential.chain().iter().filter(of_the_same_mailbox);
    if let Some(preferred) = std::iter::once(certificate).chain(others).find(|certificate| encrypts(certificate)) {
        settings = settings.attribute(Attribute::single(oids::ID_AA_ENCRYP_KEY_PREF, |w| {
            w.constructed(Tag::context_constructed(0), |w| {
                w.raw(preferred.issuer().as_der());
                w.integer_content(preferred.serial().content());
            });
        }));
    }
    Ok(settings)
}

fn encrypts(certificate: &Certificate) -> bool {
    let usage = pki::KeyUsage::KEY_ENCIPHERMENT.with(pki::KeyUsage::KEY_AGREEMENT);
    certificate.key_usage().is_none_or(|own| own.intersects(usage)) && cms::Recipient::new(certificate).is_ok()
}

// Random, so that no content can contain it: it is made after the content.
fn boundary() -> Result<String, Error> {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let random: [u8; 16] = crypto::random_array()?;
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or('0');
    Ok("=_smime_".chars().chain(random.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)])).collect())
}
