use crypto::{
    AlgorithmIdentifier, DigestAlgorithm, Error, MlDsaLevel, PssParameters, PublicKey, SignatureAlgorithm, oids,
};

use super::harness::{Object, Outcome, vectors};

fn digest(name: &str) -> DigestAlgorithm {
    match name {
        "SHA-1" => DigestAlgorithm::Sha1,
        "SHA-224" => DigestAlgorithm::Sha224,
        "SHA-256" => DigestAlgorithm::Sha256,
        "SHA-384" => DigestAlgorithm::Sha384,
        "SHA-512" => DigestAlgorithm::Sha512,
        other => panic!("{other}"),
    }
}

fn verify(group: Object<'_>, test: Object<'_>, algorithm: &SignatureAlgorithm) -> bool {
    let Ok(key) = PublicKey::from_spki(&group.octets("publicKeyDer")) else { return false };
    let (message, signature) = (test.octets("msg"), test.octets("sig"));
    let verified = key.verify(algorithm, &message, &signature).is_ok();
    // The same from the digest alone, and with a key that has verified before.
    if let Some(digest) = algorithm.digest() {
        let again = key.verify_digest(algorithm, &digest.digest(&message), &signature);
        // From a digest, RSASSA-PSS takes two lengths of salt only, and says so.
        if !matches!(again, Err(Error::Unsupported { .. })) {
            assert_eq!(again.is_ok(), verified);
        }
    }
    verified
}

#[test]
fn t_15_vectors_ecdsa() {
    for file in [
        "ecdsa_secp256r1_sha256",
        "ecdsa_secp256r1_sha512",
        "ecdsa_secp384r1_sha384",
        "ecdsa_secp521r1_sha512",
        "ecdsa_brainpoolP256r1_sha256",
    ] {
        vectors(file, &[], |group, test| {
            verify(group, test, &SignatureAlgorithm::Ecdsa(digest(group.text("sha")))).into()
        });
    }
}

#[test]
fn t_15_vectors_ed25519() {
    vectors("ed25519", &[], |group, test| verify(group, test, &SignatureAlgorithm::Ed25519).into());
}

#[test]
fn t_44_vectors_rsa_signature() {
    for file in [
        "rsa_signature_2048_sha256",
        "rsa_signature_2048_sha384",
        "rsa_signature_2048_sha512",
        "rsa_signature_3072_sha512",
        "rsa_signature_4096_sha512",
    ] {
        vectors(file, &[], |group, test| {
            verify(group, test, &SignatureAlgorithm::RsaPkcs1(digest(group.text("sha")))).into()
        });
    }
}

#[test]
fn t_15_vectors_rsa_pss() {
    for file in [
        "rsa_pss_2048_sha256_mgf1_32",
        "rsa_pss_2048_sha256_mgf1_32_params",
        "rsa_pss_4096_sha512_mgf1_64_params",
        "rsa_pss_misc_params",
    ] {
        vectors(file, &[], |group, test| {
            let parameters = PssParameters {
                digest: digest(group.text("sha")),
                mgf_digest: digest(group.text("mgfSha")),
                salt_length: u32::try_from(group.number("sLen")).unwrap(),
            };
            let policy = match parameters {
                p if p.digest.is_weak() => Some("over SHA-1 (T-15)"),
                p if p.digest == DigestAlgorithm::Sha224 => Some("over SHA-224, which is not offered"),
                p if !p.is_acceptable() => Some("with a short salt or two digests (T-15)"),
                _ => None,
            };
            Outcome::refused_for(policy, verify(group, test, &SignatureAlgorithm::RsaPss(parameters)))
        });
    }
}

#[test]
fn vectors_ml_dsa() {
    for (file, level, oid) in [
        ("mldsa_44_verify", MlDsaLevel::MlDsa44, oids::ML_DSA_44),
        ("mldsa_65_verify", MlDsaLevel::MlDsa65, oids::ML_DSA_65),
        ("mldsa_87_verify", MlDsaLevel::MlDsa87, oids::ML_DSA_87),
    ] {
        vectors(file, &[], |group, test| {
            // RFC 9882 §2: the context is empty.
            let context = test.has("ctx") && !test.text("ctx").is_empty();
            let key = PublicKey::from_parts(&AlgorithmIdentifier::new(oid), &group.octets("publicKey"));
            let accepted = key.is_ok_and(|key| {
                key.verify(&SignatureAlgorithm::MlDsa(level), &test.octets("msg"), &test.octets("sig")).is_ok()
            });
            Outcome::refused_for(context.then_some("with a context, which CMS has none of"), accepted)
        });
    }
}
