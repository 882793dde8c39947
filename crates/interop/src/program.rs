use std::path::PathBuf;

use pki::Credential;
use testkit::Peer as Shell;

use crate::mail;
use crate::ours::content_of;
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::{Scene, address};
use crate::task::{Encrypting, Form, PASSWORD, Signing, To, Way};

/// We ourselves, at the prompt.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    program: PathBuf,
    shell: Shell,
    scene: &'a Scene,
}

impl<'a> Program<'a> {
    pub(crate) fn new(scene: &'a Scene, program: PathBuf, folder: &str) -> Self {
        let folder = scene.folder(folder);
        scene.write_files(&folder);
        for (name, person) in scene.people() {
            let chain: String = person.credential.chain().iter().map(pki::Certificate::to_pem).collect();
            let both = std::fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap_or_default();
            std::fs::write(folder.join(format!("{name}.pem")), both + &chain)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        Self { program, shell: Shell::in_folder(folder), scene }
    }

    fn run(&self, arguments: &str) -> Result<Vec<u8>, String> {
        self.shell.run(&format!("{} {arguments}", self.program.display()))
    }
}

impl Peer for Program<'_> {
    fn name(&self) -> &'static str {
        "sealpost"
    }

    fn version(&mut self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        let (name, algorithm) = task.signers.first().copied().ok_or("nobody signs")?;
        let (form, input) = match task.form {
            Form::Clear => ("clear", mail::around(&address(name), content)),
            Form::Mail => ("opaque", mail::around(&address(name), content)),
            _ => ("detached", content.to_vec()),
        };
        self.shell.write("in", input);
        let digest = match algorithm.digest() {
            Some(digest) => format!("--digest {}", digest.name().replace('-', "").to_lowercase()),
            None => String::new(),
        };
        let pss = if matches!(algorithm, crypto::SignatureAlgorithm::RsaPss(_)) { "--pss" } else { "" };
        self.run(&format!("sign --identity {name}.pem --form {form} {digest} {pss} -o out in"))?;
        Ok(self.shell.read("out"))
    }

    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        let (name, _) = task.signers.first().copied().ok_or("nobody signs")?;
        self.shell.write("in", message);
        self.shell.write("content", content);
        let detached = if task.form == Form::Detached { "--detached content" } else { "" };
        self.run(&format!("verify --trust root.pem --from {} {detached} --content out in", address(name)))?;
        Ok(self.shell.read("out"))
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        self.shell.write("in", mail::around("alice@example.org", content));
        let mut to = String::new();
        for recipient in &task.to {
            let To::Person(name, way) = recipient else { return Err(self.without("other recipients")) };
            to.push_str(&format!("--to {name}.cer "));
            if *way == Way::RsaPkcs1 {
                to.push_str("--transport pkcs1 ");
            }
        }
        self.run(&format!("encrypt {to} --cipher {} -o out in", task.cipher.name().to_lowercase()))?;
        Ok(self.shell.read("out"))
    }

    fn decrypt(&mut self, _: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        let To::Person(name, _) = whom else { return Err(self.without("other recipients")) };
        self.shell.write("in", message);
        self.run(&format!("decrypt --identity {name}.pem -o out in"))?;
        Ok(mail::entity_of(&self.shell.read("out")))
    }

    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let identities: Vec<String> = people
            .iter()
            .map(|name| String::from_utf8_lossy(&self.shell.read(&format!("{name}.pem"))).into())
            .collect();
        self.shell.write("identity.pem", identities.concat());
        self.shell.write("password", PASSWORD);
        let compatible = if legacy { "--compatible" } else { "" };
        // A key is never written over.
        let _ = std::fs::remove_file(self.shell.folder().join("out.p12"));
        self.run(&format!("key export --identity identity.pem --new-password-file password {compatible} -o out.p12"))?;
        Ok(self.shell.read("out.p12"))
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        self.shell.write("in.p12", file);
        self.shell.write("password", password);
        let _ = std::fs::remove_file(self.shell.folder().join("imported.pem"));
        self.run("key import --password-file password -o imported.pem in.p12")?;
        content_of(Credential::load_all([&self.shell.read("imported.pem")[..]], None), self.scene)
    }
}
