use crypto::KeyKind;
use serde_json::json;
use testkit::authenticator::{
    Authenticator, Ceremony, EXTENSIONS, USER_PRESENT, USER_VERIFIED, attestation_object, map, number, octets, text,
};
use webauthn::{Asked, NewPasskey, RegistrationAnswer, Rejected, UserVerification};

use crate::{CHALLENGE, asked, ceremony, party};

fn register(client_data: &[u8], attestation_object: &[u8]) -> Result<NewPasskey, Rejected> {
    party().register(&asked(), &RegistrationAnswer { client_data, attestation_object })
}

fn answer(authenticator: &Authenticator, ceremony: &Ceremony) -> Result<NewPasskey, Rejected> {
    register(&ceremony.client_data(), &authenticator.attestation(ceremony))
}

fn good() -> Ceremony {
    ceremony("webauthn.create")
}

#[test]
fn a_passkey_of_each_algorithm_is_taken_in() {
    for kind in [KeyKind::P256, KeyKind::Ed25519, KeyKind::Rsa2048] {
        let authenticator = Authenticator::new(kind);
        let mut ceremony = good();
        ceremony.sign_count = 7;
        let new = answer(&authenticator, &ceremony).unwrap();
        assert_eq!((new.credential(), new.sign_count()), (authenticator.id(), 7));
        assert_eq!(webauthn::CoseKey::from_spki(new.key().spki()).as_ref(), Ok(new.key()), "it can be kept");
        // What nobody knows yet may be in the client data.
        ceremony.client_data["other_keys_can_be_added_here"] = json!("do not compare");
        let _ = answer(&authenticator, &ceremony).unwrap();
    }
}

#[test]
fn t_105_steps_5_to_10_want_our_question_on_our_site() {
    let authenticator = Authenticator::new(KeyKind::P256);
    let with = |member: &str, value: serde_json::Value| {
        let mut ceremony = good();
        ceremony.client_data[member] = value;
        answer(&authenticator, &ceremony).unwrap_err()
    };
    assert!(matches!(with("type", json!("webauthn.get")), Rejected::Type { .. }));
    assert!(matches!(with("type", json!("payment.get")), Rejected::Type { .. }));
    for wrong in ["", "AAECAwQFBgcICQoLDA0ODg", "AAECAwQFBgcICQoLDA0ODw==", "aaecawqfbgcicqolda0odw"] {
        assert_eq!(with("challenge", json!(wrong)), Rejected::Challenge, "{wrong}");
    }
    for wrong in [
        "https://evil.example",
        "https://webmail.example.evil.example",
        "https://webmail.example:8443",
        "http://webmail.example",
        "https://webmail.example/",
        "https://WEBMAIL.example",
        "null",
    ] {
        assert!(matches!(with("origin", json!(wrong)), Rejected::Origin { .. }), "{wrong}");
    }
    assert_eq!(with("crossOrigin", json!(true)), Rejected::CrossOrigin);
    assert_eq!(with("tokenBinding", json!({ "status": "present", "id": "x" })), Rejected::TokenBinding);
    let mut supported = good();
    supported.client_data["tokenBinding"] = json!({ "status": "supported" });
    assert!(answer(&authenticator, &supported).is_ok());
    // No challenge was given out: then nothing answers it.
    let mut empty = good();
    empty.client_data["challenge"] = json!("");
    let asked = Asked { challenge: "", ..asked() };
    let (client_data, object) = (empty.client_data(), authenticator.attestation(&empty));
    let taken =
        party().register(&asked, &RegistrationAnswer { client_data: &client_data, attestation_object: &object });
    assert_eq!(taken, Err(Rejected::Challenge));
}

#[test]
fn t_105_client_data_is_json_with_each_member_once() {
    let authenticator = Authenticator::new(KeyKind::P256);
    let (text, object) = (String::from_utf8(good().client_data()).unwrap(), authenticator.attestation(&good()));
    let twice = text.replacen('{', &format!("{{\"challenge\":\"{CHALLENGE}\","), 1);
    let typed = text.replace(&format!("\"{CHALLENGE}\""), "7");
    let long = text.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(10 << 10)), 1);
    for wrong in ["", "null", "[]", &text[..text.len() - 1], &twice, &typed, &long, &format!("\u{feff}{text}")] {
        let rejected = register(wrong.as_bytes(), &object).unwrap_err();
        assert!(matches!(rejected, Rejected::Malformed { what: "CollectedClientData", .. }), "{wrong}: {rejected}");
    }
}

