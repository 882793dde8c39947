//! OpenSSL's malformed messages, and what pyca/cryptography tests PKCS #7 with.

use pki::{Certificate, Credential};
use testkit::VectorSet;

use crate::{all_intact, decrypt, fails, pem, read_signed, same};

fn message(bytes: &[u8]) -> Vec<u8> {
    if bytes.first() == Some(&0x30) { bytes.to_vec() } else { pem(bytes) }
}

#[test]
fn vectors_of_openssl() {
    let mut set = VectorSet::in_folder("openssl cms", "openssl");
    let ca = [Certificate::from_pem(&set.file("smime-certs/smroot.pem")).unwrap()];
    for row in set.table("expected.tsv") {
        let (name, operation, key, expected) = (row[0].as_str(), row[1].as_str(), row[2].as_str(), row[3].as_str());
        if !name.starts_with("cms/") {
            continue;
        }
        let bytes = set.file(name);
        let outcome = match (name, operation, expected) {
            ("cms/ciphertext_from_1_1_1.cms" | "cms/pkcs7-empty-digest-set.eml", ..) => {
                set.list(name, "a mail: judged in `smime`");
                continue;
            }
            (_, "parse", _) => {
                set.list(name, "S/MIME knows no encrypted-data (RFC 8551 §2.4)");
                continue;
            }
            (_, "verify", _) => {
                let read = read_signed(&message(&bytes)).map_err(|error| error.to_string());
                fails(read.and_then(|(_, data)| all_intact(&data, &ca)))
            }
            _ if key.ends_with(".pem") => {
                let credential = Credential::from_pem_or_der([&set.file(key)[..], &set.file("smime-certs/smrsa1.pem")]);
                match credential {
                    Ok(credential) => fails(decrypt(&message(&bytes), &credential)),
                    // A key without a certificate that names it opens nothing; that the message does no harm remains.
                    Err(_) => fails(
                        cms::EncryptedDataReader::open(&message(&bytes)[..])
                            .and_then(|reader| reader.decrypt(&[], crate::spool_limits())),
                    ),
                }
            }
            _ => {
                let shared = [cms::SharedKey::new(b"\xC0\xFE\xE0", &(0..16).collect::<Vec<u8>>()).unwrap()];
                let keys = cms::DecryptionKeys {
                    passwords: &["secret", "password"],
                    shared_keys: &shared,
                    ..cms::DecryptionKeys::default()
                };
                fails(
                    cms::EncryptedDataReader::open(&message(&bytes)[..])
                        .and_then(|reader| reader.decrypt_with(keys, crate::spool_limits())),
                )
            }
        };
        set.check(name, outcome);
    }
    set.finish();
}

#[test]
fn vectors_of_pyca_pkcs7() {
    let mut set = VectorSet::in_folder("pkcs7-pyca", "pkcs7-pyca");
    let rsa = Credential::from_pem_or_der([&set.file("rsa_key.pem")[..], &set.file("rsa_ca.pem")]).unwrap();
    for row in set.table("expected.tsv") {
        let (name, operation, expected) = (row[0].as_str(), row[1].as_str(), row[3].as_str());
        let bytes = set.file(name);
        let outcome = match (operation, expected) {
            ("certificate", _) => {
                set.list(name, "a certificate: judged in `pki`");
                continue;
            }
            ("decrypt", _) => {
                let wanted: &[u8] = if name.contains("triple") { b"Hello, World!\r\n" } else { b"Hello, world!" };
                decrypt(&message(&bytes), &rsa).map_err(|error| error.to_string()).and_then(|found| {
                    let found = found.strip_suffix(b"\n").map_or(&found[..], |found| found);
                    let wanted = wanted.strip_suffix(b"\n").unwrap_or(wanted);
                    if found.ends_with(wanted) { Ok(()) } else { same(found, wanted) }
                })
            }
            (_, "clean error") => fails(decrypt(&message(&bytes), &rsa)),
            _ if name == "authenticode.der" => {
                let outcome = read_signed(&message(&bytes));
                set.list_divergence(name, "PKCS #7 1.5: its content is no OCTET STRING (RFC 5652 §5.2.1)", &outcome);
                continue;
            }
            ("parse", _) => {
                cms::EncryptedDataReader::open(&message(&bytes)[..]).map(|_| ()).map_err(|error| error.to_string())
            }
            _ => read_signed(&message(&bytes)).map_err(|error| error.to_string()).and_then(|(_, data)| {
                let wanted = expected.chars().find_map(|c| c.to_digit(10)).unwrap_or_default();
                let found = data.certificates().len();
                if found == wanted as usize { Ok(()) } else { Err(format!("{found} certificates, not {wanted}")) }
            }),
        };
        set.check(name, outcome);
    }
    set.finish();
}
