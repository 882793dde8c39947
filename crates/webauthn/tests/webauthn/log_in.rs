use crypto::KeyKind;
use serde_json::json;
use testkit::authenticator::{Authenticator, Ceremony, USER_PRESENT, USER_VERIFIED};
use webauthn::{Asked, Assertion, CoseKey, KnownPasskey, Proof, RegistrationAnswer, Rejected, UserVerification};

use crate::{asked, ceremony, party};

const HANDLE: &[u8] = b"petra";

/// Somebody's passkey, as it is kept.
struct Kept {
    authenticator: Authenticator,
    key: CoseKey,
    sign_count: u32,
}

/// What the browser sends.
struct Sent {
    credential: Vec<u8>,
    client_data: Vec<u8>,
    data: Vec<u8>,
    signature: Vec<u8>,
    handle: Vec<u8>,
}

impl Kept {
    fn new(kind: KeyKind) -> Self {
        let authenticator = Authenticator::new(kind);
        let create = ceremony("webauthn.create");
        let (client_data, object) = (create.client_data(), authenticator.attestation(&create));
        let answer = RegistrationAnswer { client_data: &client_data, attestation_object: &object };
        let key = party().register(&asked(), &answer).unwrap().key().clone();
        Self { authenticator, key, sign_count: 0 }
    }

    fn sent(&self, ceremony: &Ceremony) -> Sent {
        let (client_data, data) = (ceremony.client_data(), self.authenticator.data(ceremony, false));
        let signature = self.authenticator.sign(&data, &client_data);
        Sent { credential: self.authenticator.id().to_vec(), client_data, data, signature, handle: HANDLE.to_vec() }
    }

    fn judge_as(&self, asked: &Asked<'_>, user_known: bool, sent: &Sent) -> Result<Proof, Rejected> {
        let known = KnownPasskey {
            credential: self.authenticator.id(),
            key: &self.key,
            sign_count: self.sign_count,
            user_handle: HANDLE,
            user_known,
        };
        let answer = Assertion {
            credential: &sent.credential,
            client_data: &sent.client_data,
            authenticator_data: &sent.data,
            signature: &sent.signature,
            user_handle: &sent.handle,
        };
        party().log_in(asked, &known, &answer)
    }

    fn judge(&self, sent: &Sent) -> Result<Proof, Rejected> {
        self.judge_as(&asked(), true, sent)
    }

    fn answer(&self, ceremony: &Ceremony) -> Result<Proof, Rejected> {
        self.judge(&self.sent(ceremony))
    }
}

fn good() -> Ceremony {
    ceremony("webauthn.get")
}

#[test]
fn a_passkey_of_each_algorithm_logs_in() {
    for kind in [KeyKind::P256, KeyKind::Ed25519, KeyKind::Rsa2048] {
        let kept = Kept::new(kind);
        let proof = kept.answer(&good()).unwrap();
        assert_eq!((proof.sign_count(), proof.user_verified()), (0, true));
        let touched = kept.answer(&Ceremony { flags: USER_PRESENT, ..good() }).unwrap();
        assert!(!touched.user_verified());
    }
}

#[test]
fn t_103_steps_5_to_7_want_the_passkey_of_that_person() {
    let (kept, other) = (Kept::new(KeyKind::P256), Kept::new(KeyKind::P256));
    let mut sent = kept.sent(&good());
    sent.credential = other.authenticator.id().to_vec();
    assert_eq!(kept.judge(&sent), Err(Rejected::Credential));
    // Somebody else's key under this one's identifier.
    let mut sent = other.sent(&good());
    sent.credential = kept.authenticator.id().to_vec();
    assert_eq!(kept.judge(&sent), Err(Rejected::Signature));
    // Whose passkey it is has to be said where it was not known before, and must be right where it is said.
    let mut sent = kept.sent(&good());
    for (handle, known, expected) in [
        (&b"paul"[..], true, false),
        (b"paul", false, false),
        (b"", false, false),
        (b"", true, true),
        (HANDLE, false, true),
    ] {
        sent.handle = handle.to_vec();
        let judged = kept.judge_as(&asked(), known, &sent);
        assert_eq!(judged.is_ok(), expected, "{handle:?} {known}");
        assert!(expected || judged == Err(Rejected::UserHandle));
    }
}

