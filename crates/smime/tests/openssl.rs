//! Whole mails, both ways with OpenSSL and gpgsm.

use std::io::Read as _;

use crypto::{ContentCipher, KeyKind};
use smime::{Decryptor, Encryptor, Limits, Policy, Sender, SignatureForm, Signer, Verifier};
use testkit::{Peer, Person, TestPki};

const MAIL: &str = "From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHallo Bob,\r\n\r\nGrüße\r\n";

fn policy(folder: &std::path::Path) -> Policy {
    Policy::new(TestPki::shared().anchors(), testkit::now(), Limits::in_folder(folder))
}

fn verified(mail: &[u8], keys: &[pki::Credential], folder: &std::path::Path) -> Result<Vec<u8>, String> {
    let policy = policy(folder);
    let verification = Verifier::new(&policy).with_keys(keys).verify(mail).map_err(|error| error.to_string())?;
    let mut content = verification.accept(&Sender::VisibleFrom).map_err(|rejected| rejected.to_string())?;
    let mut out = Vec::new();
    content.reader().unwrap().read_to_end(&mut out).unwrap();
    Ok(out)
}

fn peer(folder: &std::path::Path, people: &[(&str, &Person)]) -> Peer {
    let peer = Peer::in_folder(folder);
    peer.write("root.pem", TestPki::shared().root().certificate().to_pem());
    people.iter().for_each(|(name, person)| peer.write_person(name, person));
    peer
}

#[test]
fn openssl_reads_our_mails() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    for kind in [KeyKind::Rsa2048, KeyKind::P256] {
        let (alice, bob) = (pki.person("alice@example.org", kind), pki.person("bob@example.org", kind));
        let peer = peer(folder.path(), &[("bob", &bob)]);
        for form in [SignatureForm::Clear, SignatureForm::Opaque] {
            let signed =
                Signer::new(&alice.credential).unwrap().at(testkit::now()).form(form).sign(MAIL.as_bytes()).unwrap();
            peer.write("signed.eml", &signed);
            let out = peer
                .run("openssl cms -verify -in signed.eml -CAfile root.pem -attime 1795608000 -purpose smimesign")
                .unwrap();
            assert!(String::from_utf8_lossy(&out).contains("Gr=C3=BC=C3=9Fe"));
            for cipher in
                [ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc, ContentCipher::Aes128Gcm, ContentCipher::Aes256Gcm]
            {
                let encrypted = Encryptor::to(bob.certificate()).unwrap().cipher(cipher).encrypt(&signed).unwrap();
                assert!(mime::is_seven_bit(&encrypted));
                peer.write("encrypted.eml", &encrypted);
                let inner = peer.run("openssl cms -decrypt -in encrypted.eml -recip bob.pem").unwrap();
                peer.write("inner.eml", inner);
                peer.run("openssl cms -verify -in inner.eml -CAfile root.pem -attime 1795608000 -out /dev/null")
                    .unwrap();
                verified(&encrypted, std::slice::from_ref(&bob.credential), folder.path()).unwrap();
            }
        }
    }
}

#[test]
fn we_read_openssls_mails() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    for kind in [KeyKind::Rsa2048, KeyKind::P256] {
        let (alice, bob) = (pki.person("alice@example.org", kind), pki.person("bob@example.org", kind));
        let peer = peer(folder.path(), &[("alice", &alice), ("bob", &bob)]);
        peer.write("text", "Content-Type: text/plain\r\n\r\nHello Bob\r\n");
        for flags in ["", "-nodetach", "-nodetach -stream", "-md sha512"] {
            if flags.contains("sha512") && kind == KeyKind::P256 {
                continue;
            }
            peer.run(&format!("openssl cms -sign -in text -signer alice.pem -certfile alice-chain.pem -from alice@example.org -to bob@example.org -subject x -out signed.eml {flags}")).unwrap();
            assert_eq!(
                verified(&peer.read("signed.eml"), &[], folder.path()).unwrap(),
                b"Content-Type: text/plain\r\n\r\nHello Bob\r\n"
            );
            for cipher in ["aes-128-cbc", "aes-256-cbc", "aes-256-gcm"] {
                peer.run(&format!(
                    "openssl cms -encrypt -{cipher} -in signed.eml -from alice@example.org -out encrypted.eml bob.pem"
                ))
                .unwrap();
                let mail = peer.read("encrypted.eml");
                verified(&mail, std::slice::from_ref(&bob.credential), folder.path()).unwrap();
                assert!(verified(&mail, std::slice::from_ref(&alice.credential), folder.path()).is_err());
            }
        }
    }
}

#[test]
fn gpgsm_reads_ours_and_we_read_gpgsms() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    let (alice, bob) =
        (pki.person("alice@example.org", KeyKind::Rsa2048), pki.person("bob@example.org", KeyKind::Rsa2048));
    let peer = peer(folder.path(), &[("alice", &alice), ("bob", &bob)]);
    let gpgsm = testkit::Gpgsm::start(&peer, pki);
    gpgsm.import(&peer, "alice", &alice);
    gpgsm.import(&peer, "bob", &bob);

    let signed = Signer::new(&alice.credential).unwrap().sign_detached(b"text").unwrap();
    peer.write("signature.der", signed);
    peer.write("content", "text");
    gpgsm.run(&peer, "--verify signature.der content").unwrap();
    let encrypted = Encryptor::to(bob.certificate())
        .unwrap()
        .cipher(ContentCipher::Aes256Cbc)
        .transport(crypto::KeyTransportAlgorithm::RsaPkcs1);
    peer.write("encrypted.der", encrypted.encrypt_content(b"text").unwrap());
    assert_eq!(gpgsm.run(&peer, "--output - --decrypt encrypted.der").unwrap(), b"text");

    gpgsm.run(&peer, "--output theirs.der --local-user alice@example.org --sign content").unwrap();
    let policy = policy(folder.path());
    let sender = Sender::Address("alice@example.org".parse().unwrap());
    let verification = Verifier::new(&policy).verify(&peer.read("theirs.der")[..]).unwrap();
    let mut content = verification.accept(&sender).unwrap();
    let mut out = Vec::new();
    content.reader().unwrap().read_to_end(&mut out).unwrap();
    assert_eq!(out, b"text");
    gpgsm.run(&peer, "--output encrypted.theirs --recipient bob@example.org --encrypt content").unwrap();
    let limits = Limits::in_folder(folder.path());
    let keys = [bob.credential.clone()];
    let mail = peer.read("encrypted.theirs");
    let (_, content) = Decryptor::new(&keys, &limits).decrypt(&mail[..]).unwrap().unwrap_err();
    let mut spool = content.into_unprotected();
    let mut out = Vec::new();
    spool.reader().unwrap().read_to_end(&mut out).unwrap();
    assert_eq!(out, b"text");
}