#[test]
fn t_105_steps_13_to_15_want_our_site_and_a_person() {
    let authenticator = Authenticator::new(KeyKind::P256);
    let with = |change: &dyn Fn(&mut Ceremony)| {
        let mut ceremony = good();
        change(&mut ceremony);
        answer(&authenticator, &ceremony)
    };
    for rp_id in ["evil.example", "example", "https://webmail.example", ""] {
        assert_eq!(with(&|c| c.rp_id = rp_id.into()), Err(Rejected::RelyingParty), "{rp_id}");
    }
    assert_eq!(with(&|c| c.flags = USER_VERIFIED), Err(Rejected::UserNotPresent));
    // Backed up, and not eligible for it.
    assert!(matches!(with(&|c| c.flags |= 0x10), Err(Rejected::Malformed { .. })));
    assert!(with(&|c| c.flags |= 0x18).is_ok());
    assert!(with(&|c| c.flags = USER_PRESENT).is_ok(), "the policy does not ask who");
    let ceremony = Ceremony { flags: USER_PRESENT, ..good() };
    let (client_data, object) = (ceremony.client_data(), authenticator.attestation(&ceremony));
    let asked = Asked { verification: UserVerification::Required, ..asked() };
    let taken =
        party().register(&asked, &RegistrationAnswer { client_data: &client_data, attestation_object: &object });
    assert_eq!(taken, Err(Rejected::UserNotVerified));
}

#[test]
fn t_105_steps_18_to_21_take_no_attestation_but_none_and_the_keys_own() {
    let (authenticator, other) = (Authenticator::new(KeyKind::P256), Authenticator::new(KeyKind::P256));
    let (ceremony, client_data) = (good(), good().client_data());
    let data = authenticator.data(&ceremony, true);
    assert!(register(&client_data, &authenticator.self_attestation(&ceremony)).is_ok());
    // Another key, or other client data.
    let statement = |signature: &[u8], alg| map(&[(text("alg"), number(alg)), (text("sig"), octets(signature))]);
    let own = authenticator.sign(&data, &client_data);
    for (format, statement, expected) in [
        ("packed", statement(&other.sign(&data, &client_data), -7), Rejected::Signature),
        ("packed", statement(&authenticator.sign(&data, b"{}"), -7), Rejected::Signature),
        ("packed", statement(&own, -8), Rejected::Algorithm),
        ("packed", map(&[(text("alg"), number(-7))]), Rejected::Attestation { format: "packed".into() }),
        (
            "packed",
            map(&[(text("alg"), number(-7)), (text("sig"), octets(&own)), (text("x5c"), vec![0x80])]),
            Rejected::Attestation { format: "packed".into() },
        ),
        ("none", statement(&own, -7), Rejected::Attestation { format: "none".into() }),
        ("fido-u2f", map(&[]), Rejected::Attestation { format: "fido-u2f".into() }),
        ("", map(&[]), Rejected::Attestation { format: String::new() }),
    ] {
        let rejected = register(&client_data, &attestation_object(format, &statement, &data));
        assert_eq!(rejected, Err(expected), "{format}");
    }
}

