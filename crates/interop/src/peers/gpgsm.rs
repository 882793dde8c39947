use std::collections::BTreeMap;

use crypto::{ContentCipher, SignatureAlgorithm};
use pki::Certificate;
use testkit::{Gpgsm, Peer as Shell};

use crate::mail;
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::{Scene, address};
use crate::task::{Encrypting, Form, Signing, To, Way};

/// How many PKCS #12 files of one key are tried.
pub(crate) const FILES: usize = 4;

/// GnuPG's `gpgsm` with a home of its own.
#[derive(Debug)]
pub(crate) struct GpgSm {
    shell: Shell,
    gpgsm: Gpgsm,
    /// Whose key it does not take, and what was said.
    refused: BTreeMap<&'static str, String>,
    /// The people's fingerprints: it knows SHA-1 only.
    sha256: BTreeMap<String, String>,
}

impl GpgSm {
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.folder("gpgsm");
        scene.write_files(&folder);
        let shell = Shell::in_folder(folder);
        let gpgsm = Gpgsm::start(&shell, &scene.pki);
        let mut refused = BTreeMap::new();
        for (name, person) in scene.people() {
            let _ = gpgsm.run(&shell, &format!("--import {name}.cer"));
            // With one salt in 64 GnuPG 2.2 derives another key than the writer did.
            let import = || {
                crate::cases::pkcs12_for_import(person, name).and_then(|file| {
                    shell.write("import.p12", file);
                    gpgsm.import_pkcs12(&shell, "import.p12", "x")
                })
            };
            if let Err(words) = (1..FILES).fold(import(), |imported, _| imported.or_else(|_| import())) {
                refused.insert(name, words);
            }
        }
        let hex = |octets: Vec<u8>| octets.iter().map(|octet| format!("{octet:02X}")).collect::<String>();
        let sha256 = scene
            .people()
            .map(|(_, person)| (hex(person.certificate().sha1()), person.certificate().sha256().to_hex()))
            .collect();
        Self { shell, gpgsm, refused, sha256 }
    }

    fn known(&self, name: &str) -> Result<(), String> {
        self.refused.get(name).map_or(Ok(()), |words| Err(words.clone()))
    }

    fn run(&self, arguments: &str) -> Result<Vec<u8>, String> {
        let _ = std::fs::remove_file(self.shell.folder().join("out"));
        self.gpgsm.run(&self.shell, arguments)
    }
}

