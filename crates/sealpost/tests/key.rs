//! `sealpost key` as people run it, with other programs on the other side.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crypto::KeyKind;
use pki::CertificateRequest;
use testkit::{Peer, TestPki};

/// A folder with password files, in which the program and its peers run.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for password in ["one", "two", "empty"] {
            let line = if password == "empty" { "\n".to_owned() } else { format!("{password}\nnot this line\n") };
            scene.peer().write(&format!("{password}.password"), line);
        }
        scene
    }

    fn peer(&self) -> Peer {
        Peer::in_folder(self.folder.path())
    }

    /// Exit status, standard output, standard error. `_` in an argument stands for a space.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(arguments.split_whitespace().map(|argument| argument.replace('_', " ")))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn must(&self, arguments: &str) -> String {
        let (status, out, err) = self.run(arguments);
        assert_eq!(status, 0, "{arguments}: {err}");
        out
    }

    fn fails(&self, arguments: &str, what: &str, way_out: &str) {
        let (status, out, err) = self.run(arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments}: {err}");
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines[0].starts_with("error: ") && lines[0].contains(what), "{arguments}: {err}");
        assert!(
            way_out.is_empty() || lines[1].starts_with("hint: ") && lines[1].contains(way_out),
            "{arguments}: {err}"
        );
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.folder.path().join(name)).unwrap().permissions().mode() & 0o777
    }
}

#[test]
fn from_a_new_key_to_an_identity_that_signs_and_decrypts() {
    let (scene, pki) = (Scene::new(), TestPki::lasting());
    let peer = scene.peer();
    for (kind, format) in [("rsa-3072", "p7b"), ("p-256", "pem")] {
        let key = format!("{kind}.key");
        scene.must(&format!("key new --kind {kind} --password-file one.password -o {key}"));
        assert_eq!(scene.mode(&key), 0o600);
        peer.run(&format!("openssl pkey -in {key} -passin pass:one -check -noout")).unwrap();
        assert!(peer.run(&format!("openssl pkey -in {key} -passin pass:two -noout")).is_err());
        let request = format!(
            "key request --key {key} --password-file one.password --for joerg@example.org --for j@example.org \
             --profile sponsor --given-name Jörg --surname Müller --organization Beispiel_AG \
             --organization-identifier NTRDE-HRB_12345 --country DE -o request.pem"
        );
        scene.must(&request);
        peer.run("openssl req -in request.pem -verify -noout").unwrap();

        // The CA reads the request, checks it, and returns a certificate with its own among the rest.
        let request = CertificateRequest::from_pem_or_der(&peer.read("request.pem")).unwrap();
        assert_eq!(request.verify_possession(), Ok(()));
        assert!(
            request.subject().to_string().contains("2.5.4.97=") || request.subject().to_string().contains("HRB 12345")
        );
        let mut builder = pki.mailbox("joerg@example.org");
        for address in request.email_addresses().into_iter().skip(1) {
            builder = builder.also_for(address);
        }
        let issued = pki.ca().issue(&builder, request.public_key()).unwrap();
        let both = format!("{}{}", issued.to_pem(), pki.ca().certificate().to_pem());
        peer.write("returned.pem", both);
        peer.run("openssl crl2pkcs7 -nocrl -certfile returned.pem -outform DER -out returned.p7b").unwrap();
        let identity = format!("{kind}.pem");
        let import = format!(
            "key import --password-file one.password --new-password-file two.password -o {identity} {key} returned.{format}"
        );
        let (status, _, err) = scene.run(&import);
        assert_eq!(status, 0, "{err}");
        assert!(err.contains("with 1 more of the chain"), "{err}");
        assert_eq!(scene.mode(&identity), 0o600);

        peer.write("root.pem", pki.root().certificate().to_pem());
        peer.write("mail.eml", "From: joerg@example.org\r\nSubject: x\r\n\r\nHello\r\n");
        let sign = format!("sign --identity {identity} --password-file two.password");
        scene.must(&format!("{sign} -o signed.eml mail.eml"));
        if kind == "p-256" {
            scene.fails(&format!("{sign} --pss mail.eml"), "RSASSA-PSS needs an RSA key", "leave out --pss");
        } else {
            scene.must(&format!("{sign} --pss -o pss.eml mail.eml"));
        }
        scene.must("verify --trust root.pem --at 2026-12-01 signed.eml");
        scene.must("encrypt --to returned.pem -o encrypted.eml mail.eml");
        let plain = scene.must(&format!("decrypt --identity {identity} --password-file two.password encrypted.eml"));
        assert!(plain.contains("Hello"));
    }
}