#[test]
fn t_105_cbor_that_is_cut_off_doubled_or_followed_by_more_is_none() {
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let authenticator = Authenticator::new(kind);
        let (client_data, object) = (good().client_data(), authenticator.attestation(&good()));
        for end in 0..object.len() {
            let rejected = register(&client_data, &object[..end]).unwrap_err();
            assert!(matches!(rejected, Rejected::Malformed { .. }), "cut at {end}: {rejected}");
        }
        let rejected = register(&client_data, &[object.as_slice(), &[0]].concat()).unwrap_err();
        assert!(matches!(rejected, Rejected::Malformed { .. }), "{rejected}");
        let data = authenticator.data(&good(), true);
        for end in 0..data.len() {
            let object = attestation_object("none", &map(&[]), &data[..end]);
            let rejected = register(&client_data, &object).unwrap_err();
            assert!(matches!(rejected, Rejected::Malformed { .. }), "authenticator data cut at {end}: {rejected}");
        }
    }
    let authenticator = Authenticator::new(KeyKind::P256);
    let data = authenticator.data(&good(), true);
    let (client_data, none) = (good().client_data(), map(&[]));
    let twice = map(&[
        (text("fmt"), text("none")),
        (text("fmt"), text("none")),
        (text("attStmt"), none.clone()),
        (text("authData"), octets(&data)),
    ]);
    // An array that says it has 2^60 elements, and one in one in one.
    let endless = [vec![0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0], vec![0; 9]].concat();
    for object in
        [twice, endless, vec![0x81; 10_000], vec![0xbf; 10_000], vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]]
    {
        let rejected = register(&client_data, &object).unwrap_err();
        assert!(matches!(rejected, Rejected::Malformed { .. }), "{rejected}");
    }
    // A map of extensions that is announced has to come, and what is not announced must not.
    let with = |flags, tail: Vec<u8>| answer(&authenticator, &Ceremony { flags: USER_PRESENT | flags, tail, ..good() });
    assert!(with(EXTENSIONS, map(&[(text("credProtect"), number(2))])).is_ok());
    for (flags, tail) in
        [(EXTENSIONS, Vec::new()), (0, map(&[])), (EXTENSIONS, number(1)), (EXTENSIONS, vec![0xa0, 0xa0])]
    {
        assert!(matches!(with(flags, tail), Err(Rejected::Malformed { .. })));
    }
    // A log-in's data has no passkey in it.
    let object = attestation_object("none", &none, &authenticator.data(&good(), false));
    assert!(matches!(register(&client_data, &object), Err(Rejected::Malformed { .. })));
}

#[test]
fn t_105_keys_are_of_a_kind_that_was_offered_and_lie_on_their_curve() {
    let authenticator = Authenticator::new(KeyKind::P256);
    let (data, client_data) = (authenticator.data(&good(), true), good().client_data());
    let front = data.len() - authenticator.cose_key().len();
    let with = |pairs: &[(i64, Vec<u8>)]| {
        let pairs: Vec<_> = pairs.iter().map(|(label, value)| (number(*label), value.clone())).collect();
        let data = [&data[..front], &map(&pairs)].concat();
        register(&client_data, &attestation_object("none", &map(&[]), &data)).unwrap_err()
    };
    let (x, y) = (vec![1; 32], vec![2; 32]);
    let ec = |alg, crv, x: &[u8], y: Vec<u8>| {
        with(&[(1, number(2)), (3, number(alg)), (-1, number(crv)), (-2, octets(x)), (-3, y)])
    };
    assert_eq!(ec(-47, 8, &x, octets(&y)), Rejected::Algorithm, "secp256k1");
    for rejected in [
        ec(-7, 1, &x, octets(&y)),
        ec(-7, 2, &x, octets(&y)),
        ec(-8, 1, &x, octets(&y)),
        ec(-257, 1, &x, octets(&y)),
        ec(-7, 1, &x[..31], octets(&y)),
        // Compressed: the sign of y alone.
        ec(-7, 1, &x, vec![0xf5]),
        with(&[(1, number(2)), (-1, number(1)), (-2, octets(&x)), (-3, octets(&y))]),
        with(&[(3, number(-7)), (-1, number(1)), (-2, octets(&x)), (-3, octets(&y))]),
        with(&[(1, number(1)), (3, number(-8)), (-1, number(6)), (-2, octets(&x[..31]))]),
        // A modulus that is too short, with zeros in front, or missing.
        with(&[(1, number(3)), (3, number(-257)), (-1, octets(&[0xff; 128])), (-2, octets(&[1, 0, 1]))]),
        with(&[
            (1, number(3)),
            (3, number(-257)),
            (-1, octets(&[&[0][..], &[0xff; 256]].concat())),
            (-2, octets(&[3])),
        ]),
        with(&[(1, number(3)), (3, number(-257)), (-2, octets(&[1, 0, 1]))]),
    ] {
        assert!(matches!(rejected, Rejected::Malformed { what: "COSE_Key", .. }), "{rejected}");
    }
    // Identifiers have 16 to 1023 octets.
    for (length, good) in [(0, false), (15, false), (16, true), (1023, true), (1024, false)] {
        let authenticator = Authenticator::new(KeyKind::P256).with_id(&vec![5; length]);
        assert_eq!(answer(&authenticator, &self::good()).is_ok(), good, "{length}");
    }
}
