//! Whole processes, one mail each: `sealpost` against `openssl` and `gpgsm`; and how much memory they take.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::material::{Material, Person, mail, outer_fields, text_entity};
use crate::measure::{Effort, compare};
use crate::rows::{Plan, Row, Target};

/// Keys, certificates and mails as files, and the programs.
pub struct Folder {
    path: PathBuf,
    sealpost: PathBuf,
    has_gpgsm: bool,
}

impl Folder {
    pub fn new(path: &Path, sealpost: &Path, material: &Material) -> Self {
        // The programs run in the folder.
        let sealpost = sealpost.canonicalize().expect("the program");
        let mut this = Self { path: path.into(), sealpost, has_gpgsm: false };
        let person = &material.p256;
        let root = material.root.certificate().to_pem();
        this.put("root.pem", root.as_bytes());
        for (name, person) in [("ec", person), ("rsa", &material.rsa2048)] {
            let key = asn1::encode_pem("PRIVATE KEY", &person.pkcs8);
            let certificate = person.certificate().to_pem();
            let chain: String = person.credential.chain().iter().map(pki::Certificate::to_pem).collect();
            this.put(&format!("{name}.key"), key.as_bytes());
            this.put(&format!("{name}.cert"), certificate.as_bytes());
            this.put(&format!("{name}.chain"), chain.as_bytes());
            this.put(&format!("{name}.pem"), (key + &certificate + &chain).as_bytes());
        }
        let entity = text_entity(10 * 1024);
        this.put("mail.eml", &mail(&person.address, &entity));
        this.put("entity.txt", &entity);
        this.has_gpgsm = this.set_up_gpgsm(material).is_some();
        this
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path.join(name), content).expect("a file");
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        let mut command = if program == "sealpost" { Command::new(&self.sealpost) } else { Command::new(program) };
        command.args(words).current_dir(&self.path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // gpgsm takes a passphrase by descriptor only.
        if line.contains("--passphrase-fd 0")
            && let Ok(passphrase) = fs::File::open(self.path.join("passphrase"))
        {
            command.stdin(passphrase);
        }
        command.env("GNUPGHOME", self.path.join("gnupg"));
        command
    }

    fn run(&self, line: &str) {
        let status = self.command(line).status();
        assert!(status.is_ok_and(|status| status.success()), "this fails: {line}");
    }

    // Its keys lie in a folder of their own, its agent ends with the benchmark.
    fn set_up_gpgsm(&self, material: &Material) -> Option<()> {
        let home = self.path.join("gnupg");
        fs::create_dir_all(&home).ok()?;
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).ok()?;
        // Without a count the agent takes seconds to open the key, which says nothing about gpgsm.
        fs::write(home.join("gpg-agent.conf"), "allow-loopback-pinentry\ns2k-count 65536\n").ok()?;
        fs::write(home.join("gpgsm.conf"), "disable-crl-checks\ndisable-dirmngr\n").ok()?;
        let print =
            openssl::hash::hash(openssl::hash::MessageDigest::sha1(), material.root.certificate().der()).ok()?;
        let print: Vec<String> = print.iter().map(|octet| format!("{octet:02X}")).collect();
        fs::write(home.join("trustlist.txt"), format!("{} S relax\n", print.join(":"))).ok()?;
        self.put("passphrase", b"x\n");
        for line in [
            "openssl pkcs12 -export -legacy -inkey rsa.key -in rsa.cert -certfile rsa.chain -out rsa.p12 -passout pass:x",
            "gpgsm --batch --import root.pem",
            "gpgsm --batch --import rsa.chain",
            "gpgsm --batch --yes --pinentry-mode loopback --passphrase-fd 0 --import rsa.p12",
        ] {
            self.command(line).status().ok().filter(std::process::ExitStatus::success)?;
        }
        self.gpgsm_works(&material.rsa2048)
    }

    fn gpgsm_works(&self, person: &Person) -> Option<()> {
        for line in [self.gpgsm_sign(person), "gpgsm --batch --yes --output o.v --verify g.sig".into()] {
            self.command(&line).status().ok().filter(std::process::ExitStatus::success)?;
        }
        Some(())
    }

    fn gpgsm_sign(&self, person: &Person) -> String {
        format!(
            "gpgsm --batch --yes --pinentry-mode loopback --passphrase-fd 0 -u {} --output g.sig --sign entity.txt",
            person.address
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.command("gpgconf --kill all").status();
    }
}

