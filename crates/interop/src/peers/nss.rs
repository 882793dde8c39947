use std::collections::BTreeMap;

use crypto::{ContentCipher, SignatureAlgorithm};
use pki::Certificate;
use testkit::Peer as Shell;

use crate::mail;
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::{Scene, address};
use crate::task::{Encrypting, Form, PASSWORD, Signing, To, Way};

/// NSS: `cmsutil` with one database in which everybody is.
#[derive(Debug)]
pub(crate) struct Nss {
    shell: Shell,
    /// Whose key the database does not take, and what was said.
    refused: BTreeMap<&'static str, String>,
}

const CMSUTIL: &str = "/usr/bin/cmsutil";

impl Nss {
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.folder("nss");
        scene.write_files(&folder);
        let shell = Shell::in_folder(folder);
        let must = |line: &str| shell.run(line).unwrap_or_else(|error| panic!("{error}"));
        must("certutil -N -d sql:. --empty-password");
        must("certutil -A -d sql:. -n root -t C,C,C -i root.cer");
        must("certutil -A -d sql:. -n ca -t ,, -i ca.cer");
        let mut refused = BTreeMap::new();
        for (name, person) in scene.people() {
            let imported = crate::cases::pkcs12_for_import(person, name).and_then(|file| {
                shell.write("import.p12", file);
                shell.run("pk12util -i import.p12 -d sql:. -W x")
            });
            if let Err(words) = imported {
                refused.insert(name, words);
            }
        }
        Self { shell, refused }
    }

    fn known(&self, name: &str) -> Result<(), String> {
        self.refused.get(name).map_or(Ok(()), |words| Err(words.clone()))
    }
}

