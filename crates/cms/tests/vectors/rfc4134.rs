//! The messages of RFC 4134.

use cms::{ContentDigests, Integrity, IntegrityFailure, SignedData, SignedDataReader};
use pki::{Certificate, Credential};
use testkit::VectorSet;

use crate::{decrypt, read_signed, same, signers};

#[test]
fn vectors_of_rfc_4134() {
    let mut set = VectorSet::in_folder("rfc4134", "rfc4134");
    let content = set.file("ExContent.bin");
    let more: Vec<Certificate> = set
        .names("")
        .into_iter()
        .filter(|name| name.ends_with(".cer"))
        .map(|name| Certificate::from_der(&set.file(&name)).unwrap())
        .collect();
    let bob = Credential::from_pem_or_der([&set.file("BobPrivRSAEncrypt.pri")[..], &set.file("BobRSASignByCarl.cer")])
        .unwrap();
    for row in set.table("expected.tsv") {
        let (name, kind, expected) = (row[0].as_str(), row[1].as_str(), row[3].as_str());
        if !name.ends_with(".bin") {
            set.list(name, "a mail or a revocation list: judged by the crates above and below");
            continue;
        }
        let message = set.file(name);
        let outcome = match (kind, expected) {
            ("signed-data", "certs-only") => {
                read_signed(&message).map_err(|error| error.to_string()).and_then(|(_, data)| {
                    match (data.signers(), data.certificates(), data.crls()) {
                        ([], [_, _], [_]) => Ok(()),
                        other => Err(format!("{other:?}")),
                    }
                })
            }
            ("signed-data", _) => {
                let detached = row[2] == "detached=ExContent.bin";
                let (found, data) = if detached { beside(&message, &content) } else { read_signed(&message).unwrap() };
                let inside = same(&found, &content);
                // CASES T-15: all of them are signed with SHA-1, half with DSA: recognised and never accepted.
                inside.and_then(|()| {
                    signers(&data, &more)?.iter().try_for_each(|report| match &report.integrity {
                        Integrity::Broken(IntegrityFailure::Unacceptable { because })
                            if (because.contains("SHA-1") || because.contains("DSA is not supported"))
                                && report.certificate.is_some() =>
                        {
                            Ok(())
                        }
                        other => Err(format!("{other:?}")),
                    })
                })
            }
            ("enveloped-data", _) => {
                decrypt(&message, &bob).map_err(|error| error.to_string()).and_then(|found| same(&found, &content))
            }
            _ => {
                set.list(name, "S/MIME knows no digested-data and encrypted-data (RFC 8551 §2.4)");
                continue;
            }
        };
        set.check(name, outcome);
    }
    set.finish();
}

/// A detached signature with its content.
fn beside(message: &[u8], content: &[u8]) -> (Vec<u8>, SignedData) {
    let reader = SignedDataReader::open(message).unwrap();
    assert!(!reader.has_content());
    let mut digests = ContentDigests::new(reader.announced_digests());
    digests.update(content);
    (content.to_vec(), reader.finish(Some(digests)).unwrap())
}

#[test]
fn the_attributes_and_the_countersignature_of_4_4_are_read() {
    let set = VectorSet::in_folder("rfc4134", "rfc4134");
    let (_, data) = read_signed(&set.file("4.4.bin")).unwrap();
    let [signer] = data.signers() else { panic!("one signer") };
    assert!(signer.unsigned_attributes().value(cms::oids::ID_COUNTERSIGNATURE).is_some());
    assert!(signer.signed_attributes().unwrap().value(cms::oids::ID_SIGNING_TIME).is_some());
}
