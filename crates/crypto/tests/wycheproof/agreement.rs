use asn1::{Tag, Writer};
use crypto::{AlgorithmIdentifier, Curve, PrivateKey as _, PublicKey, PublicKeyKind, SoftwareKey, oids};

use super::harness::{Object, Outcome, vectors};

fn pkcs8(algorithm: &AlgorithmIdentifier, private: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut inner = Writer::new();
    private(&mut inner);
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.unsigned(0);
        algorithm.encode(w);
        w.octet_string(inner.as_slice());
    });
    writer.into_vec()
}

fn ec_key(curve: Curve, scalar: &[u8]) -> SoftwareKey {
    let zeros = scalar.iter().take_while(|octet| **octet == 0).count();
    let mut padded = vec![0; curve.coordinate_length().saturating_sub(scalar.len() - zeros)];
    padded.extend_from_slice(&scalar[zeros..]);
    let algorithm = AlgorithmIdentifier::with(oids::EC_PUBLIC_KEY, |w| w.oid(&curve.oid()));
    let der = pkcs8(&algorithm, |w| {
        w.sequence(|w| {
            w.unsigned(1);
            w.octet_string(&padded);
        });
    });
    SoftwareKey::from_pkcs8(&der).unwrap()
}

const FORM: &str = "whose point is compressed or whose curve is spelled out (T-45)";

#[test]
fn t_45_vectors_ecdh() {
    for (file, curve) in [
        ("ecdh_secp256r1", Curve::P256),
        ("ecdh_secp384r1", Curve::P384),
        ("ecdh_secp521r1", Curve::P521),
        ("ecdh_brainpoolP256r1", Curve::BrainpoolP256r1),
    ] {
        vectors(file, &[], |_, test| {
            let secret = PublicKey::from_spki(&test.octets("public"))
                .ok()
                .filter(|public| public.kind() == PublicKeyKind::Ec(curve))
                .map(|public| ec_key(curve, &test.octets("private")).agree(&public));
            let accepted = matches!(secret, Some(Ok(secret)) if secret.octets() == test.octets("shared"));
            let compressed = test.text("comment").contains("compressed");
            Outcome::refused_for(compressed.then_some(FORM), accepted)
        });
    }
}

#[test]
fn s_48_vectors_x25519() {
    // RFC 8418 §2: an all-zero secret is refused. Wycheproof calls these acceptable.
    let refused = |test: Object<'_>, accepted: bool| {
        let zero = test.octets("shared").iter().all(|octet| *octet == 0);
        assert!(!(zero && accepted), "an all-zero secret was given out");
        accepted.into()
    };
    vectors("x25519_asn", &[], |_, test| {
        let agreed = || {
            let public = PublicKey::from_spki(&test.octets("public")).ok()?;
            SoftwareKey::from_pkcs8(&test.octets("private")).ok()?.agree(&public).ok()
        };
        refused(test, agreed().is_some_and(|secret| secret.octets() == test.octets("shared")))
    });
    vectors("x25519", &[], |_, test| {
        let der = pkcs8(&AlgorithmIdentifier::new(oids::X25519), |w| w.octet_string(&test.octets("private")));
        let agreed = || {
            let public = PublicKey::from_x25519(&test.octets("public")).ok()?;
            SoftwareKey::from_pkcs8(&der).ok()?.agree(&public).ok()
        };
        refused(test, agreed().is_some_and(|secret| secret.octets() == test.octets("shared")))
    });
}

#[test]
fn vectors_ml_kem() {
    for (file, oid) in
        [("mlkem_512", oids::ML_KEM_512), ("mlkem_768", oids::ML_KEM_768), ("mlkem_1024", oids::ML_KEM_1024)]
    {
        vectors(file, &[], |_, test| {
            let algorithm = AlgorithmIdentifier::new(oid);
            let der = pkcs8(&algorithm, |w| w.primitive(Tag::context(0), &test.octets("seed")));
            let Ok(key) = SoftwareKey::from_pkcs8(&der) else { return false.into() };
            let public = !test.has("ek") || key.public_key().bits() == test.octets("ek");
            let secret = key.decapsulate(&test.octets("c"));
            (public && secret.is_ok_and(|secret| secret.octets() == test.octets("K"))).into()
        });
    }
}
