//! PKCS #10: requests that other programs make and read, and requests that lie.

use crypto::{KeyKind, PrivateKey, PublicKey, SignatureAlgorithm, SoftwareKey};
use pki::{CertificateRequest, CertificateRequestBuilder, EmailAddress, KeyUsage, Reason, Subject};
use testkit::Peer;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn subject() -> Subject {
    Subject {
        organization_identifier: Some("NTRDE-HRB 12345".into()),
        country: Some("DE".into()),
        ..Subject::person("Jörg", "Müller").of("Beispiel AG")
    }
}

#[test]
fn openssl_reads_what_we_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    for (kind, usage) in [
        (KeyKind::Rsa3072, "Digital Signature, Key Encipherment"),
        (KeyKind::P256, "Digital Signature, Key Agreement"),
        (KeyKind::P384, "Digital Signature, Key Agreement"),
        (KeyKind::Ed25519, "Digital Signature"),
    ] {
        let key = SoftwareKey::generate(kind).unwrap();
        let builder = CertificateRequestBuilder::mailbox(subject(), address("joerg@example.org"))
            .also_for(address("müller@example.org"))
            .also_for(address("joerg@example.org"));
        let request = builder.sign(&key).unwrap();
        assert_eq!(request.verify_possession(), Ok(()));
        assert_eq!(request.email_addresses(), [address("joerg@example.org"), address("müller@example.org")]);
        peer.write("request.pem", request.to_pem());
        let text = peer.run("openssl req -in request.pem -verify -noout -text -nameopt utf8").unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            usage,
            "E-mail Protection",
            "email:joerg@example.org",
            "C=DE, O=Beispiel AG, organizationIdentifier=NTRDE-HRB 12345, SN=Müller, GN=Jörg, CN=Jörg Müller",
        ] {
            assert!(text.contains(line), "{kind:?}: {line} is not in\n{text}");
        }
    }
}

#[test]
fn we_read_what_openssl_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write(
        "req.cnf",
        "[req]\ndistinguished_name=dn\nprompt=no\nreq_extensions=ext\n[dn]\nC=DE\nCN=Alice\n\
         emailAddress=alice@example.org\n[ext]\nkeyUsage=critical,digitalSignature\n\
         subjectAltName=email:alice@example.org,email:a@example.org,DNS:example.org\n",
    );
    for (form, kind) in [("PEM", "rsa:2048"), ("DER", "rsa:2048"), ("PEM", "ec -pkeyopt ec_paramgen_curve:P-256")] {
        peer.run(&format!(
            "openssl req -new -nodes -newkey {kind} -keyout key.pem -config req.cnf -outform {form} -out r"
        ))
        .unwrap();
        let request = CertificateRequest::from_pem_or_der(&peer.read("r")).unwrap();
        assert_eq!(request.verify_possession(), Ok(()), "{kind}");
        assert_eq!(request.email_addresses(), [address("alice@example.org"), address("a@example.org")]);
        assert_eq!(request.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
        assert!(request.subject().to_string().contains("CN=Alice"));
    }
    peer.run("openssl req -new -nodes -newkey rsa:2048 -sha1 -keyout key.pem -config req.cnf -out r").unwrap();
    let weak = CertificateRequest::from_pem_or_der(&peer.read("r")).unwrap().verify_possession();
    assert!(matches!(weak, Err(Reason::SignatureUnacceptable { .. })), "{weak:?}");
    peer.run("openssl req -new -nodes -newkey rsa:1024 -keyout key.pem -config req.cnf -out r").unwrap();
    let weak = CertificateRequest::from_pem_or_der(&peer.read("r")).unwrap().verify_possession();
    assert_eq!(weak, Err(Reason::KeyTooShort { bits: 1024 }));
}

#[test]
fn we_read_what_gpgsm_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    std::fs::create_dir(peer.folder().join("gnupg")).unwrap();
    peer.write("gnupg/gpg-agent.conf", "allow-loopback-pinentry\n");
    peer.run("chmod 700 gnupg").unwrap();
    peer.write(
        "parameters",
        "Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign, encrypt\nName-DN: CN=Alice,C=DE\n\
         Name-Email: alice@example.org\n",
    );
    peer.write(
        "generate.sh",
        "echo x | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --armor --generate-key parameters",
    );
    let pem = peer.run("sh generate.sh").unwrap();
    let _ = peer.run("gpgconf --kill gpg-agent");
    let request = CertificateRequest::from_pem_or_der(&pem).unwrap();
    assert_eq!(request.verify_possession(), Ok(()));
    assert_eq!(request.email_addresses(), [address("alice@example.org")]);
}

/// A key that claims to be another's.
#[derive(Debug)]
struct Thief {
    own: SoftwareKey,
    claimed: PublicKey,
}

impl PrivateKey for Thief {
    fn public_key(&self) -> &PublicKey {
        &self.claimed
    }

    fn sign(&self, algorithm: &SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, crypto::Error> {
        self.own.sign(algorithm, message)
    }
}

#[test]
fn t_128_a_request_for_somebody_elses_key_proves_nothing() {
    let generate = || SoftwareKey::generate(KeyKind::P256).unwrap();
    let thief = Thief { own: generate(), claimed: generate().public_key().clone() };
    let request = CertificateRequestBuilder::mailbox(subject(), address("a@example.org")).sign(&thief).unwrap();
    assert_eq!(request.verify_possession(), Err(Reason::SignatureInvalid));
}

#[test]
fn any_changed_octet_of_a_request_is_seen() {
    let key = SoftwareKey::generate(KeyKind::P256).unwrap();
    let request = CertificateRequestBuilder::mailbox(subject(), address("a@example.org")).sign(&key).unwrap();
    for index in 0..request.der().len() {
        let mut changed = request.der().to_vec();
        changed[index] ^= 1;
        if let Ok(read) = CertificateRequest::from_der(&changed) {
            assert!(read.verify_possession().is_err(), "the octet at {index}");
        }
    }
    let longer = [request.der(), &[0]].concat();
    assert!(CertificateRequest::from_der(&longer).is_err());
}

#[test]
fn keys_that_do_not_sign_cannot_ask() {
    let key = SoftwareKey::generate(KeyKind::X25519).unwrap();
    let request = CertificateRequestBuilder::mailbox(Subject::default(), address("a@example.org")).sign(&key);
    assert!(request.is_err());
}
