//! Other programs read our files, and we read theirs.

use crypto::{KeyKind, PrivateKey as _, SoftwareKey};
use pki::{Credential, CredentialError, Integrity, Pkcs12, Pkcs12Builder, Protection, private_key_from_der};
use testkit::{Peer, Person, TestPki};

struct Scene {
    pki: &'static TestPki,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { pki: TestPki::shared(), folder: tempfile::tempdir().unwrap() }
    }

    fn peer(&self) -> Peer {
        Peer::in_folder(self.folder.path())
    }

    fn person(&self, kind: KeyKind) -> Person {
        self.pki.person("alice@example.org", kind)
    }
}

fn export(person: &Person, password: &str, protection: Protection) -> Vec<u8> {
    let key = SoftwareKey::from_pkcs8(&person.pkcs8).unwrap();
    Pkcs12Builder::new(protection)
        .key(&key, person.certificate(), Some("alice"))
        .unwrap()
        .chain(person.credential.chain())
        .iterations(2000)
        .build(password)
        .unwrap()
}

fn check(peer: &Peer, name: &str, password: &str, person: &Person, integrity: Integrity) {
    let bytes = peer.read(name);
    let file = Pkcs12::from_der(&bytes, Some(password)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(file.integrity(), integrity, "{name}");
    let credential = file.into_credentials().unwrap().remove(0);
    assert_eq!(credential.certificate(), person.certificate(), "{name}");
    assert_eq!(credential.chain(), person.credential.chain(), "{name}");
    if !password.is_empty() && integrity != Integrity::None {
        let wrong = Pkcs12::from_der(&bytes, Some("Passwort")).map(|_| ());
        assert_eq!(wrong, Err(CredentialError::WrongPassword), "{name}");
    }
}

#[test]
fn we_read_what_openssl_exports() {
    let scene = Scene::new();
    let peer = scene.peer();
    let openssl = "openssl pkcs12 -export -in alice.pem -certfile alice-chain.pem -name alice -out alice.p12";
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::Ed25519] {
        let alice = scene.person(kind);
        peer.write_person("alice", &alice);
        for (flags, password) in [
            ("", "geheim"),
            ("", ""),
            ("", "grüße-€-🔑"),
            ("-legacy", "geheim"),
            ("-legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-RC2-128", "geheim"),
            ("-legacy -certpbe PBE-SHA1-RC4-128 -keypbe PBE-SHA1-RC4-40", "geheim"),
            ("-legacy -certpbe PBE-SHA1-2DES -keypbe PBE-SHA1-3DES", "geheim"),
            ("-legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-RC2-40 -nomaciter", "geheim"),
            ("-certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha512 -iter 10000", "geheim"),
            ("-certpbe DES-EDE3-CBC -keypbe NONE -macalg sha1", "geheim"),
            ("-nomac", "geheim"),
        ] {
            peer.run(&format!("{openssl} {flags} -passout pass:{password}")).unwrap();
            let integrity = if flags == "-nomac" { Integrity::None } else { Integrity::Mac };
            check(&peer, "alice.p12", password, &alice, integrity);
        }
    }
}

#[test]
fn openssl_reads_what_we_export() {
    let scene = Scene::new();
    let peer = scene.peer();
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::Ed25519] {
        let alice = scene.person(kind);
        for (protection, flags) in [(Protection::Modern, ""), (Protection::Compatible, "-legacy")] {
            for password in ["geheim", "", "grüße-€-🔑"] {
                peer.write("ours.p12", export(&alice, password, protection));
                let read = format!("openssl pkcs12 -in ours.p12 {flags} -noenc -passin pass:{password}");
                let text = peer.run(&read).unwrap();
                let credential = Credential::load([&text[..]], None).unwrap();
                assert_eq!(credential.certificate(), alice.certificate());
                assert_eq!(credential.chain(), alice.credential.chain());
                assert!(String::from_utf8_lossy(&text).contains("friendlyName: alice"));
                assert!(peer.run(&read.replace("pass:", "pass:x")).is_err());
            }
        }
    }
}

#[test]
fn encrypted_keys_go_both_ways_with_openssl() {
    let scene = Scene::new();
    let peer = scene.peer();
    let alice = scene.person(KeyKind::Rsa2048);
    peer.write_person("alice", &alice);
    let key = SoftwareKey::from_pkcs8(&alice.pkcs8).unwrap();
    for flags in [
        "",
        "-v2 aes-128-cbc -v2prf hmacWithSHA1",
        "-v2 des3 -v2prf hmacWithSHA512",
        "-v2 rc2-cbc -provider legacy -provider default",
        "-v1 PBE-MD5-DES -provider legacy -provider default",
        "-v1 PBE-SHA1-RC2-64 -provider legacy -provider default",
        "-v1 PBE-SHA1-3DES -provider legacy -provider default",
    ] {
        let line = "openssl pkcs8 -topk8 -in alice.pem -outform DER -out key.p8 -passout pass:geheim";
        peer.run(&format!("{line} {flags}")).unwrap();
        let bytes = peer.read("key.p8");
        let read = private_key_from_der(&bytes, Some("geheim")).unwrap_or_else(|error| panic!("{flags}: {error}"));
        assert_eq!(read.public_key(), key.public_key(), "{flags}");
        let wrong = private_key_from_der(&bytes, Some("geheimer")).map(|_| ());
        assert_eq!(wrong, Err(CredentialError::WrongPassword), "{flags}");
        assert_eq!(private_key_from_der(&bytes, None).map(|_| ()), Err(CredentialError::Encrypted), "{flags}");
    }
    for protection in [Protection::Modern, Protection::Compatible] {
        let der = pki::encrypt_private_key(&key, "geheim", protection).unwrap();
        peer.write("ours.pem", asn1::encode_pem("ENCRYPTED PRIVATE KEY", &der));
        peer.run("openssl pkey -in ours.pem -passin pass:geheim -check -noout -provider legacy -provider default")
            .unwrap();
        assert!(peer.run("openssl pkey -in ours.pem -passin pass:falsch -noout").is_err());
    }
    for (kind, label) in [(KeyKind::Rsa2048, "RSA PRIVATE KEY"), (KeyKind::P256, "EC PRIVATE KEY")] {
        let person = scene.person(kind);
        peer.write_person("person", &person);
        peer.run("openssl pkey -in person.pem -traditional -out key.pem").unwrap();
        assert!(String::from_utf8_lossy(&peer.read("key.pem")).contains(label));
        let certificate = person.certificate().to_pem();
        Credential::load([&peer.read("key.pem")[..], certificate.as_bytes()], None).unwrap();
    }
}