#[test]
fn t_105_steps_11_to_14_want_our_question_on_our_site() {
    let kept = Kept::new(KeyKind::P256);
    let with = |member: &str, value: serde_json::Value| {
        let mut ceremony = good();
        ceremony.client_data[member] = value;
        kept.answer(&ceremony).unwrap_err()
    };
    // What was made for a registration logs nobody in.
    assert!(matches!(with("type", json!("webauthn.create")), Rejected::Type { .. }));
    assert_eq!(with("challenge", json!("AAAA")), Rejected::Challenge);
    assert!(matches!(with("origin", json!("https://webmai1.example")), Rejected::Origin { .. }));
    assert_eq!(with("crossOrigin", json!(true)), Rejected::CrossOrigin);
    assert_eq!(with("tokenBinding", json!({ "status": "present" })), Rejected::TokenBinding);
}

#[test]
fn t_105_steps_15_to_17_want_our_site_and_a_person() {
    let kept = Kept::new(KeyKind::P256);
    assert_eq!(kept.answer(&Ceremony { rp_id: "evil.example".into(), ..good() }), Err(Rejected::RelyingParty));
    assert_eq!(kept.answer(&Ceremony { flags: USER_VERIFIED, ..good() }), Err(Rejected::UserNotPresent));
    let alone = Asked { verification: UserVerification::Required, ..asked() };
    let touched = kept.sent(&Ceremony { flags: USER_PRESENT, ..good() });
    assert_eq!(kept.judge_as(&alone, false, &touched), Err(Rejected::UserNotVerified));
    assert!(kept.judge_as(&alone, false, &kept.sent(&good())).is_ok());
}

#[test]
fn t_105_step_20_covers_every_octet_of_both() {
    let kept = Kept::new(KeyKind::P256);
    let sent = kept.sent(&good());
    for at in 0..sent.data.len() {
        let mut data = sent.data.clone();
        data[at] ^= 1;
        let changed = Sent { data, ..kept.sent(&good()) };
        assert!(kept.judge(&Sent { signature: sent.signature.clone(), ..changed }).is_err(), "octet {at}");
        let cut = Sent { data: sent.data[..at].to_vec(), ..kept.sent(&good()) };
        assert!(matches!(kept.judge(&cut), Err(Rejected::Malformed { .. })), "cut at {at}");
    }
    // The same members with a space more.
    let text = String::from_utf8(sent.client_data.clone()).unwrap().replacen(':', ": ", 1);
    let spaced = Sent { client_data: text.into_bytes(), ..kept.sent(&good()) };
    assert_eq!(kept.judge(&Sent { signature: sent.signature.clone(), ..spaced }), Err(Rejected::Signature));
    for signature in [Vec::new(), vec![0x30], sent.signature[..sent.signature.len() - 1].to_vec(), vec![0; 64]] {
        assert_eq!(kept.judge(&Sent { signature, ..kept.sent(&good()) }), Err(Rejected::Signature));
    }
}

#[test]
fn t_105_step_21_counts_on_where_it_counts_at_all() {
    let mut kept = Kept::new(KeyKind::P256);
    for (known, shown, good) in
        [(0, 0, true), (0, 1, true), (7, 8, true), (7, 7, false), (7, 6, false), (7, 0, false), (u32::MAX, 0, false)]
    {
        kept.sign_count = known;
        let judged = kept.answer(&Ceremony { sign_count: shown, ..self::good() });
        assert_eq!(judged.is_ok(), good, "{known} {shown}");
        assert!(good || judged == Err(Rejected::Counter { known, shown }));
    }
}
