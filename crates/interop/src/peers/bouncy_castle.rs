use std::path::PathBuf;

use crypto::{DigestAlgorithm, SignatureAlgorithm};
use pki::Certificate;

use super::line_server::LineServer;
use crate::mail::with_crlf;
use crate::paths::PathCase;
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::Scene;
use crate::task::{Encrypting, Form, PASSWORD, Signing, To, Way, hex, shared_key};

/// Bouncy Castle, behind `tests/interop/BouncyCastle.java`, in one virtual machine.
#[derive(Debug)]
pub(crate) struct BouncyCastle(LineServer);

const JARS: &[&str] = &["bcpkix", "bcprov", "bcutil", "bcmail", "javax.mail", "javax.activation"];

impl BouncyCastle {
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.folder("bouncy-castle");
        scene.write_files(&folder);
        Self(start(folder))
    }
}

/// Its PKIX path builder.
#[derive(Debug)]
pub(crate) struct PathsOfBouncyCastle {
    server: LineServer,
    /// Certificates are remembered by their file's name, so each has one of its own.
    files: usize,
}

impl PathsOfBouncyCastle {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { server: start(folder), files: 0 }
    }

    fn write(&mut self, ders: &[Vec<u8>]) -> String {
        let mut names = Vec::new();
        for der in ders {
            self.files += 1;
            let name = format!("{}.der", self.files);
            self.server.write(&name, der);
            names.push(name);
        }
        names.join(",")
    }

    pub(crate) fn check(&mut self, case: &PathCase) -> Result<(), String> {
        let anchors = self.write(&case.anchors);
        let intermediates = self.write(&case.intermediates);
        let lists = self.write(&case.lists);
        let leaf = self.write(std::slice::from_ref(&case.leaf));
        let at = (case.at.to_unix() * 1000).to_string();
        let depth = case.depth.unwrap_or(10).to_string();
        let policies = case.policies.as_ref().map(|list| list.join(","));
        let mut arguments = vec![
            ("anchors", anchors.as_str()),
            ("intermediates", &intermediates),
            ("lists", &lists),
            ("leaf", &leaf),
            ("at", &at),
            ("depth", &depth),
        ];
        arguments.extend(policies.as_deref().map(|list| ("policies", list)));
        for (name, set) in [
            ("explicit", case.require_explicit_policy),
            ("no-mapping", case.inhibit_policy_mapping),
            ("no-any", case.inhibit_any_policy),
        ] {
            arguments.extend(set.then_some((name, "1")));
        }
        self.server.ask("path", &arguments).map(|_| ())
    }
}

fn start(folder: PathBuf) -> LineServer {
    let jars: Vec<String> = JARS.iter().map(|jar| format!("/usr/share/java/{jar}.jar")).collect();
    for jar in &jars {
        assert!(std::path::Path::new(jar).exists(), "{jar} must be installed for this test");
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/BouncyCastle.java");
    let arguments = ["-XX:TieredStopAtLevel=1", "-cp", &jars.join(":"), source];
    LineServer::start("/usr/bin/java", &arguments, folder)
}

/// Certificates in DER, one behind the other.
pub(super) fn concatenated(mut bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut certificates = Vec::new();
    while !bytes.is_empty() {
        let mut reader = asn1::Reader::new(bytes, asn1::Encoding::Der);
        let element = reader.element().map_err(|error| error.to_string())?;
        certificates.push(Certificate::from_der(element.raw()).map_err(|error| error.to_string())?);
        bytes = reader.rest();
    }
    Ok(certificates)
}

fn signature_name(algorithm: &SignatureAlgorithm) -> String {
    let digest = |digest: &DigestAlgorithm| digest.name().replace('-', "");
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(of) => format!("{}withRSA", digest(of)),
        SignatureAlgorithm::RsaPss(of) => format!("{}withRSAANDMGF1", digest(&of.digest)),
        SignatureAlgorithm::Ecdsa(of) => format!("{}withECDSA", digest(of)),
        other => other.name().to_owned(),
    }
}