#[test]
fn nss_goes_both_ways() {
    let scene = Scene::new();
    let peer = scene.peer();
    for kind in [KeyKind::Rsa2048, KeyKind::P256] {
        let alice = scene.person(kind);
        for (protection, database) in [(Protection::Modern, "modern"), (Protection::Compatible, "compatible")] {
            let database = format!("{database}-{kind:?}");
            std::fs::create_dir(peer.folder().join(&database)).unwrap();
            peer.run(&format!("certutil -N -d sql:{database} --empty-password")).unwrap();
            peer.write("ours.p12", export(&alice, "geheim", protection));
            peer.run(&format!("pk12util -i ours.p12 -d sql:{database} -W geheim")).unwrap();
            for flags in [
                "",
                "-c 'PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC' -C 'PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC'",
                "-c 'PKCS #12 V2 PBE With SHA-1 And 128 Bit RC4' -C 'PKCS #12 V2 PBE With SHA-1 And 128 Bit RC2 CBC'",
                "-c AES-256-CBC -C AES-128-CBC",
            ] {
                peer.write("export.sh", format!("pk12util -o theirs.p12 -d sql:{database} -n alice -W geheim {flags}"));
                peer.run("sh export.sh").unwrap();
                check(&peer, "theirs.p12", "geheim", &alice, Integrity::Mac);
            }
        }
    }
}

#[test]
fn java_goes_both_ways() {
    let scene = Scene::new();
    let peer = scene.peer();
    let alice = scene.person(KeyKind::Rsa2048);
    for protection in [Protection::Modern, Protection::Compatible] {
        peer.write("ours.p12", export(&alice, "geheim", protection));
        let _ = std::fs::remove_file(peer.folder().join("theirs.p12"));
        let list = peer.run("keytool -list -v -keystore ours.p12 -storetype PKCS12 -storepass geheim").unwrap();
        assert!(String::from_utf8_lossy(&list).contains("PrivateKeyEntry"));
        let copy = "keytool -importkeystore -srckeystore ours.p12 -srcstoretype PKCS12 -srcstorepass geheim \
                    -destkeystore theirs.p12 -deststoretype PKCS12 -deststorepass geheim -noprompt";
        peer.run(copy).unwrap();
        check(&peer, "theirs.p12", "geheim", &alice, Integrity::Mac);
        let _ = std::fs::remove_file(peer.folder().join("theirs.p12"));
        peer.run(&copy.replacen("keytool", "keytool -J-Dkeystore.pkcs12.legacy", 1)).unwrap();
        check(&peer, "theirs.p12", "geheim", &alice, Integrity::Mac);
    }
}

#[test]
fn gpgsm_goes_both_ways() {
    let scene = Scene::new();
    let peer = scene.peer();
    let alice = scene.person(KeyKind::Rsa2048);
    std::fs::create_dir(peer.folder().join("gnupg")).unwrap();
    peer.write("gnupg/gpg-agent.conf", "allow-loopback-pinentry\n");
    peer.run("chmod 700 gnupg").unwrap();
    let gpgsm = "gpgsm --batch --pinentry-mode loopback --passphrase-fd 0";
    let fingerprint: String = alice.certificate().sha1().iter().map(|octet| format!("{octet:02X}")).collect();
    // gpgsm 2.2 reads PBES2 with HMAC-SHA-1 only; this is what the compatible form is for.
    peer.write("ours.p12", export(&alice, "geheim", Protection::Compatible));
    peer.write("import.sh", format!("echo geheim | {gpgsm} --import ours.p12"));
    peer.run("sh import.sh").unwrap();
    let secret = peer.run("gpgsm --batch --list-secret-keys --with-colons").unwrap();
    assert!(String::from_utf8_lossy(&secret).contains(&fingerprint));
    peer.write("export.sh", format!("echo geheim | {gpgsm} --export-secret-key-p12 --output theirs.p12 {fingerprint}"));
    peer.run("sh export.sh").unwrap();
    let file = Pkcs12::from_der(&peer.read("theirs.p12"), Some("geheim")).unwrap();
    assert_eq!(file.into_credentials().unwrap()[0].certificate(), alice.certificate());
    let _ = peer.run("gpgconf --kill gpg-agent");
}
