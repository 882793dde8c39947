use crypto::{DigestAlgorithm, KeyTransportAlgorithm, PrivateKey as _, SoftwareKey};

use super::harness::vectors;

fn digest(name: &str) -> DigestAlgorithm {
    match name {
        "SHA-1" => DigestAlgorithm::Sha1,
        "SHA-256" => DigestAlgorithm::Sha256,
        "SHA-512" => DigestAlgorithm::Sha512,
        other => panic!("{other}"),
    }
}

#[test]
fn vectors_rsa_oaep() {
    for file in [
        "rsa_oaep_2048_sha1_mgf1sha1",
        "rsa_oaep_2048_sha256_mgf1sha1",
        "rsa_oaep_2048_sha256_mgf1sha256",
        "rsa_oaep_2048_sha512_mgf1sha512",
    ] {
        vectors(file, &[], |group, test| {
            let key = SoftwareKey::from_pkcs8(&group.octets("privateKeyPkcs8")).unwrap();
            let algorithm = KeyTransportAlgorithm::RsaOaep {
                digest: digest(group.text("sha")),
                mgf_digest: digest(group.text("mgfSha")),
                label: test.octets("label"),
            };
            key.decrypt(&algorithm, &test.octets("ct")).is_ok_and(|text| *text == test.octets("msg")).into()
        });
    }
}

#[test]
fn t_24_vectors_rsa_pkcs1() {
    for file in ["rsa_pkcs1_2048", "rsa_pkcs1_3072"] {
        vectors(file, &[], |group, test| {
            let key = SoftwareKey::from_pkcs8(&group.octets("privateKeyPkcs8")).unwrap();
            let text = key.decrypt(&KeyTransportAlgorithm::RsaPkcs1, &test.octets("ct"));
            text.is_ok_and(|text| *text == test.octets("msg")).into()
        });
    }
}