impl Peer for BouncyCastle {
    fn name(&self) -> &'static str {
        "Bouncy Castle"
    }

    fn version(&mut self) -> String {
        let text = self.0.ask("version", &[]).unwrap_or_default();
        format!("Bouncy Castle {}", text.rsplit(' ').next().unwrap_or_default())
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        let signers: Vec<String> = task
            .signers
            .iter()
            .map(|(name, algorithm)| format!("{name}.key:{name}.cer:{}", signature_name(algorithm)))
            .collect();
        let mut certificates: Vec<String> = task.signers.iter().map(|(name, _)| format!("{name}.cer")).collect();
        certificates.push("ca.cer".into());
        self.0.write("content", content);
        let (signers, certificates) = (signers.join(","), certificates.join(","));
        let form = if task.form == Form::Mail { "opaque" } else { task.form.word() };
        let mut arguments = vec![
            ("in", "content"),
            ("out", "out"),
            ("signers", signers.as_str()),
            ("certificates", certificates.as_str()),
            ("form", form),
        ];
        if task.by_key {
            arguments.push(("by-key", "1"));
        }
        if task.bare {
            arguments.push(("bare", "1"));
        }
        self.0.ask("sign", &arguments)?;
        let out = self.0.read("out");
        Ok(if task.form == Form::Pem { asn1::encode_pem("CMS", &out).into_bytes() } else { out })
    }

    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("in", &der_of(task.form, message)?);
        self.0.write("content", content);
        let form = if task.form == Form::Mail { "opaque" } else { task.form.word() };
        let arguments = [("in", "in"), ("out", "out"), ("content", "content"), ("root", "root.cer"), ("form", form)];
        let signers = self.0.ask("verify", &arguments)?;
        if signers != task.signers.len().to_string() {
            return Err(format!("{signers} signers"));
        }
        let out = self.0.read("out");
        Ok(if task.form == Form::Clear { with_crlf(&out) } else { out })
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        let mut recipients = Vec::new();
        for to in &task.to {
            recipients.push(match to {
                To::Person(name, Way::Default | Way::RsaPkcs1) => format!("trans:{name}.cer"),
                To::Person(name, Way::Oaep(digest)) => format!("trans:{name}.cer:{digest}"),
                To::Person(name, Way::X963(digest)) => format!("agree:{name}.cer:{digest}"),
                To::Person(name, Way::Hkdf(digest)) => format!("agree:{name}.cer:HKDF-{digest}"),
                To::Password => format!("password:{PASSWORD}"),
                To::SharedKey(length) => format!("shared:{}", hex(&shared_key(*length))),
            });
        }
        if task.derived {
            return Err(self.without("derived content keys"));
        }
        self.0.write("content", content);
        let recipients = recipients.join(",");
        let mut arguments = vec![
            ("in", "content"),
            ("out", "out"),
            ("recipients", recipients.as_str()),
            ("cipher", task.cipher.name()),
            ("form", task.form.word()),
        ];
        if task.by_key {
            arguments.push(("by-key", "1"));
        }
        self.0.ask("encrypt", &arguments)?;
        let out = self.0.read("out");
        Ok(match task.form {
            Form::Pem => asn1::encode_pem("CMS", &out).into_bytes(),
            // Its S/MIME package has no generator for AuthEnvelopedData; the mail around it is ours.
            Form::Mail if task.cipher.is_authenticated() => {
                crate::mail::around("alice@example.org", &crate::mail::pkcs7_mime("authEnveloped-data", &out))
            }
            _ => out,
        })
    }

    fn decrypt(&mut self, task: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("in", &der_of(task.form, message)?);
        let (key, certificate, shared);
        let mut arguments = vec![("in", "in"), ("out", "out"), ("form", task.form.word())];
        match whom {
            To::Person(name, _) => {
                (key, certificate) = (format!("{name}.key"), format!("{name}.cer"));
                arguments.extend([("key", key.as_str()), ("certificate", certificate.as_str())]);
            }
            To::Password => arguments.push(("password", PASSWORD)),
            To::SharedKey(length) => {
                shared = hex(&shared_key(*length));
                arguments.push(("shared", &shared));
            }
        }
        self.0.ask("decrypt", &arguments)?;
        Ok(self.0.read("out"))
    }

    fn compress(&mut self, form: Form, content: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("content", content);
        self.0.ask("compress", &[("in", "content"), ("out", "out"), ("form", form.word())])?;
        Ok(self.0.read("out"))
    }

    fn decompress(&mut self, form: Form, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("in", message);
        self.0.ask("decompress", &[("in", "in"), ("out", "out"), ("form", form.word())])?;
        Ok(self.0.read("out"))
    }

    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let entries: Vec<String> = people.iter().map(|name| format!("{name}.key:{name}.cer:ca.cer")).collect();
        // The modern form is the one of the Java runtime's own provider, which `keytool` writes.
        let provider = if legacy { "BC" } else { "SunJSSE" };
        let arguments = [
            ("out", "out"),
            ("entries", &entries.join(",")),
            ("type", "PKCS12"),
            ("provider", provider),
            ("password", PASSWORD),
        ];
        self.0.ask("write-pkcs12", &arguments)?;
        Ok(self.0.read("out"))
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        self.0.write("in", file);
        let mut found = Vec::new();
        for provider in ["BC", "SunJSSE"] {
            found.push(self.0.ask("read-pkcs12", &[("in", "in"), ("password", password), ("provider", provider)])?);
        }
        if found.first() != found.last() {
            return Err(format!("its two providers differ: {found:?}"));
        }
        let list = found.pop().unwrap_or_default();
        Ok(pkcs12_content(&list))
    }

    fn write_certificates(&mut self, form: Form, people: &[&'static str]) -> Result<Vec<u8>, String> {
        let files: Vec<String> = people.iter().map(|name| format!("{name}.cer")).collect();
        self.0
            .ask("write-certificates", &[("out", "out"), ("certificates", &files.join(",")), ("form", form.word())])?;
        let out = self.0.read("out");
        Ok(if form == Form::Pem { asn1::encode_pem("PKCS7", &out).into_bytes() } else { out })
    }

    fn read_certificates(&mut self, form: Form, message: &[u8]) -> Result<Vec<Certificate>, String> {
        self.0.write("in", &der_of(form, message)?);
        self.0.ask("read-certificates", &[("in", "in"), ("out", "out"), ("form", form.word())])?;
        concatenated(&self.0.read("out"))
    }
}

/// From `SHA256+CHAIN,…`
pub(super) fn pkcs12_content(list: &str) -> Pkcs12Content {
    let entries: Vec<(&str, &str)> = list.split(',').filter_map(|entry| entry.split_once('+')).collect();
    let issuer = entries.iter().all(|(_, chain)| *chain != "0");
    Pkcs12Content::new(entries.iter().map(|(owner, _)| (*owner).to_owned()).collect(), Some(issuer))
}

/// It reads no PEM in these classes; the armour is taken off for it.
fn der_of(form: Form, message: &[u8]) -> Result<Vec<u8>, String> {
    if form != Form::Pem {
        return Ok(message.to_vec());
    }
    let mut blocks = asn1::parse_pem(message).map_err(|error| error.to_string())?;
    Ok(blocks.pop().ok_or("no PEM")?.der)
}
