//! Keys that must not become keys, and what restricted ones refuse.

use crypto::{
    AlgorithmIdentifier, Curve, DigestAlgorithm, Error, KeyKind, KeyWrapAlgorithm, PrivateKey as _, PssParameters,
    PublicKey, PublicKeyKind, SignatureAlgorithm, SoftwareKey, oids,
};

const KINDS: [(KeyKind, Curve); 5] = [
    (KeyKind::P256, Curve::P256),
    (KeyKind::P384, Curve::P384),
    (KeyKind::P521, Curve::P521),
    (KeyKind::BrainpoolP256r1, Curve::BrainpoolP256r1),
    (KeyKind::BrainpoolP384r1, Curve::BrainpoolP384r1),
];

#[test]
fn t_45_points_off_their_curve_are_refused() {
    for (kind, curve) in KINDS {
        let key = SoftwareKey::generate(kind).unwrap();
        let point = key.public_key().bits();
        assert_eq!(PublicKey::from_ec_point(curve, point).unwrap().kind(), PublicKeyKind::Ec(curve));
        for position in [1, point.len() / 2, point.len() - 1] {
            let mut off = point.to_vec();
            off[position] ^= 1;
            assert_eq!(
                PublicKey::from_ec_point(curve, &off),
                Err(Error::MalformedKey { because: "its point is not on the curve" }),
                "{curve:?}"
            );
        }
        // The same through a SubjectPublicKeyInfo.
        let mut spki = key.public_key().spki().to_vec();
        *spki.last_mut().unwrap() ^= 1;
        assert!(PublicKey::from_spki(&spki).is_err());
        // The point at infinity, the compressed form, and the zero point.
        assert!(PublicKey::from_ec_point(curve, &[0]).is_err());
        let mut compressed = point[..=curve.coordinate_length()].to_vec();
        compressed[0] = 2;
        assert!(PublicKey::from_ec_point(curve, &compressed).is_err());
        let mut zero = vec![0; point.len()];
        zero[0] = 4;
        assert!(PublicKey::from_ec_point(curve, &zero).is_err());
    }
}

#[test]
fn t_15_a_key_for_pss_alone_verifies_nothing_else() {
    let key = SoftwareKey::generate(KeyKind::Rsa2048).unwrap();
    let restricted =
        PublicKey::from_parts(&AlgorithmIdentifier::new(oids::RSASSA_PSS), key.public_key().bits()).unwrap();
    let pss = |digest| SignatureAlgorithm::RsaPss(PssParameters::standard(digest));
    for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
        let v15 = SignatureAlgorithm::RsaPkcs1(digest);
        let signature = key.sign(&v15, b"text").unwrap();
        key.public_key().verify(&v15, b"text", &signature).unwrap();
        assert!(matches!(restricted.verify(&v15, b"text", &signature), Err(Error::NotForThisKey { .. })));
        restricted.verify(&pss(digest), b"text", &key.sign(&pss(digest), b"text").unwrap()).unwrap();
    }
    // RFC 4055 §3.3: one whose parameters name a digest takes no other.
    let parameters = pss(DigestAlgorithm::Sha512).identifier();
    let narrow = PublicKey::from_parts(&parameters, key.public_key().bits()).unwrap();
    for (digest, taken) in [(DigestAlgorithm::Sha256, false), (DigestAlgorithm::Sha512, true)] {
        let signature = key.sign(&pss(digest), b"text").unwrap();
        assert_eq!(narrow.verify(&pss(digest), b"text", &signature).is_ok(), taken, "{digest}");
    }
    // A digest that is longer is another one all the same, and the salt is a lower bound.
    let of = |parameters: PssParameters| {
        PublicKey::from_parts(&SignatureAlgorithm::RsaPss(parameters).identifier(), key.public_key().bits()).unwrap()
    };
    let sha256 = PssParameters::standard(DigestAlgorithm::Sha256);
    for (own, used, taken) in [
        (sha256, DigestAlgorithm::Sha256, true),
        (sha256, DigestAlgorithm::Sha384, false),
        (sha256, DigestAlgorithm::Sha512, false),
        (PssParameters { salt_length: 20, ..sha256 }, DigestAlgorithm::Sha256, true),
        (PssParameters { salt_length: 33, ..sha256 }, DigestAlgorithm::Sha256, false),
    ] {
        let signature = key.sign(&pss(used), b"text").unwrap();
        assert_eq!(of(own).verify(&pss(used), b"text", &signature).is_ok(), taken, "{own:?} {used}");
    }
}

#[test]
fn t_46_wrapped_keys_of_odd_lengths_are_wrong_like_any_other() {
    for (algorithm, length) in
        [(KeyWrapAlgorithm::Aes128, 16), (KeyWrapAlgorithm::Aes192, 24), (KeyWrapAlgorithm::Aes256, 32)]
    {
        let kek = vec![7; length];
        let longest = algorithm.wrap(&kek, &[1; 1016]).unwrap();
        assert_eq!(algorithm.unwrap(&kek, &longest).unwrap()[..], [1; 1016]);
        let longer = algorithm.wrap(&kek, &[1; 1024]).unwrap();
        assert_eq!(algorithm.unwrap(&kek, &longer).unwrap_err(), Error::BadValue);
        for length in 0..24 {
            assert_eq!(algorithm.unwrap(&kek, &longest[..length]).unwrap_err(), Error::BadValue, "{length}");
        }
    }
}

#[test]
fn t_45_explicit_curve_parameters_are_refused() {
    let key = SoftwareKey::generate(KeyKind::P256).unwrap();
    let explicit = AlgorithmIdentifier::with(oids::EC_PUBLIC_KEY, |w| w.sequence(|w| w.unsigned(1)));
    assert_eq!(
        PublicKey::from_parts(&explicit, key.public_key().bits()),
        Err(Error::MalformedKey { because: "its curve is not named" })
    );
    let absent = AlgorithmIdentifier::new(oids::EC_PUBLIC_KEY);
    assert!(PublicKey::from_parts(&absent, key.public_key().bits()).is_err());
}

#[test]
fn t_43_giant_rsa_numbers_are_refused_before_arithmetic() {
    let spki = |modulus: usize, exponent: &[u8]| {
        let mut writer = asn1::Writer::new();
        writer.sequence(|w| {
            w.unsigned_bytes(&vec![0xFF; modulus]);
            w.unsigned_bytes(exponent);
        });
        PublicKey::from_parts(&AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION), &writer.into_vec())
    };
    assert!(spki(1024, &[1, 0, 1]).is_ok());
    for (modulus, exponent) in
        [(1025, &[1u8, 0, 1][..]), (128 * 1024, &[1, 0, 1]), (256, &[1]), (256, &[0xFF; 256]), (256, &[2])]
    {
        assert!(matches!(spki(modulus, exponent), Err(Error::MalformedKey { .. })), "{modulus} {}", exponent.len());
    }
}
