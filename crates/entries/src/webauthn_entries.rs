use crypto::SoftwareKey;
use testkit::authenticator::{Authenticator, Ceremony, EXTENSIONS, attestation_object, map, number, text};
use webauthn::{
    Asked, Assertion, AttestationObject, AuthenticatorData, ClientData, CoseKey, KnownPasskey, RegistrationAnswer,
    Rejected, RelyingParty, UserVerification,
};

use crate::seeds::vector;

const CHALLENGE: &str = "AAECAwQFBgcICQoLDA0ODw";

pub(crate) fn answers(bytes: &[u8]) {
    let _ = ClientData::parse(bytes);
    authenticator_data(bytes);
    if let Ok(object) = AttestationObject::parse(bytes) {
        authenticator_data(object.authenticator_data());
    }
    let party = RelyingParty::at("https://webmail.example").unwrap();
    let asked = Asked { challenge: CHALLENGE, verification: UserVerification::Preferred };
    let client_data = ceremony().client_data();
    let answer = RegistrationAnswer { client_data: &client_data, attestation_object: bytes };
    if let Ok(new) = party.register(&asked, &answer) {
        // Nothing but octets that were said to be from somebody present at this site gets so far.
        assert_eq!(CoseKey::from_spki(new.key().spki()).as_ref(), Ok(new.key()));
        assert!((16..=1023).contains(&new.credential().len()));
    }
}

fn authenticator_data(bytes: &[u8]) {
    let Ok(data) = AuthenticatorData::parse(bytes) else { return };
    assert!(bytes.len() >= 37);
    let Some(attested) = data.attested() else { return };
    let known = KnownPasskey {
        credential: &attested.id,
        key: &attested.key,
        sign_count: 0,
        user_handle: b"x",
        user_known: true,
    };
    let mut get = ceremony();
    get.client_data["type"] = "webauthn.get".into();
    let answer = Assertion {
        credential: &attested.id,
        client_data: &get.client_data(),
        authenticator_data: bytes,
        signature: &[1; 64],
        user_handle: b"",
    };
    let party = RelyingParty::at("https://webmail.example").unwrap();
    let asked = Asked { challenge: CHALLENGE, verification: UserVerification::Preferred };
    // Nobody has signed this.
    let judged = party.log_in(&asked, &known, &answer);
    assert!(
        matches!(judged, Err(Rejected::Signature | Rejected::RelyingParty | Rejected::UserNotPresent)),
        "{judged:?}"
    );
}

fn ceremony() -> Ceremony {
    Ceremony::new("https://webmail.example", "webmail.example", "webauthn.create", CHALLENGE)
}

/// With keys that are published, so that every run begins alike.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let pem = |name: &str| asn1::parse_pem(&vector(name)).unwrap().remove(0).der;
    let keys = [vector("rustcrypto-cms/p256-priv.der"), pem("rfc9216/carlos.sign.key"), pem("rfc9216/bob.sign.key")];
    let mut seeds = vec![ceremony().client_data()];
    for key in keys {
        let authenticator = Authenticator::with_key(SoftwareKey::from_pkcs8(&key).unwrap(), &[9; 20]);
        let mut extended = ceremony();
        extended.flags |= EXTENSIONS;
        extended.tail = map(&[(text("credProtect"), number(2))]);
        seeds.push(authenticator.data(&extended, true));
        seeds.push(authenticator.attestation(&ceremony()));
        seeds.push(attestation_object(
            "packed",
            &map(&[(text("alg"), number(-7))]),
            &authenticator.data(&ceremony(), true),
        ));
    }
    seeds
}
