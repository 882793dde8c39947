use crypto::{ContentCipher, Error, KeyWrapAlgorithm, Opener, Sealer};

use super::harness::{Object, Outcome, vectors};

const NONCE: &str = "with a nonce of a length that is refused (T-22)";
const TAG: &str = "with a tag of a length that is refused (T-22)";

fn open(cipher: ContentCipher, test: Object<'_>, late: bool) -> Result<Vec<u8>, Error> {
    let additional = test.octets("aad");
    let early = if late { &[][..] } else { &additional };
    let mut opener = Opener::new(cipher, &test.octets("key"), &test.octets("iv"), early)?;
    let mut content = Vec::new();
    for piece in test.octets("ct").chunks(7) {
        opener.update(piece, &mut content)?;
    }
    let late = if late { &additional[..] } else { &[] };
    opener.finish_with_late_additional(late, &test.octets("tag"), &mut content)?;
    Ok(content)
}

fn authenticated(file: &str, cipher: impl Fn(usize) -> ContentCipher) {
    vectors(file, &[], |group, test| {
        let cipher = cipher(group.number("keySize"));
        let (nonce, tag) = (group.number("ivSize") / 8, group.number("tagSize") / 8);
        let ccm = cipher.name().ends_with("CCM");
        let policy = match (nonce, tag) {
            (length, _) if length != 12 && !(ccm && (7..=13).contains(&length)) => Some(NONCE),
            (_, length) if !(12..=16).contains(&length) || ccm && length % 2 == 1 => Some(TAG),
            _ => None,
        };
        let opened = open(cipher, test, false);
        assert_eq!(open(cipher, test, true), opened, "late additional data gives another outcome");
        let accepted = opened.is_ok_and(|content| content == test.octets("msg"));
        if accepted && tag == 16 {
            let mut sealer = Sealer::new(cipher, &test.octets("key"), &test.octets("iv"), &test.octets("aad")).unwrap();
            let mut sealed = Vec::new();
            for piece in test.octets("msg").chunks(5) {
                sealer.update(piece, &mut sealed).unwrap();
            }
            let tag = sealer.finish(&mut sealed).unwrap().unwrap();
            assert_eq!((sealed, tag.to_vec()), (test.octets("ct"), test.octets("tag")));
        }
        Outcome::refused_for(policy, accepted)
    });
}

#[test]
fn t_22_vectors_aes_gcm() {
    authenticated("aes_gcm", |bits| match bits {
        128 => ContentCipher::Aes128Gcm,
        192 => ContentCipher::Aes192Gcm,
        _ => ContentCipher::Aes256Gcm,
    });
}

#[test]
fn t_22_vectors_aes_ccm() {
    authenticated("aes_ccm", |bits| match bits {
        128 => ContentCipher::Aes128Ccm,
        192 => ContentCipher::Aes192Ccm,
        _ => ContentCipher::Aes256Ccm,
    });
}

#[test]
fn t_22_vectors_chacha20_poly1305() {
    authenticated("chacha20_poly1305", |_| ContentCipher::ChaCha20Poly1305);
}

#[test]
fn t_26_vectors_aes_cbc() {
    vectors("aes_cbc_pkcs5", &[], |group, test| {
        let cipher = match group.number("keySize") {
            128 => ContentCipher::Aes128Cbc,
            192 => ContentCipher::Aes192Cbc,
            _ => ContentCipher::Aes256Cbc,
        };
        let open = || {
            let mut opener = Opener::new(cipher, &test.octets("key"), &test.octets("iv"), b"")?;
            let mut content = Vec::new();
            opener.update(&test.octets("ct"), &mut content)?;
            opener.finish(b"", &mut content)?;
            Ok::<_, Error>(content)
        };
        open().is_ok_and(|content| content == test.octets("msg")).into()
    });
}

#[test]
fn t_46_vectors_aes_wrap() {
    vectors("aes_wrap", &[], |group, test| {
        let algorithm = KeyWrapAlgorithm::for_key_length(group.number("keySize") / 8).unwrap();
        let (key, wrapped) = (test.octets("key"), test.octets("ct"));
        let unwrapped = algorithm.unwrap(&key, &wrapped).is_ok_and(|content| *content == test.octets("msg"));
        if unwrapped {
            assert_eq!(algorithm.wrap(&key, &test.octets("msg")), Ok(wrapped));
        }
        unwrapped.into()
    });
}