impl Plan<'_> {
    pub fn processes(&mut self, folder: &Folder) {
        let effort = Effort { slice: Duration::from_millis(1), ..self.effort };
        let sign = "sealpost sign --identity ec.pem -o s.eml mail.eml";
        let encrypt = "sealpost encrypt --to rsa.cert --cipher aes256-cbc -o e.eml mail.eml";
        folder.run(sign);
        folder.run("sealpost sign --identity rsa.pem -o r.eml mail.eml");
        folder.run(encrypt);
        folder.run("sealpost encrypt --to rsa.cert --cipher aes256-cbc -o c.eml mail.eml");
        let limit = Some(Duration::from_micros(1200));
        let works = [
            (
                "sign P-256",
                sign,
                "openssl cms -sign -signer ec.cert -inkey ec.key -certfile ec.chain -in entity.txt -out o.s",
                limit,
            ),
            (
                "verify P-256",
                "sealpost verify --trust root.pem --content o.c s.eml",
                "openssl cms -verify -CAfile root.pem -in s.eml -out o.v",
                limit,
            ),
            ("encrypt RSA-2048, CBC", encrypt, "openssl cms -encrypt -aes256 -in entity.txt -out o.e rsa.cert", None),
            (
                "decrypt RSA-2048, CBC",
                "sealpost decrypt --identity rsa.pem -o o.d c.eml",
                "openssl cms -decrypt -inkey rsa.key -recip rsa.cert -in c.eml -out o.d2",
                None,
            ),
        ];
        for (name, ours, theirs, limit) in works {
            self.process_row(folder, effort, name, "openssl", ours, theirs, (2.5, limit));
        }
        if folder.has_gpgsm {
            let sign = folder.gpgsm_sign(&self.material.rsa2048);
            let ours = "sealpost sign --identity rsa.pem -o r.eml mail.eml";
            self.process_row(folder, effort, "sign RSA-2048", "gpgsm", ours, &sign, (4.0, None));
            let ours = "sealpost verify --trust root.pem --from alice@example.org --content o.c r.eml";
            let theirs = "gpgsm --batch --yes --output o.v --verify g.sig";
            self.process_row(folder, effort, "verify RSA-2048", "gpgsm", ours, theirs, (4.0, None));
        } else {
            println!("gpgsm is not installed, or could not be set up");
        }
    }

    fn process_row(
        &mut self,
        folder: &Folder,
        effort: Effort,
        name: &str,
        rival: &'static str,
        ours: &str,
        theirs: &str,
        (ratio, limit): (f64, Option<Duration>),
    ) {
        let work = format!("process: {name}");
        if !self.wants(&work) {
            return;
        }
        let comparison = compare(effort, Box::new(|| folder.run(ours)), Some(Box::new(|| folder.run(theirs))), None);
        let target = limit.map_or(Target::Ratio(ratio), |limit| Target::Both(ratio, limit));
        self.push(Row { work, rival, target, comparison });
    }
}

/// The peak memory of one run.
pub struct Peak {
    pub work: String,
    /// KiB for each of the sizes, ours.
    pub ours: Vec<u64>,
    /// KiB of OpenSSL at the first size.
    pub theirs: Option<u64>,
}

