use crypto::{ContentCipher, DigestAlgorithm, Opener, hkdf, pbkdf2};

use super::harness::vectors;

#[test]
fn vectors_hkdf() {
    for (file, digest) in [
        ("hkdf_sha256", DigestAlgorithm::Sha256),
        ("hkdf_sha384", DigestAlgorithm::Sha384),
        ("hkdf_sha512", DigestAlgorithm::Sha512),
    ] {
        vectors(file, &[], |_, test| {
            hkdf(digest, &test.octets("salt"), &test.octets("ikm"), &test.octets("info"), test.number("size"))
                .is_ok_and(|key| *key == test.octets("okm"))
                .into()
        });
    }
}

#[test]
fn vectors_pbkdf2() {
    for (file, digest) in [
        ("pbkdf2_hmacsha1", DigestAlgorithm::Sha1),
        ("pbkdf2_hmacsha256", DigestAlgorithm::Sha256),
        ("pbkdf2_hmacsha512", DigestAlgorithm::Sha512),
    ] {
        vectors(file, &[], |_, test| {
            let rounds = u32::try_from(test.number("iterationCount")).unwrap();
            pbkdf2(digest, &test.octets("password"), &test.octets("salt"), rounds, test.number("dkLen"))
                .is_ok_and(|key| *key == test.octets("dk"))
                .into()
        });
    }
}

#[test]
fn vectors_pbes2() {
    for (file, digest, cipher) in [
        ("pbes2_hmacsha256_aes_128", DigestAlgorithm::Sha256, ContentCipher::Aes128Cbc),
        ("pbes2_hmacsha256_aes_256", DigestAlgorithm::Sha256, ContentCipher::Aes256Cbc),
        ("pbes2_hmacsha512_aes_256", DigestAlgorithm::Sha512, ContentCipher::Aes256Cbc),
    ] {
        vectors(file, &[], |_, test| {
            let rounds = u32::try_from(test.number("iterationCount")).unwrap();
            let password = test.octets("password");
            let key = pbkdf2(digest, &password, &test.octets("salt"), rounds, cipher.key_length()).unwrap();
            let mut content = Vec::new();
            let mut opener = Opener::new(cipher, &key, &test.octets("iv"), b"").unwrap();
            let opened = opener.update(&test.octets("ct"), &mut content).is_ok();
            (opened && opener.finish(b"", &mut content).is_ok() && content == test.octets("msg")).into()
        });
    }
}
