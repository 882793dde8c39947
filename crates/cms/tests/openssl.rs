//! OpenSSL reads what we write, and we read what OpenSSL writes.

use std::io::{Read as _, Write as _};

use cms::{
    Content, DetachedSigner, EncryptedDataReader, EncryptedDataWriter, Integrity, Recipient, SignedDataReader,
    SignedDataWriter, SignerSettings, SpoolLimits, oids,
};
use crypto::{
    ContentCipher, DigestAlgorithm, KeyKind, KeyTransportAlgorithm, MlDsaLevel, PssParameters, SignatureAlgorithm,
};
use testkit::{Peer, TestPki};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nHello\r\n";

fn large() -> Vec<u8> {
    TEXT.iter().copied().cycle().take(700_000).collect()
}

fn peer(pki: &TestPki, folder: &tempfile::TempDir) -> Peer {
    let peer = Peer::in_folder(folder.path());
    peer.write("root.pem", pki.root().certificate().to_pem());
    peer
}

// Not Ed25519: OpenSSL 3.0 cannot verify it in CMS.
#[test]
fn openssl_verifies_what_we_sign() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    let peer = peer(pki, &folder);
    let large = large();
    for (kind, algorithm) in [
        (KeyKind::Rsa2048, None),
        (KeyKind::Rsa2048, Some(SignatureAlgorithm::RsaPss(PssParameters::standard(DigestAlgorithm::Sha256)))),
        (KeyKind::P256, None),
        (KeyKind::P384, None),
        (KeyKind::P521, None),
    ] {
        let alice = pki.person("alice@example.org", kind);
        let settings = || {
            let settings = SignerSettings::new(&alice.credential).unwrap().signing_time(testkit::now());
            match algorithm {
                Some(algorithm) => settings.algorithm(algorithm),
                None => settings,
            }
        };
        for content in [TEXT, &large] {
            let mut writer = SignedDataWriter::new(settings(), vec![], oids::ID_DATA, Vec::new());
            writer.write_all(content).unwrap();
            peer.write("opaque.der", writer.finish().unwrap());
            let out = peer.run("openssl cms -verify -inform DER -in opaque.der -CAfile root.pem -purpose smimesign -binary -attime 1795608000").unwrap();
            assert!(out == content, "{kind:?}");
            let mut signer = DetachedSigner::new(settings(), vec![]);
            signer.update(content);
            peer.write("detached.der", signer.finish().unwrap());
            peer.write("content", content);
            peer.run("openssl cms -verify -inform DER -in detached.der -content content -CAfile root.pem -binary -out /dev/null -attime 1795608000").unwrap();
        }
    }
}

#[test]
fn we_verify_what_openssl_signs() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    let peer = peer(pki, &folder);
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P521] {
        let alice = pki.person("alice@example.org", kind);
        peer.write_person("alice", &alice);
        peer.write("content", large());
        for flags in ["", "-stream", "-keyid", "-noattr", "-cades", "-keyopt rsa_padding_mode:pss"] {
            if flags.contains("pss") && kind != KeyKind::Rsa2048 {
                continue;
            }
            peer.run(&format!("openssl cms -sign -nodetach -binary -outform DER -in content -signer alice.pem -certfile alice-chain.pem -out signed.der {flags}")).unwrap();
            let der = peer.read("signed.der");
            let mut reader = SignedDataReader::open(&der[..]).unwrap();
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            assert!(content == large());
            let signed = reader.finish(None).unwrap();
            let reports = signed.verify(&[]);
            assert_eq!(reports.len(), 1);
            assert_eq!(reports[0].integrity, Integrity::Intact, "{kind:?} {flags}");
            assert_eq!(reports[0].certificate.as_ref(), Some(alice.certificate()));
        }
    }
}

