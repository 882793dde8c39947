use crypto::{DigestAlgorithm, SignatureAlgorithm};
use pki::Certificate;

use super::line_server::LineServer;
use crate::cases::Work;
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::Scene;
use crate::task::{Form, PASSWORD, Signing};

/// Python's `cryptography`, behind `tests/interop/python_cryptography.py`.
#[derive(Debug)]
pub(crate) struct Python(LineServer);

impl Python {
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.folder("python");
        scene.write_files(&folder);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/python_cryptography.py");
        Self(LineServer::start("/usr/bin/python3", &[script], folder))
    }
}

impl Peer for Python {
    fn name(&self) -> &'static str {
        "Python cryptography"
    }

    fn version(&mut self) -> String {
        self.0.ask("version", &[]).unwrap_or_default()
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        if task.by_key {
            return Err(self.without("a signer by key identifier"));
        }
        if task.form == Form::Mail {
            return Err(self.without("opaque mail"));
        }
        if task.form == Form::Ber {
            return Err(self.without("BER"));
        }
        let mut signers = Vec::new();
        for (name, algorithm) in &task.signers {
            if matches!(algorithm, SignatureAlgorithm::RsaPss(_)) {
                return Err(self.without("RSASSA-PSS"));
            }
            let digest = algorithm.digest().unwrap_or(DigestAlgorithm::Sha512);
            signers.push(format!("{name}.key:{name}.cer:{}", digest.name().replace('-', "")));
        }
        self.0.write("content", content);
        let signers = signers.join(",");
        let mut arguments = vec![
            ("in", "content"),
            ("out", "out"),
            ("signers", signers.as_str()),
            ("certificates", "ca.cer"),
            ("form", task.form.word()),
        ];
        if task.bare {
            arguments.push(("bare", "1"));
        }
        self.0.ask("sign", &arguments)?;
        Ok(self.0.read("out"))
    }

    fn takes_part(&self, work: &Work, reading: bool) -> bool {
        // Its version in Debian 12 signs, and reads neither signatures nor encrypted messages.
        match work {
            Work::Sign(_) | Work::ChangedSignature(_) => !reading,
            Work::Certificates(_) | Work::Pkcs12 { .. } => true,
            _ => false,
        }
    }

    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let [name] = people else { return Err(self.without("several keys in one file")) };
        let entries = format!("{name}.key:{name}.cer:ca.cer");
        let kind = if legacy { "legacy" } else { "modern" };
        let arguments = [("out", "out"), ("entries", entries.as_str()), ("type", kind), ("password", PASSWORD)];
        self.0.ask("write-pkcs12", &arguments)?;
        Ok(self.0.read("out"))
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        self.0.write("in", file);
        let list = self.0.ask("read-pkcs12", &[("in", "in"), ("password", password)])?;
        Ok(super::bouncy_castle::pkcs12_content(&list))
    }

    fn write_certificates(&mut self, form: Form, people: &[&'static str]) -> Result<Vec<u8>, String> {
        if form == Form::Mail {
            return Err(self.without("mail with certificates alone"));
        }
        let files: Vec<String> = people.iter().map(|name| format!("{name}.cer")).collect();
        self.0
            .ask("write-certificates", &[("out", "out"), ("certificates", &files.join(",")), ("form", form.word())])?;
        Ok(self.0.read("out"))
    }

    fn read_certificates(&mut self, form: Form, message: &[u8]) -> Result<Vec<Certificate>, String> {
        if form == Form::Mail {
            return Err(self.without("mail with certificates alone"));
        }
        self.0.write("in", message);
        self.0.ask("read-certificates", &[("in", "in"), ("out", "out"), ("form", form.word())])?;
        super::bouncy_castle::concatenated(&self.0.read("out"))
    }
}