/// Sizes in MiB.
pub fn peaks(folder: &Folder, sizes: &[usize]) -> Vec<Peak> {
    let forms: [(&str, &str, &str, Option<&str>); 8] = [
        (
            "sign, clear",
            "mail",
            "sign --identity ec.pem -o out",
            Some("cms -sign -signer ec.cert -inkey ec.key -in mail -out o"),
        ),
        (
            "sign, opaque",
            "mail",
            "sign --identity ec.pem --form opaque -o out",
            Some("cms -sign -nodetach -signer ec.cert -inkey ec.key -in mail -out o"),
        ),
        (
            "verify, clear",
            "clear",
            "verify --trust root.pem --content out",
            Some("cms -verify -CAfile root.pem -in clear -out o"),
        ),
        (
            "verify, opaque",
            "opaque",
            "verify --trust root.pem --content out",
            Some("cms -verify -CAfile root.pem -in opaque -out o"),
        ),
        ("encrypt, GCM", "mail", "encrypt --to rsa.cert --cipher aes256-gcm -o out", None),
        (
            "encrypt, CBC",
            "mail",
            "encrypt --to rsa.cert --cipher aes256-cbc -o out",
            Some("cms -encrypt -aes256 -in mail -out o rsa.cert"),
        ),
        ("decrypt, GCM", "gcm", "decrypt --identity rsa.pem -o out", None),
        (
            "decrypt, CBC",
            "cbc",
            "decrypt --identity rsa.pem -o out",
            Some("cms -decrypt -inkey rsa.key -recip rsa.cert -in cbc -out o"),
        ),
    ];
    let mut found: Vec<Peak> = Vec::new();
    for (index, &size) in sizes.iter().enumerate() {
        write_large(&folder.path.join("mail"), size);
        for line in [
            "sealpost sign --identity ec.pem -o clear mail",
            "sealpost sign --identity ec.pem --form opaque -o opaque mail",
            "sealpost encrypt --to rsa.cert --cipher aes256-gcm -o gcm mail",
            "sealpost encrypt --to rsa.cert --cipher aes256-cbc -o cbc mail",
        ] {
            folder.run(line);
        }
        let mut row = 0;
        for (name, input, ours, theirs) in forms {
            for pipe in [false, true] {
                let peak = if pipe {
                    folder.peak(&format!("{} {ours} -", folder.sealpost.display()), Some(input))
                } else {
                    folder.peak(&format!("{} {ours} {input}", folder.sealpost.display()), None)
                };
                if index == 0 {
                    let theirs = theirs.filter(|_| !pipe).map(|line| folder.peak(&format!("openssl {line}"), None));
                    let way = if pipe { "pipe" } else { "file" };
                    found.push(Peak { work: format!("{name}, {way}"), ours: Vec::new(), theirs });
                }
                found[row].ours.push(peak);
                row += 1;
            }
        }
    }
    found
}

impl Folder {
    // A small process of its own starts the one that is measured: what it takes itself is less than anything measured,
    // and the system counts the larger of the two.
    fn peak(&self, line: &str, input: Option<&str>) -> u64 {
        let here = std::env::current_exe().expect("a name");
        let mut command = Command::new(here);
        command.arg("--peak-of").args(line.split_whitespace()).current_dir(&self.path);
        let mut feeding = None;
        match input {
            None => {
                command.stdin(Stdio::null());
            }
            Some(input) => {
                let mut cat =
                    Command::new("cat").arg(self.path.join(input)).stdout(Stdio::piped()).spawn().expect("cat");
                command.stdin(cat.stdout.take().expect("a pipe"));
                feeding = Some(cat);
            }
        }
        let output = command.stdout(Stdio::piped()).stderr(Stdio::null()).output().expect("a process");
        if let Some(mut cat) = feeding {
            let _ = cat.wait();
        }
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().last().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("this fails: {line}: {said}"))
    }
}

/// Runs a program and prints its peak memory in KiB, if it succeeds.
pub fn peak_of(line: &[String]) {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).stdout(Stdio::null());
    let mut child = command.spawn().expect("a process");
    let status = child.wait().expect("an end");
    assert!(status.success(), "it fails: {line:?}");
    // SAFETY: a zeroed rusage is a valid one, and the pointer is to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    println!("{}", usage.ru_maxrss);
}

fn write_large(path: &Path, megabytes: usize) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    file.write_all(outer_fields("bob@example.org").as_bytes()).expect("room");
    file.write_all(
        b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    )
    .expect("room");
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    let block = line.repeat(1000);
    for _ in 0..(megabytes << 20) / block.len() {
        file.write_all(block.as_bytes()).expect("room");
    }
    file.flush().expect("room");
}
