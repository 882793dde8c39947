//! Recipients by password and by shared key, compressed content, derived content keys: ours and OpenSSL's.

use std::io::{Read as _, Write as _};

use cms::{
    CompressedDataReader, CompressedDataWriter, Content, DecryptionKeys, EncryptedDataReader, EncryptedDataWriter,
    Error, Recipient, SharedKey, SpoolLimits, oids,
};
use crypto::{ContentCipher, KeyKind};
use testkit::{Peer, TestPki};

fn limits() -> SpoolLimits {
    SpoolLimits::in_folder(std::env::temp_dir())
}

fn open(der: &[u8], keys: DecryptionKeys<'_>) -> Result<Vec<u8>, Error> {
    let decrypted = EncryptedDataReader::open(der)?.decrypt_with(keys, limits())?;
    let mut spool = match decrypted.content {
        Content::Authenticated(spool) => spool,
        Content::Unauthenticated(content) => content.into_unverified(),
    };
    let mut out = Vec::new();
    spool.reader()?.read_to_end(&mut out)?;
    Ok(out)
}

fn seal(to: &Recipient, cipher: ContentCipher) -> Vec<u8> {
    let mut writer = EncryptedDataWriter::new(to, &[], cipher, oids::ID_DATA, Vec::new()).unwrap();
    writer.write_all(b"content").unwrap();
    writer.finish().unwrap()
}

#[test]
fn passwords_and_shared_keys_open_ours_and_openssls() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write("content", "content");
    let shared = SharedKey::new(b"\x01\x02", &[5; 16]).unwrap();
    let passwords = DecryptionKeys { passwords: &["secret"], ..DecryptionKeys::default() };
    let keys = [shared.clone()];
    let shared_keys = DecryptionKeys { shared_keys: &keys, ..DecryptionKeys::default() };
    let hex = "05".repeat(16);
    for (recipient, keys, arguments) in [
        (Recipient::password("secret"), passwords, "-pwri_password secret".to_owned()),
        (Recipient::shared_key(shared), shared_keys, format!("-secretkey {hex} -secretkeyid 0102")),
    ] {
        for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes128Cbc, ContentCipher::Aes256Gcm] {
            let ours = seal(&recipient, cipher);
            assert_eq!(open(&ours, keys).unwrap(), b"content");
            assert!(matches!(open(&ours, DecryptionKeys::default()), Err(Error::NoMatchingRecipient)));
            peer.write("ours.der", ours);
            let out = peer.run(&format!("openssl cms -decrypt -inform DER -in ours.der {arguments}")).unwrap();
            assert_eq!(out, b"content");
            // OpenSSL wraps by password with the content's own cipher, which GCM cannot be.
            if cipher.is_authenticated() && arguments.contains("pwri") {
                continue;
            }
            let name = cipher.name().to_lowercase();
            peer.run(&format!(
                "openssl cms -encrypt -binary -outform DER -{name} -in content -out theirs.der {arguments}"
            ))
            .unwrap();
            assert_eq!(open(&peer.read("theirs.der"), keys).unwrap(), b"content");
        }
    }
}

#[test]
fn t_46_a_wrong_password_and_endless_iterations_fail_alike() {
    let der = seal(&Recipient::password("secret"), ContentCipher::Aes256Gcm);
    let wrong = DecryptionKeys { passwords: &["Secret"], ..DecryptionKeys::default() };
    assert!(matches!(open(&der, wrong), Err(Error::DecryptionFailed)));
    // 600,000 iterations become 2^23 and more.
    let at = der.windows(5).position(|window| window == [0x02, 0x03, 0x09, 0x27, 0xC0]).unwrap();
    let mut endless = der;
    endless[at + 2] = 0x7F;
    let right = DecryptionKeys { passwords: &["secret"], ..DecryptionKeys::default() };
    assert!(matches!(open(&endless, right), Err(Error::DecryptionFailed)));
}

#[test]
fn t_46_passwords_cost_what_a_message_may_cost_and_no_more() {
    // Each of ours takes 600,000 iterations, and all that are tried together no more than 2,000,000.
    let der = seal(&Recipient::password("secret"), ContentCipher::Aes256Gcm);
    let with = |passwords| open(&der, DecryptionKeys { passwords, ..DecryptionKeys::default() });
    assert_eq!(with(&["a", "b", "secret"]).unwrap(), b"content");
    assert!(matches!(with(&["a", "b", "c", "secret"]), Err(Error::DecryptionFailed)));
}

#[test]
fn t_23_a_derived_content_key_serves_for_its_cipher_alone() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::P256);
    let to = Recipient::new(bob.certificate()).unwrap();
    let credentials = [bob.credential.clone()];
    let keys = DecryptionKeys { credentials: &credentials, ..DecryptionKeys::default() };
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc, ContentCipher::ChaCha20Poly1305] {
        let mut writer = EncryptedDataWriter::with_derived_key(&to, &[], cipher, oids::ID_DATA, Vec::new()).unwrap();
        writer.write_all(b"content").unwrap();
        let der = writer.finish().unwrap();
        assert_eq!(open(&der, keys).unwrap(), b"content", "{cipher:?}");
        // The inner identifier decides the key: any change of it opens nothing.
        let oid = crypto::oids::CEK_HKDF_SHA256;
        let mut wanted = asn1::Writer::new();
        wanted.oid(&oid);
        let at = der.windows(wanted.as_slice().len()).position(|window| window == wanted.as_slice()).unwrap();
        for offset in 0..8 {
            let mut changed = der.clone();
            changed[at + wanted.as_slice().len() + 12 + offset] ^= 1;
            assert!(open(&changed, keys).map_or(true, |content| content != b"content"), "{cipher:?} {offset}");
        }
    }
}

#[test]
fn compressed_content_comes_back() {
    let mut random = vec![0; 300_000];
    crypto::random(&mut random).unwrap();
    for content in [Vec::new(), b"content ".repeat(10), random] {
        let mut writer = CompressedDataWriter::new(oids::ID_DATA, Vec::new()).unwrap();
        content.chunks(999).for_each(|chunk| writer.write_all(chunk).unwrap());
        let der = writer.finish().unwrap();
        let mut out = Vec::new();
        let mut spool = CompressedDataReader::open(&der[..]).unwrap().decompress(limits()).unwrap();
        spool.reader().unwrap().read_to_end(&mut out).unwrap();
        assert!(out == content);
        for cut in (0..der.len()).step_by(der.len() / 50 + 1) {
            let read = CompressedDataReader::open(&der[..cut]).and_then(|reader| reader.decompress(limits()));
            assert!(read.is_err(), "{cut}");
        }
    }
}

#[test]
fn t_53_what_grows_too_much_is_refused() {
    let mut writer = CompressedDataWriter::new(oids::ID_DATA, Vec::new()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..64).for_each(|_| writer.write_all(&zeros).unwrap());
    let der = writer.finish().unwrap();
    assert!(der.len() < 100_000);
    let read = CompressedDataReader::open(&der[..]).unwrap().decompress(limits());
    assert!(matches!(read, Err(Error::TooCompressed { .. })));
    let small = SpoolLimits { total: 1000, ..limits() };
    let mut writer = CompressedDataWriter::new(oids::ID_DATA, Vec::new()).unwrap();
    writer.write_all(&zeros[..2000]).unwrap();
    assert!(CompressedDataReader::open(&writer.finish().unwrap()[..]).unwrap().decompress(small).is_err());
}