#[test]
fn what_is_exported_opens_elsewhere_and_comes_back() {
    let (scene, pki) = (Scene::new(), TestPki::shared());
    let peer = scene.peer();
    let alice = pki.person("alice@example.org", KeyKind::Rsa2048);
    peer.write_person("alice", &alice);
    let identity = "--identity alice.pem --with alice-chain.pem";
    scene.must(&format!("key export {identity} --new-password-file one.password -o modern.p12"));
    scene.must(&format!("key export {identity} --new-password-file one.password --compatible -o old.p12"));
    scene.must(&format!("key export {identity} --new-password-file one.password --format pem -o encrypted.pem"));
    scene.must(&format!("key export {identity} --format pem -o plain.pem"));
    for name in ["modern.p12", "old.p12", "encrypted.pem", "plain.pem"] {
        assert_eq!(scene.mode(name), 0o600, "{name}");
        let again = scene.must(&format!("key import --password-file one.password {name}"));
        let credential = pki::Credential::load([again.as_bytes()], None).unwrap();
        assert_eq!(credential.certificate(), alice.certificate(), "{name}");
        assert_eq!(credential.chain(), alice.credential.chain(), "{name}");
    }
    let modern = "openssl pkcs12 -in modern.p12 -passin pass:one -noenc -info";
    let text = String::from_utf8_lossy(&peer.run(modern).unwrap()).into_owned();
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
    assert!(text.contains("friendlyName: alice@example.org"), "{text}");
    peer.run("openssl pkcs12 -in old.p12 -passin pass:one -noenc -provider legacy -provider default").unwrap();
    peer.run("openssl pkey -in encrypted.pem -passin pass:one -noout").unwrap();

    fs::create_dir(peer.folder().join("gnupg")).unwrap();
    peer.write("gnupg/gpg-agent.conf", "allow-loopback-pinentry\n");
    peer.run("chmod 700 gnupg").unwrap();
    peer.write("import.sh", "echo one | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --import old.p12");
    peer.run("sh import.sh").unwrap();
    let listed = peer.run("gpgsm --batch --list-secret-keys").unwrap();
    let _ = peer.run("gpgconf --kill gpg-agent");
    assert!(String::from_utf8_lossy(&listed).contains("alice@example.org"));
}

#[test]
fn requests_carry_the_subject_of_their_profile() {
    let scene = Scene::new();
    let peer = scene.peer();
    scene.must("key new --kind p-256 -o key.pem");
    for (options, subject) in [
        ("", "CN=a@example.org"),
        ("--profile individual --given-name Ada --surname Lovelace", "SN=Lovelace, GN=Ada, CN=Ada Lovelace"),
        (
            "--profile organization --organization Example_Ltd --organization-identifier VATGB-123 --country GB",
            "C=GB, O=Example Ltd, organizationIdentifier=VATGB-123, CN=Example Ltd",
        ),
    ] {
        let out = scene.must(&format!("key request --key key.pem --for a@example.org {options}"));
        peer.write("request.pem", out);
        let text = peer.run("openssl req -in request.pem -noout -subject -nameopt utf8").unwrap();
        let text = String::from_utf8_lossy(&text).replace(" = ", "=");
        assert_eq!(text.trim(), format!("subject={subject}"), "{options}");
    }
    for (usage, text) in [("sign", "Digital Signature\n"), ("encrypt", "Key Agreement\n")] {
        scene.must(&format!("key request --key key.pem --for a@example.org --usage {usage} --der -o {usage}.der"));
        let shown = peer.run(&format!("openssl req -in {usage}.der -inform DER -noout -text")).unwrap();
        assert!(String::from_utf8_lossy(&shown).contains(&format!("Key Usage: critical\n                    {text}")));
    }
}

