use std::thread;

use asn1::Writer;
use crypto::{KeyTransportAlgorithm, PublicKey};
use pki::Certificate;

use crate::{CertificateIdentifier, Error};

/// Somebody with an RSA key, and how the content key travels to it.
pub(crate) type Transported<'a> = (&'a Certificate, &'a PublicKey, &'a KeyTransportAlgorithm);

/// A KeyTransRecipientInfo (RFC 5652 §6.2.1, RFC 3560 §2.2) for each, in order, with so many threads at most.
pub(crate) fn encode_all(
    recipients: &[Transported<'_>],
    content_key: &[u8],
    threads: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    // Below this a thread takes longer to begin than to do its share.
    const LEAST: usize = 16;
    let encode_share = |share: &[Transported<'_>]| -> Result<Vec<Vec<u8>>, Error> {
        share.iter().map(|recipient| encode(recipient, content_key)).collect()
    };
    let share = recipients.len().div_ceil(threads.max(1)).max(LEAST);
    let (own, others) = recipients.split_at(recipients.len().min(share));
    thread::scope(|scope| {
        // A thread that cannot be had is done without.
        let others: Vec<_> = others
            .chunks(share)
            .map(|share| (share, thread::Builder::new().spawn_scoped(scope, move || encode_share(share))))
            .collect();
        let mut infos = encode_share(own)?;
        for (share, thread) in others {
            let encoded = match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(encoded)) => encoded,
                _ => encode_share(share),
            };
            infos.append(&mut encoded?);
        }
        Ok(infos)
    })
}

fn encode(&(certificate, key, transport): &Transported<'_>, content_key: &[u8]) -> Result<Vec<u8>, Error> {
    let encrypted_key = transport.encrypt(key, content_key)?;
    let mut writer = Writer::with_capacity(768);
    writer.sequence(|w| {
        w.unsigned(0);
        CertificateIdentifier::of(certificate).encode(w);
        transport.identifier().encode(w);
        w.octet_string(&encrypted_key);
    });
    Ok(writer.into_vec())
}

#[cfg(test)]
mod tests {
    use testkit::TestPki;

    use super::*;

    #[test]
    fn the_order_is_the_same_with_any_number_of_threads() {
        let person = |index| TestPki::shared().person(&format!("p{index}@example.org"), crypto::KeyKind::Rsa2048);
        let people: Vec<_> = (0..2).map(person).collect();
        let transport = KeyTransportAlgorithm::oaep(crypto::DigestAlgorithm::Sha256);
        let all: Vec<Transported<'_>> = (0..50)
            .map(|index| people[index % 2].certificate())
            .map(|certificate| (certificate, certificate.public_key().unwrap(), &transport))
            .collect();
        for threads in [0, 1, 2, 3, 100] {
            let infos = encode_all(&all, &[7; 32], threads).unwrap();
            assert_eq!(infos.len(), all.len());
            for (index, info) in infos.iter().enumerate() {
                let serial = people[index % 2].certificate().serial().content();
                assert!(info.windows(serial.len()).any(|window| window == serial), "{threads} {index}");
            }
        }
    }
}