#[test]
fn both_ways_encrypted() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    let peer = peer(pki, &folder);
    let large = large();
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P384] {
        let bob = pki.person("bob@example.org", kind);
        let carol = pki.person("carol@example.org", kind);
        peer.write_person("bob", &bob);
        for cipher in
            [ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc, ContentCipher::Aes128Gcm, ContentCipher::Aes256Gcm]
        {
            for content in [TEXT, &large] {
                let transports =
                    [KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha256), KeyTransportAlgorithm::RsaPkcs1];
                for transport in transports.into_iter().take(if kind == KeyKind::Rsa2048 { 2 } else { 1 }) {
                    let to = |person: &testkit::Person| {
                        Recipient::new(person.certificate()).unwrap().transport(transport.clone())
                    };
                    let mut writer =
                        EncryptedDataWriter::new(&to(&carol), &[to(&bob)], cipher, oids::ID_DATA, Vec::new()).unwrap();
                    writer.write_all(content).unwrap();
                    peer.write("encrypted.der", writer.finish().unwrap());
                    let out =
                        peer.run("openssl cms -decrypt -inform DER -in encrypted.der -recip bob.pem -binary").unwrap();
                    assert!(out == content, "{kind:?} {cipher} {}", content.len());
                    let der = peer.read("encrypted.der");
                    let ours = EncryptedDataReader::open(&der[..]).unwrap();
                    assert_eq!(ours.recipients().iter().flat_map(cms::RecipientInfo::recipients).count(), 2);
                    let decrypted = ours
                        .decrypt(std::slice::from_ref(&bob.credential), SpoolLimits::in_folder(folder.path()))
                        .unwrap();
                    assert!(read(decrypted.content) == content);
                }
            }
            peer.write("content", &large);
            let name = cipher.name().to_ascii_lowercase();
            for flags in ["", "-stream", "-keyid", "-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256"] {
                if flags.contains("oaep") && kind != KeyKind::Rsa2048 {
                    continue;
                }
                peer.run(&format!("openssl cms -encrypt -{name} -binary -outform DER -in content -out theirs.der {flags} -recip bob.pem")).unwrap_or_else(|_| {
                    peer.run(&format!("openssl cms -encrypt -{name} -binary -outform DER -in content -out theirs.der -recip bob.pem {flags}")).unwrap()
                });
                let theirs = peer.read("theirs.der");
                let reader = EncryptedDataReader::open(&theirs[..]).unwrap();
                let decrypted = reader
                    .decrypt(std::slice::from_ref(&bob.credential), SpoolLimits::in_folder(folder.path()))
                    .unwrap();
                assert_eq!(decrypted.cipher, cipher);
                assert!(read(decrypted.content) == large, "{kind:?} {cipher} {flags}");
            }
        }
    }
}

fn read(content: Content) -> Vec<u8> {
    let mut spool = match content {
        Content::Authenticated(spool) => spool,
        Content::Unauthenticated(content) => content.into_unverified(),
    };
    let mut out = Vec::new();
    spool.reader().unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn keys_that_openssl_3_0_does_not_know_go_there_and_back() {
    let (pki, folder) = (TestPki::shared(), tempfile::tempdir().unwrap());
    let bob = pki.person("bob@example.org", KeyKind::X25519);
    let mut writer = EncryptedDataWriter::new(
        &Recipient::new(bob.certificate()).unwrap(),
        &[],
        ContentCipher::Aes256Gcm,
        oids::ID_DATA,
        Vec::new(),
    )
    .unwrap();
    writer.write_all(TEXT).unwrap();
    let der = writer.finish().unwrap();
    let decrypted = EncryptedDataReader::open(&der[..])
        .unwrap()
        .decrypt(&[bob.credential], SpoolLimits::in_folder(folder.path()))
        .unwrap();
    assert_eq!(read(decrypted.content), TEXT);

    let alice = pki.person("alice@example.org", KeyKind::MlDsa(MlDsaLevel::MlDsa65));
    let mut writer =
        SignedDataWriter::new(SignerSettings::new(&alice.credential).unwrap(), vec![], oids::ID_DATA, Vec::new());
    writer.write_all(TEXT).unwrap();
    let der = writer.finish().unwrap();
    let reports = SignedDataReader::open(&der[..]).unwrap().finish(None).unwrap().verify(&[]);
    assert_eq!(reports[0].integrity, Integrity::Intact);
}

#[test]
fn passwords_of_openssl_with_any_cipher() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write("content", TEXT);
    for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"] {
        peer.run(&format!(
            "openssl cms -encrypt -{cipher} -binary -outform DER -in content -out theirs.der -pwri_password geheim"
        ))
        .unwrap();
        let der = peer.read("theirs.der");
        let open = |password| {
            let keys = cms::DecryptionKeys { passwords: &[password], ..cms::DecryptionKeys::default() };
            EncryptedDataReader::open(&der[..]).unwrap().decrypt_with(keys, SpoolLimits::in_folder(folder.path()))
        };
        assert_eq!(read(open("geheim").unwrap().content), TEXT, "{cipher}");
        assert!(open("falsch").is_err(), "{cipher}");
    }
}