impl Peer for GpgSm {
    fn name(&self) -> &'static str {
        "gpgsm"
    }

    fn version(&mut self) -> String {
        let text = self.run("--version").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        format!("GnuPG {}", text.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default())
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        let mut users = String::new();
        for (name, algorithm) in &task.signers {
            if matches!(algorithm, SignatureAlgorithm::RsaPss(_)) {
                return Err(self.without("writing RSASSA-PSS"));
            }
            self.known(name)?;
            users.push_str(&format!("--local-user {} ", address(name)));
        }
        if task.by_key {
            return Err(self.without("a signer by key identifier"));
        }
        if task.bare {
            return Err(self.without("signatures without attributes"));
        }
        self.shell.write("content", content);
        let how = match task.form {
            Form::Clear | Form::Detached => "--detach-sign",
            Form::Pem => "--armor --sign",
            _ => "--sign",
        };
        let digest = task.digest().name().replace('-', "");
        self.run(&format!("{users} --digest-algo {digest} --output out {how} content"))?;
        let out = self.shell.read("out");
        let from = task.signers.first().map(|(name, _)| address(name)).unwrap_or_default();
        Ok(match task.form {
            Form::Clear => mail::around(&from, &mail::multipart_signed(content, &out, &digest.to_lowercase())),
            Form::Mail => mail::around(&from, &mail::pkcs7_mime("signed-data", &out)),
            _ => out,
        })
    }

    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        let (content, der) = match task.form {
            Form::Clear => mail::split_signed(message)?,
            Form::Mail => (Vec::new(), mail::unwrap(message)?),
            _ => (content.to_vec(), message.to_vec()),
        };
        self.shell.write("in", der);
        self.shell.write("content", &content);
        let detached = matches!(task.form, Form::Clear | Form::Detached);
        let how = if detached { "--verify in content" } else { "--output out --verify in" };
        let status = self.run(&format!("--status-fd 1 {how}"))?;
        let good = String::from_utf8_lossy(&status).matches("[GNUPG:] GOODSIG").count();
        if good != task.signers.len() {
            return Err(format!("{good} good signatures: {}", String::from_utf8_lossy(&status)));
        }
        if detached { Ok(content) } else { Ok(self.shell.read("out")) }
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        let mut users = String::new();
        for to in &task.to {
            match to {
                To::Person(_, Way::Oaep(_)) => return Err(self.without("RSAES-OAEP")),
                To::Person(name, _) => users.push_str(&format!("--recipient {} ", address(name))),
                To::Password => return Err(self.without("passwords")),
                To::SharedKey(_) => return Err(self.without("shared keys")),
            }
        }
        if task.by_key {
            return Err(self.without("a recipient by key identifier"));
        }
        let cipher = match task.cipher {
            ContentCipher::DesEde3Cbc => "3DES".to_owned(),
            ContentCipher::Rc2Cbc40 | ContentCipher::Rc2Cbc64 | ContentCipher::Rc2Cbc128 => "RC2".to_owned(),
            cipher => cipher.name().trim_end_matches("-CBC").replace("AES-", "AES"),
        };
        self.shell.write("content", content);
        let armour = if task.form == Form::Pem { "--armor" } else { "" };
        self.run(&format!("{users} {armour} --cipher-algo {cipher} --output out --encrypt content"))?;
        let out = self.shell.read("out");
        Ok(match task.form {
            Form::Mail => mail::around("alice@example.org", &mail::pkcs7_mime("enveloped-data", &out)),
            _ => out,
        })
    }

    fn decrypt(&mut self, task: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        if let To::Person(name, _) = whom {
            self.known(name)?;
        }
        let message = if task.form == Form::Mail { mail::unwrap(message)? } else { message.to_vec() };
        self.shell.write("in", message);
        self.run("--output out --decrypt in")?;
        Ok(self.shell.read("out"))
    }

    fn write_pkcs12(&mut self, people: &[&'static str], _: bool) -> Result<Vec<u8>, String> {
        let [name] = people else { return Err(self.without("several keys in one file")) };
        self.known(name)?;
        self.run(&format!("--output out --export-secret-key-p12 {}", address(name)))?;
        Ok(self.shell.read("out"))
    }

    fn writes_issuer(&self) -> bool {
        false
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        self.shell.write("in.p12", file);
        let status = self.gpgsm.import_pkcs12(&self.shell, "in.p12", password)?;
        let mut owners = Vec::new();
        for line in status.lines() {
            let Some(sha1) = line.split("IMPORT_OK ").nth(1).and_then(|rest| rest.split(' ').nth(1)) else { continue };
            owners.extend(self.sha256.get(sha1).cloned());
        }
        // Certificates are counted apart from keys: the tenth number is how many of those it has read.
        let result = status.lines().find_map(|line| line.split("IMPORT_RES ").nth(1)).unwrap_or_default();
        let keys = result.split(' ').nth(9).unwrap_or_default();
        if keys != owners.len().to_string() {
            return Err(format!("{keys} secret keys read"));
        }
        Ok(Pkcs12Content::new(owners, None))
    }

    fn write_certificates(&mut self, form: Form, _: &[&'static str]) -> Result<Vec<u8>, String> {
        Err(self.without(if form == Form::Mail { "mail with certificates alone" } else { "certificates alone" }))
    }

    fn read_certificates(&mut self, form: Form, message: &[u8]) -> Result<Vec<Certificate>, String> {
        let message = if form == Form::Mail { mail::unwrap(message)? } else { message.to_vec() };
        self.shell.write("in", message);
        let status = self.run("--status-fd 1 --import in")?;
        // It says how many it found; which they are, it then exports by their fingerprints.
        let status = String::from_utf8_lossy(&status).into_owned();
        let fingerprints: Vec<&str> =
            status.lines().filter_map(|line| line.split("IMPORT_OK ").nth(1)?.split(' ').nth(1)).collect();
        let text = self.run(&format!("--armor --export {}", fingerprints.join(" ")))?;
        Certificate::all_from(&text).map_err(|error| error.to_string())
    }
}
