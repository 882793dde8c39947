use std::io::{Read as _, Write as _};

use cms::{
    CompressedDataReader, CompressedDataWriter, Content, DecryptionKeys, DetachedSigner, EncryptedDataReader,
    EncryptedDataWriter, Recipient, SharedKey, SignedDataWriter, SignerSettings, oids,
};
use crypto::{KeyTransportAlgorithm, SoftwareKey};
use pki::{Certificate, Credential, Pkcs12Builder, Protection};
use smime::{Decryptor, Encryptor, HeaderConfidentiality, Limits, Policy, Sender, SignatureForm, Signer, Verifier};

use crate::cases::Layer;
use crate::mail;
use crate::matrix::{PROTECTED_SUBJECT, read_to_end};
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::{Scene, address};
use crate::task::{Encrypting, Form, PASSWORD, SHARED_KEY_NAME, Signing, To, Way, shared_key};

/// We ourselves, through the library.
#[derive(Debug)]
pub(crate) struct Ours<'a> {
    scene: &'a Scene,
    limits: Limits,
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl<'a> Ours<'a> {
    pub(crate) fn new(scene: &'a Scene) -> Self {
        Self { scene, limits: Limits::in_folder(scene.root_folder()) }
    }

    fn policy(&self) -> Policy {
        Policy::new(self.scene.pki.anchors(), testkit::now(), self.limits.clone())
    }

    fn settings(&self, task: &Signing) -> Result<(SignerSettings, Vec<SignerSettings>), String> {
        let mut settings = Vec::new();
        for (name, algorithm) in &task.signers {
            let one = SignerSettings::new(self.scene.credential(name)).map_err(words)?;
            let one = one.algorithm(*algorithm).signing_time(testkit::now());
            settings.push(if task.by_key { one.by_key_identifier() } else { one });
        }
        let first = settings.remove(0);
        Ok((first, settings))
    }

    /// What a signer does to a mail.
    pub(crate) fn signer(&self, task: &Signing) -> Result<Signer, String> {
        let mut signer: Option<Signer> = None;
        for (name, _) in &task.signers {
            let credential = self.scene.credential(name);
            signer = Some(match signer {
                None => Signer::new(credential).map_err(words)?,
                Some(signer) => signer.and(credential).map_err(words)?,
            });
        }
        let mut signer = signer.ok_or("nobody signs")?.at(testkit::now());
        if let Some((_, algorithm)) = task.signers.first()
            && let Some(digest) = algorithm.digest()
        {
            let pss = matches!(algorithm, crypto::SignatureAlgorithm::RsaPss(_));
            signer = signer.digest(digest, pss).map_err(words)?;
        }
        Ok(signer.form(if task.form == Form::Clear { SignatureForm::Clear } else { SignatureForm::Opaque }))
    }

    fn keys_for(&self, layers: &[Layer]) -> Vec<Credential> {
        let key = |layer: &Layer| match layer {
            Layer::Encrypt(task) => match task.to.first() {
                Some(To::Person(name, _)) => Some(self.scene.credential(name).clone()),
                _ => None,
            },
            _ => None,
        };
        layers.iter().filter_map(key).collect()
    }

    /// What is inside, whether or not anything says who wrote it.
    fn open_unverified(&self, message: &[u8], layers: &[Layer]) -> Result<Vec<u8>, String> {
        let (policy, keys) = (self.policy(), self.keys_for(layers));
        let verification = Verifier::new(&policy).with_keys(&keys).verify(message).map_err(words)?;
        let mut content = Vec::new();
        let mut unverified = smime::danger::take_unverified(verification).content;
        unverified.reader().and_then(|mut reader| reader.read_to_end(&mut content)).map_err(words)?;
        Ok(content)
    }

    /// Opens every layer of a mail.
    fn open_all(&self, message: &[u8], layers: &[Layer]) -> Result<smime::VerifiedContent<'static>, String> {
        let mut from = String::new();
        for layer in layers {
            if let Layer::Sign(task) = layer {
                from = task.signers.first().map(|(name, _)| address(name)).unwrap_or_default();
            }
        }
        let (policy, keys) = (self.policy(), self.keys_for(layers));
        let verification = Verifier::new(&policy).with_keys(&keys).verify(message).map_err(words)?;
        let sender = Sender::Address(from.parse().map_err(|_| "no address")?);
        let content = verification.accept(&sender).map_err(words)?;
        if content.layers().len() != layers.len() {
            return Err(format!("{} layers", content.layers().len()));
        }
        Ok(content)
    }

    fn recipients(&self, task: &Encrypting) -> Result<Vec<Recipient>, String> {
        task.to
            .iter()
            .map(|to| {
                Ok(match to {
                    To::Person(name, way) => {
                        let recipient = Recipient::new(self.scene.certificate(name)).map_err(words)?;
                        match transport(*way) {
                            Some(transport) => recipient.transport(transport),
                            None => recipient,
                        }
                    }
                    To::Password => Recipient::password(PASSWORD),
                    To::SharedKey(length) => Recipient::shared_key(our_shared_key(*length)?),
                })
            })
            .collect()
    }
}

