use crypto::{ContentCipher, DigestAlgorithm, SignatureAlgorithm};
use pki::{Certificate, Credential};
use testkit::Peer as Shell;

use crate::mail::with_crlf;
use crate::peer::{Peer, Pkcs12Content};
use crate::scene::Scene;
use crate::task::{Encrypting, Form, PASSWORD, SHARED_KEY_NAME, Signing, To, Way, hex, shared_key};

/// The `openssl` command.
#[derive(Debug)]
pub(crate) struct OpenSsl(Shell);

const OPENSSL: &str = "/usr/bin/openssl";
const LEGACY: &str = "-provider legacy -provider default";

impl OpenSsl {
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.folder("openssl");
        scene.write_files(&folder);
        Self(Shell::in_folder(folder))
    }

    fn run(&self, arguments: &str) -> Result<Vec<u8>, String> {
        self.0.run(&format!("{OPENSSL} {arguments}"))
    }
}

fn name(digest: DigestAlgorithm) -> String {
    digest.name().replace('-', "").to_lowercase()
}

fn inform(form: Form) -> &'static str {
    match form {
        Form::Clear | Form::Mail => "SMIME",
        Form::Pem => "PEM",
        _ => "DER",
    }
}

impl Peer for OpenSsl {
    fn name(&self) -> &'static str {
        "OpenSSL"
    }

    fn version(&mut self) -> String {
        let text = self.run("version").unwrap_or_default();
        String::from_utf8_lossy(&text).split(" (").next().unwrap_or_default().trim().to_owned()
    }

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("content", content);
        let mut line = format!("cms -sign -in content -out out -certfile ca.pem -outform {}", inform(task.form));
        for (signer, algorithm) in &task.signers {
            line.push_str(&format!(" -signer {signer}.pem"));
            if matches!(algorithm, SignatureAlgorithm::RsaPss(_)) {
                line.push_str(" -keyopt rsa_padding_mode:pss");
            }
        }
        if task.signers.iter().any(|(_, algorithm)| algorithm.digest().is_some()) {
            line.push_str(&format!(" -md {}", name(task.digest())));
        }
        line.push_str(match task.form {
            Form::Clear => " -from x@example.org -to y@example.org -subject z",
            Form::Mail => " -nodetach -from x@example.org",
            Form::Detached => " -binary",
            Form::Ber => " -binary -nodetach -stream",
            _ => " -binary -nodetach",
        });
        if task.by_key {
            line.push_str(" -keyid");
        }
        if task.bare {
            line.push_str(" -noattr");
        }
        self.run(&line)?;
        Ok(self.0.read("out"))
    }

    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("in", message);
        self.0.write("content", content);
        let extra = match task.form {
            Form::Clear | Form::Mail => "",
            Form::Detached => "-binary -content content",
            _ => "-binary",
        };
        self.run(&format!(
            "cms -verify -in in -out out -inform {} -CAfile root.pem -purpose smimesign {extra}",
            inform(task.form)
        ))?;
        let out = self.0.read("out");
        Ok(if task.form.is_mail() { with_crlf(&out) } else { out })
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("content", content);
        let (cipher, legacy) = match task.cipher {
            ContentCipher::DesEde3Cbc => ("des3".to_owned(), ""),
            ContentCipher::Rc2Cbc40 => ("rc2-40-cbc".to_owned(), LEGACY),
            ContentCipher::Rc2Cbc64 => ("rc2-64-cbc".to_owned(), LEGACY),
            ContentCipher::Rc2Cbc128 => ("rc2-cbc".to_owned(), LEGACY),
            cipher => (cipher.name().to_lowercase(), ""),
        };
        let mut line =
            format!("cms -encrypt -{cipher} {legacy} -binary -in content -out out -outform {}", inform(task.form));
        match task.form {
            Form::Ber => line.push_str(" -stream"),
            Form::Mail => line.push_str(" -from x@example.org"),
            _ => {}
        }
        if task.by_key {
            line.push_str(" -keyid");
        }
        for to in &task.to {
            match to {
                To::Person(person, way) => {
                    line.push_str(&format!(" -recip {person}-cert.pem"));
                    match way {
                        Way::Oaep(DigestAlgorithm::Sha1) => line.push_str(" -keyopt rsa_padding_mode:oaep"),
                        Way::Oaep(digest) => line
                            .push_str(&format!(" -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:{}", name(*digest))),
                        Way::X963(digest) => line.push_str(&format!(" -keyopt ecdh_kdf_md:{}", name(*digest))),
                        // It has no option for the derivation; RFC 8418 names the default.
                        Way::Default | Way::RsaPkcs1 | Way::Hkdf(_) => {}
                    }
                }
                To::Password => line.push_str(&format!(" -pwri_password {}", PASSWORD)),
                To::SharedKey(length) => line.push_str(&format!(
                    " -secretkey {} -secretkeyid {}",
                    hex(&shared_key(*length)),
                    hex(SHARED_KEY_NAME)
                )),
            }
        }
        self.run(&line)?;
        Ok(self.0.read("out"))
    }

    fn decrypt(&mut self, task: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("in", message);
        let legacy = if task.cipher.is_legacy() { LEGACY } else { "" };
        let how = match whom {
            To::Person(person, _) => format!("-recip {person}.pem"),
            To::Password => format!("-pwri_password {}", PASSWORD),
            To::SharedKey(length) => format!("-secretkey {}", hex(&shared_key(*length))),
        };
        self.run(&format!("cms -decrypt {legacy} -binary -in in -out out -inform {} {how}", inform(task.form)))?;
        Ok(self.0.read("out"))
    }

    fn compress(&mut self, form: Form, content: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("content", content);
        self.run(&format!("cms -compress -binary -in content -out out -outform {}", inform(form)))?;
        Ok(self.0.read("out"))
    }

    fn decompress(&mut self, form: Form, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("in", message);
        self.run(&format!("cms -uncompress -binary -in in -out out -inform {}", inform(form)))?;
        Ok(self.0.read("out"))
    }

    fn write_certificates(&mut self, form: Form, people: &[&'static str]) -> Result<Vec<u8>, String> {
        if form == Form::Mail {
            return Err(self.without("mail with certificates alone"));
        }
        let files: String = people.iter().map(|person| format!(" -certfile {person}-cert.pem")).collect();
        self.run(&format!("crl2pkcs7 -nocrl {files} -out out -outform {}", inform(form)))?;
        Ok(self.0.read("out"))
    }

    fn read_certificates(&mut self, form: Form, message: &[u8]) -> Result<Vec<Certificate>, String> {
        self.0.write("in", message);
        let text = if form == Form::Mail {
            self.run("smime -pk7out -in in -out out.pem")?;
            self.run("pkcs7 -print_certs -in out.pem")?
        } else {
            self.run(&format!("pkcs7 -print_certs -in in -inform {}", inform(form)))?
        };
        Certificate::all_from(&text).map_err(|error| error.to_string())
    }

    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let [person] = people else { return Err(self.without("several keys in one file")) };
        let legacy = if legacy { "-legacy" } else { "" };
        self.run(&format!(
            "pkcs12 -export {legacy} -in {person}.pem -certfile ca.pem -name {person} -out out -passout pass:{PASSWORD}"
        ))?;
        Ok(self.0.read("out"))
    }

    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        self.0.write("in", file);
        let text = self.run(&format!("pkcs12 -legacy -in in -noenc -passin pass:{password}"))?;
        let credentials = Credential::load_all([&text[..]], None).map_err(|error| error.to_string())?;
        let issuer = credentials.iter().all(|credential| !credential.chain().is_empty());
        let owners = credentials.iter().map(|credential| credential.certificate().sha256().to_hex()).collect();
        Ok(Pkcs12Content::new(owners, Some(issuer)))
    }
}