#[test]
fn every_kind_of_key_is_made_and_read() {
    let scene = Scene::new();
    for kind in ["rsa-3072", "p-256", "p-384", "p-521", "ed25519", "x25519", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] {
        let pem = scene.must(&format!("key new --kind {kind}"));
        let blocks = asn1::parse_pem(pem.as_bytes()).unwrap();
        pki::private_key_from_der(&blocks[0].der, None).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn t_125_a_master_key_is_random_private_and_never_written_over() {
    let scene = Scene::new();
    for name in ["a.key", "b.key"] {
        scene.must(&format!("key new --master {name}"));
        assert_eq!(scene.mode(name), 0o600);
    }
    let (a, b) = (scene.peer().read("a.key"), scene.peer().read("b.key"));
    assert_ne!(a, b);
    assert_eq!((a.len(), a[43], a[44]), (45, b'=', b'\n'));
    scene.peer().run("openssl base64 -d -in a.key -out a.bin").unwrap();
    assert_eq!(scene.peer().read("a.bin").len(), 32);
    scene.fails("key new --master a.key", "a.key exists already", "never written over");
    assert_eq!(scene.peer().read("a.key"), a);
    scene.fails("key new -o a.key", "a.key exists already", "never written over");
    scene.fails("key new --master no/a.key", "cannot write no/a.key", "");
}

#[test]
fn t_128_what_does_not_belong_together_is_refused() {
    let (scene, pki) = (Scene::new(), TestPki::shared());
    let peer = scene.peer();
    peer.write_person("alice", &pki.person("alice@example.org", KeyKind::P256));
    let other = pki.person("bob@example.org", KeyKind::P256);
    peer.write("bob.crt", other.certificate().der());
    peer.write("bob.key", &other.pkcs8);
    scene.must("key new --kind p-256 --password-file one.password -o new.key");
    scene.fails("key import new.key bob.crt", "new.key: the private key is encrypted", "--password-file");
    scene.fails("key import --password-file two.password new.key bob.crt", "the password is wrong", "first line");
    scene.fails("key import --password-file one.password new.key bob.crt", "do not belong together", "");
    scene.fails("key import bob.crt", "there is no private key", "");
    scene.fails("key import bob.key", "there is no certificate", "");
    scene.fails("key import two.password", "two.password holds no certificate", "");
    scene.fails("key export --identity alice.pem", "a .p12 needs a password", "--new-password-file");
    scene.fails("key export --identity alice.pem --new-password-file empty.password", "is empty", "first line");
    let request = "key request --key bob.key --for b@example.org";
    scene.fails(&format!("{request} --country DE"), "--profile mailbox has no place for --country", "profiles");
    scene.fails(&format!("{request} --profile sponsor"), "--profile sponsor needs --given-name", "");
    let organization = format!("{request} --profile organization --organization X");
    scene.fails(&format!("{organization} --organization-identifier HRB"), "not an organisation's", "NTRDE");
    let organization = format!("{organization} --organization-identifier LEIXG-1");
    scene.fails(&format!("{organization} --country Germany"), "Germany is not a country", "DE");
    scene.fails("key request --key bob.key --for bob", "bob: not an email address", "alice@example.org");
    scene.must("key new --kind x25519 -o x.key");
    scene.fails("key request --key x.key --for b@example.org", "cannot prove itself", "another way");
    scene.must("key new --kind ed25519 -o ed.key");
    scene.fails("key request --key ed.key --for b@example.org --usage encrypt", "nobody can encrypt", "p-256");
}