impl Peer for Nss {
    fn name(&self) -> &'static str {
        "NSS"
    }

    fn version(&mut self) -> String {
        let text = self.shell.run("dpkg-query -W -f ${Version} libnss3").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let upstream = text.rsplit(':').next().unwrap_or_default().split('-').next().unwrap_or_default().to_owned();
        format!("NSS {upstream}")
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        let [(name, algorithm)] = task.signers[..] else { return Err(self.without("several signers")) };
        if task.by_key {
            return Err(self.without("a signer by key identifier"));
        }
        if task.bare {
            return Err(self.without("signatures without attributes"));
        }
        if matches!(algorithm, SignatureAlgorithm::RsaPss(_)) {
            return Err(self.without("RSASSA-PSS"));
        }
        self.known(name)?;
        self.shell.write("content", content);
        let detached = if matches!(task.form, Form::Clear | Form::Detached) { "-T" } else { "" };
        let digest = task.digest().name().replace('-', "");
        self.shell.run(&format!("{CMSUTIL} -S -d sql:. -N {name} -H {digest} {detached} -G -i content -o out"))?;
        let out = self.shell.read("out");
        Ok(match task.form {
            Form::Clear => mail::around(&address(name), &mail::multipart_signed(content, &out, &digest.to_lowercase())),
            Form::Mail => mail::around(&address(name), &mail::pkcs7_mime("signed-data", &out)),
            Form::Pem => asn1::encode_pem("PKCS7", &out).into_bytes(),
            _ => out,
        })
    }

    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        let (content, der) = match task.form {
            Form::Clear => mail::split_signed(message)?,
            Form::Mail => (Vec::new(), mail::unwrap(message)?),
            Form::Pem => (Vec::new(), armour_off(message)?),
            _ => (content.to_vec(), message.to_vec()),
        };
        self.shell.write("in", der);
        self.shell.write("content", &content);
        let detached = matches!(task.form, Form::Clear | Form::Detached);
        let flag = if detached { "-c content" } else { "" };
        // Its exit status says nothing about the signers; the lines of `-h` do.
        let report = self.shell.run(&format!("{CMSUTIL} -D -d sql:. -n -h 1 {flag} -i in"))?;
        let report = String::from_utf8_lossy(&report).into_owned();
        let good = report.matches("status=GoodSignature").count();
        if good != task.signers.len() || report.matches("status=").count() != good {
            return Err(report.replace(['\n', '\t'], " "));
        }
        if detached {
            return Ok(content);
        }
        self.shell.run(&format!("{CMSUTIL} -D -d sql:. -i in -o out"))?;
        Ok(self.shell.read("out"))
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        let mut names = Vec::new();
        for to in &task.to {
            match to {
                To::Person(_, Way::Oaep(_)) => return Err(self.without("RSAES-OAEP")),
                To::Person(name, _) => {
                    self.known(name)?;
                    names.push(*name);
                }
                To::Password => return Err(self.without("passwords")),
                To::SharedKey(_) => return Err(self.without("shared keys")),
            }
        }
        if task.by_key {
            return Err(self.without("a recipient by key identifier"));
        }
        self.shell.write("content", content);
        self.shell.run(&format!("{CMSUTIL} -E -d sql:. -r {} -i content -o out", names.join(",")))?;
        let out = self.shell.read("out");
        let written = cms::EncryptedDataReader::open(&out[..]).map_err(|error| error.to_string())?.cipher();
        if written != Some(task.cipher) {
            let name = written.map_or("unknown", ContentCipher::name);
            return Err(format!("it chooses the cipher itself: {name}"));
        }
        Ok(match task.form {
            Form::Mail => mail::around("alice@example.org", &mail::pkcs7_mime("enveloped-data", &out)),
            Form::Pem => asn1::encode_pem("PKCS7", &out).into_bytes(),
            _ => out,
        })
    }

    fn decrypt(&mut self, task: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        if let To::Person(name, _) = whom {
            self.known(name)?;
        }
        let der = match task.form {
            Form::Mail => mail::unwrap(message)?,
            Form::Pem => armour_off(message)?,
            _ => message.to_vec(),
        };
        self.shell.write("in", der);
        self.shell.run(&format!("{CMSUTIL} -D -d sql:. -i in -o out"))?;
        Ok(self.shell.read("out"))
    }

    fn write_certificates(&mut self, form: Form, people: &[&'static str]) -> Result<Vec<u8>, String> {
        for name in people {
            self.known(name)?;
        }
        self.shell.run(&format!("{CMSUTIL} -O -d sql:. -r {} -o out", people.join(",")))?;
        let out = self.shell.read("out");
        Ok(match form {
            Form::Mail => mail::around("alice@example.org", &mail::pkcs7_mime("certs-only", &out)),
            Form::Pem => asn1::encode_pem("PKCS7", &out).into_bytes(),
            _ => out,
        })
    }

    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let [name] = people else { return Err(self.without("several keys in one file")) };
        self.known(name)?;
        let (key, others) = if legacy {
            ("PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC", "PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC")
        } else {
            ("AES-256-CBC", "AES-128-CBC")
        };
        // The names have spaces, which a command line here is split at.
        let line = format!("pk12util -o out.p12 -d sql:. -n {name} -W {PASSWORD} -c '{key}' -C '{others}'");
        self.shell.write("export.sh", line);
        self.shell.run("sh export.sh")?;
        Ok(self.shell.read("out.p12"))
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        let database = self.shell.folder().join("imported");
        let _ = std::fs::remove_dir_all(&database);
        std::fs::create_dir(&database).map_err(|error| error.to_string())?;
        self.shell.run("certutil -N -d sql:imported --empty-password")?;
        self.shell.write("in.p12", file);
        self.shell.run(&format!("pk12util -i in.p12 -d sql:imported -W {password}"))?;
        let keys = self.shell.run("certutil -K -d sql:imported")?;
        let mut owners = Vec::new();
        for line in String::from_utf8_lossy(&keys).lines().filter(|line| line.starts_with('<')) {
            let name = line.split_whitespace().last().unwrap_or_default();
            let pem = self.shell.run(&format!("certutil -L -d sql:imported -a -n {name}"))?;
            owners.push(Certificate::from_pem(&pem).map_err(|error| error.to_string())?.sha256().to_hex());
        }
        let all = self.shell.run("certutil -L -d sql:imported")?;
        let issuer = String::from_utf8_lossy(&all).contains("Test Issuing CA");
        Ok(Pkcs12Content::new(owners, Some(issuer)))
    }

    fn read_certificates(&mut self, _: Form, _: &[u8]) -> Result<Vec<Certificate>, String> {
        Err(self.without("listing the certificates of a message"))
    }
}

/// It reads no PEM; the armour is taken off for it.
fn armour_off(message: &[u8]) -> Result<Vec<u8>, String> {
    let mut blocks = asn1::parse_pem(message).map_err(|error| error.to_string())?;
    Ok(blocks.pop().ok_or("no PEM")?.der)
}
