//! What the cryptography of one mail takes by itself: nothing around it, one thread.

use std::time::{Duration, Instant};

use crypto::{ContentCipher, DigestAlgorithm, EphemeralKey, KeyTransportAlgorithm, PrivateKey as _, PublicKeyKind};
use crypto::{Sealer, SoftwareKey};

use crate::house::People;
use crate::source::OCTETS;

/// Signs 10 KiB and encrypts what becomes of it to one recipient; the best of three rounds.
pub(crate) fn per_mail(people: &People) -> Duration {
    let key = SoftwareKey::from_pkcs8(&people.alice.pkcs8).unwrap();
    let algorithm = key.default_signature_algorithm().unwrap();
    let to = people.bob.certificate().public_key().unwrap().clone();
    let content = vec![b'x'; OCTETS];
    // A signed mail is its content, a signature in base64 and the certificates that travel along.
    let signed = vec![b'x'; OCTETS + 4_096];
    let once = || {
        std::hint::black_box(key.sign(&algorithm, &content).unwrap());
        match to.kind() {
            PublicKeyKind::Rsa { .. } => {
                let transport = KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha256);
                std::hint::black_box(transport.encrypt(&to, &[7; 32]).unwrap());
            }
            _ => {
                let ephemeral = EphemeralKey::for_peer(&to).unwrap();
                std::hint::black_box(ephemeral.agree(&to).unwrap());
            }
        }
        let mut out = Vec::with_capacity(signed.len());
        let mut sealer = Sealer::new(ContentCipher::Aes256Gcm, &[7; 32], &[1; 12], &[]).unwrap();
        sealer.update(&signed, &mut out).unwrap();
        std::hint::black_box(sealer.finish(&mut out).unwrap());
    };
    let round = || {
        let since = Instant::now();
        (0..200).for_each(|_| once());
        since.elapsed() / 200
    };
    (0..3).map(|_| round()).min().unwrap()
}