fn our_shared_key(length: usize) -> Result<SharedKey, String> {
    SharedKey::new(SHARED_KEY_NAME, &shared_key(length)).map_err(words)
}

fn transport(way: Way) -> Option<KeyTransportAlgorithm> {
    match way {
        Way::RsaPkcs1 => Some(KeyTransportAlgorithm::RsaPkcs1),
        Way::Oaep(digest) => Some(KeyTransportAlgorithm::oaep(digest)),
        Way::Default | Way::X963(_) | Way::Hkdf(_) => None,
    }
}

impl Peer for Ours<'_> {
    fn name(&self) -> &'static str {
        "Sealpost"
    }

    fn version(&mut self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        match task.form {
            Form::Clear | Form::Mail => {
                let from = task.signers.first().map(|(name, _)| address(name)).unwrap_or_default();
                self.signer(task)?.sign(&mail::around(&from, content)).map_err(words)
            }
            Form::Detached => {
                let (first, others) = self.settings(task)?;
                let mut signer = DetachedSigner::new(first, others);
                signer.update(content);
                signer.finish().map_err(words)
            }
            Form::Der | Form::Ber | Form::Pem | Form::Base64 => {
                let (first, others) = self.settings(task)?;
                let mut writer = SignedDataWriter::new(first, others, oids::ID_DATA, Vec::new());
                writer.write_all(content).map_err(words)?;
                Ok(packed(task.form, writer.finish().map_err(words)?))
            }
        }
    }

    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        let policy = self.policy();
        let verifier = Verifier::new(&policy);
        let verification = match task.form {
            Form::Detached => verifier.verify_detached(message, content),
            _ => verifier.verify(message),
        }
        .map_err(words)?;
        let from = task.signers.first().map(|(name, _)| address(name)).unwrap_or_default();
        let sender = Sender::Address(from.parse().map_err(|_| "no address")?);
        let mut verified = verification.accept(&sender).map_err(words)?;
        let signers = verified.signers().count();
        if signers != task.signers.len() {
            return Err(format!("{signers} signers"));
        }
        if task.form == Form::Detached {
            return Ok(content.to_vec());
        }
        read_to_end(&mut verified)
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        if task.form == Form::Mail {
            let mut encryptor: Option<Encryptor> = None;
            for to in &task.to {
                let To::Person(name, way) = to else { return Err("mail goes to people".into()) };
                let certificate = self.scene.certificate(name);
                let mut next = match encryptor {
                    None => Encryptor::to(certificate).map_err(words)?,
                    Some(encryptor) => encryptor.and(certificate).map_err(words)?,
                };
                if let Some(transport) = transport(*way) {
                    next = next.transport(transport);
                }
                encryptor = Some(next);
            }
            let encryptor = encryptor.ok_or("to nobody")?.cipher(task.cipher);
            return encryptor.encrypt(&mail::around("alice@example.org", content)).map_err(words);
        }
        let recipients = self.recipients(task)?;
        let (first, others) = recipients.split_first().ok_or("to nobody")?;
        let start = if task.derived { EncryptedDataWriter::with_derived_key } else { EncryptedDataWriter::new };
        let mut writer = start(first, others, task.cipher, oids::ID_DATA, Vec::new()).map_err(words)?;
        writer.write_all(content).map_err(words)?;
        Ok(packed(task.form, writer.finish().map_err(words)?))
    }

    fn decrypt(&mut self, _: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let mut spool = match whom {
            To::Person(name, _) => {
                let keys = std::slice::from_ref(self.scene.credential(name));
                match Decryptor::new(keys, &self.limits).decrypt(message).map_err(words)? {
                    Ok(mut content) => {
                        content.reader().map_err(words)?.read_to_end(&mut out).map_err(words)?;
                        return Ok(out);
                    }
                    Err((_, content)) => content.into_unprotected().into_spool().map_err(words)?,
                }
            }
            To::Password | To::SharedKey(_) => {
                let shared = match whom {
                    To::SharedKey(length) => vec![our_shared_key(*length)?],
                    _ => Vec::new(),
                };
                let keys = DecryptionKeys { passwords: &[PASSWORD], shared_keys: &shared, ..DecryptionKeys::default() };
                let reader = EncryptedDataReader::open(message).map_err(words)?;
                match reader.decrypt_with(keys, self.limits.spool.clone()).map_err(words)?.content {
                    Content::Authenticated(spool) => spool,
                    Content::Unauthenticated(content) => content.into_unverified(),
                }
            }
        };
        spool.reader().map_err(words)?.read_to_end(&mut out).map_err(words)?;
        Ok(out)
    }

    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let mut builder = Pkcs12Builder::new(if legacy { Protection::Compatible } else { Protection::Modern });
        for name in people {
            let person = self.scene.person(name);
            let key = SoftwareKey::from_pkcs8(&person.pkcs8).map_err(words)?;
            builder = builder.key(&key, person.certificate(), Some(name)).map_err(words)?;
        }
        // The default costs every peer a second; it is tried at the prompt.
        builder.chain([self.scene.pki.ca().certificate()]).iterations(5_000).build(PASSWORD).map_err(words)
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        content_of(Credential::load_all([file], Some(password)), self.scene)
    }

    fn sign_protected(&mut self, task: &Signing, encrypted: bool) -> Result<Vec<u8>, String> {
        let signer = self.signer(task)?;
        let signer = if encrypted {
            signer.protect_headers_confidentially(HeaderConfidentiality::Baseline)
        } else {
            signer.protect_headers()
        };
        let from = task.signers.first().map(|(name, _)| address(name)).unwrap_or_default();
        let mail = mail::around(&from, mail::ENTITY);
        let subject = format!("Subject: {PROTECTED_SUBJECT}");
        signer.sign(String::from_utf8_lossy(&mail).replace("Subject: interop", &subject).as_bytes()).map_err(words)
    }

    fn open(&mut self, message: &[u8], layers: &[Layer]) -> Option<Result<Vec<u8>, String>> {
        let accepted = self.open_all(message, layers).and_then(|mut content| read_to_end(&mut content));
        // CASES T-20: a signature around a cipher without a tag covers nothing. It is refused, and read all the same.
        let uncovered = matches!(layers, [Layer::Encrypt(task), Layer::Sign(_)] if !task.cipher.is_authenticated());
        Some(match accepted {
            Err(words) if uncovered && words.contains("nothing protects") => self.open_unverified(message, layers),
            Ok(_) if uncovered => Err("it is accepted, and nothing protects it".into()),
            result => result,
        })
    }

    fn protected_subject(&mut self, message: &[u8], layers: &[Layer]) -> Option<Result<String, String>> {
        Some(self.open_all(message, layers).and_then(|mut content| {
            let header = content.protected_header().map_err(words)?.ok_or("no protected header fields")?;
            header.subject().ok_or_else(|| "no protected subject".to_owned())
        }))
    }

    fn compress(&mut self, form: Form, content: &[u8]) -> Result<Vec<u8>, String> {
        let mut writer = CompressedDataWriter::new(oids::ID_DATA, Vec::new()).map_err(words)?;
        writer.write_all(content).map_err(words)?;
        let der = writer.finish().map_err(words)?;
        if form == Form::Mail {
            return Ok(mail::around("alice@example.org", &mail::pkcs7_mime("compressed-data", &der)));
        }
        Ok(der)
    }

    fn decompress(&mut self, form: Form, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        if form == Form::Mail {
            let policy = self.policy();
            let verification = Verifier::new(&policy).verify(message).map_err(words)?;
            let mut content = smime::danger::take_unverified(verification);
            if !matches!(content.layers[..], [smime::LayerReport::Compressed]) {
                return Err("not one compressed layer".into());
            }
            content.content.reader().map_err(words)?.read_to_end(&mut out).map_err(words)?;
            return Ok(out);
        }
        let reader = CompressedDataReader::open(message).map_err(words)?;
        let mut spool = reader.decompress(self.limits.spool.clone()).map_err(words)?;
        spool.reader().map_err(words)?.read_to_end(&mut out).map_err(words)?;
        Ok(out)
    }

    fn write_certificates(&mut self, form: Form, people: &[&'static str]) -> Result<Vec<u8>, String> {
        let certificates: Vec<Certificate> = people.iter().map(|name| self.scene.certificate(name).clone()).collect();
        let der = cms::certificates_only(&certificates);
        Ok(match form {
            Form::Pem => asn1::encode_pem("PKCS7", &der).into_bytes(),
            Form::Mail => mail::around("alice@example.org", &mail::pkcs7_mime("certs-only", &der)),
            _ => der,
        })
    }

    fn read_certificates(&mut self, form: Form, message: &[u8]) -> Result<Vec<Certificate>, String> {
        if form == Form::Mail {
            let policy = self.policy();
            let verification = Verifier::new(&policy).verify(message).map_err(words)?;
            let reports = verification.layers().iter().filter_map(|layer| match layer {
                smime::LayerReport::Signed(report) => Some(report.certificates.clone()),
                _ => None,
            });
            return Ok(reports.flatten().collect());
        }
        let der = match form {
            Form::Pem => asn1::parse_pem(message).map_err(words)?.remove(0).der,
            _ => message.to_vec(),
        };
        let signed = cms::SignedDataReader::open(&der[..]).and_then(|reader| reader.finish(None)).map_err(words)?;
        Ok(signed.certificates().to_vec())
    }
}

/// Whose keys they are.
pub(crate) fn content_of(
    credentials: Result<Vec<Credential>, pki::CredentialError>,
    scene: &Scene,
) -> Result<Pkcs12Content, String> {
    let credentials = credentials.map_err(words)?;
    let issuer = credentials.iter().all(|credential| credential.chain().contains(scene.pki.ca().certificate()));
    let owners = credentials.iter().map(|credential| credential.certificate().sha256().to_hex()).collect();
    Ok(Pkcs12Content::new(owners, Some(issuer)))
}

fn packed(form: Form, der: Vec<u8>) -> Vec<u8> {
    match form {
        Form::Pem => asn1::encode_pem("CMS", &der).into_bytes(),
        _ => der,
    }
}
