use pki::{Credential, CredentialError, Integrity, Pkcs12};

use crate::{rows, vector};

#[test]
fn vectors_pyca_pkcs12() {
    let rows = rows("pkcs12-pyca/expected.tsv");
    assert_eq!(rows.len(), 31);
    for row in rows {
        let bytes = vector(&format!("pkcs12-pyca/{}", row[0]));
        let password = Some(row[1].as_str()).filter(|password| !password.is_empty());
        let file = Pkcs12::from_der(&bytes, password).unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        assert_eq!(file.keys().len().to_string(), row[2], "{}", row[0]);
        assert_eq!(file.certificates().len().to_string(), row[3], "{}", row[0]);
        assert!(file.keys().iter().all(|stored| stored.key().is_ok()), "{}", row[0]);
        assert_eq!(file.skipped(), 0, "{}", row[0]);
        if password.is_some() {
            let without = Pkcs12::from_der(&bytes, None).map(|_| ());
            let wrong = Pkcs12::from_der(&bytes, Some("Passwort")).map(|_| ());
            assert_eq!(without, Err(CredentialError::Encrypted), "{}", row[0]);
            assert_eq!(wrong, Err(CredentialError::WrongPassword), "{}", row[0]);
        }
        // `name-2-3`: the second and the third certificate have a name.
        if let Some(names) = row[0].strip_prefix("name-").and_then(|rest| rest.split_once("-pwd.p12")) {
            let named = file.certificates().iter().filter(|stored| stored.friendly_name().is_some()).count();
            let expected = match names.0.trim_end_matches("-no") {
                "all" | "unicode" => 3,
                digits => digits.split('-').count(),
            };
            assert_eq!(named, expected, "{}", row[0]);
        }
    }
}

#[test]
fn t_47_vectors_openssl_pkcs12() {
    let rows = rows("openssl/pkcs12/expected.tsv");
    assert_eq!(rows.len(), 19);
    for row in rows {
        let password = if row[2] == "(empty)" { "" } else { &row[2] };
        let outcome = Pkcs12::from_der(&vector(&format!("openssl/pkcs12/{}", row[0])), Some(password));
        let class = match &outcome {
            Ok(file) if file.integrity() == Integrity::None => "opens, report \"no MAC\"",
            Ok(_) => "opens",
            Err(CredentialError::WrongPassword) => "error: wrong password or MAC",
            Err(CredentialError::Malformed { .. } | CredentialError::Unsupported { .. }) => "clean error",
            Err(error) => panic!("{}: {error}", row[0]),
        };
        let expected = row[3].strip_suffix(" (policy may refuse SHA-1)").unwrap_or(&row[3]);
        assert_eq!(class, expected, "{}: {:?}", row[0], outcome.map(|_| ()));
    }
}

/// GnuPG 2.2 sealed the key of this file with another key than PKCS #12 derives, and reads it itself.
#[test]
fn vectors_gnupg_pkcs12() {
    let bytes = vector("gnupg-pkcs12/another-key.p12");
    let file = Pkcs12::from_der(&bytes, Some("demo")).unwrap();
    assert_eq!(file.into_credentials().unwrap().len(), 1);
    for wrong in ["Demo", "demo1", ""] {
        assert_eq!(Pkcs12::from_der(&bytes, Some(wrong)).map(drop), Err(CredentialError::WrongPassword), "{wrong}");
    }
}

#[test]
fn vectors_rfc9216_pkcs12() {
    for name in ["alice", "bob", "carlos", "dana"] {
        let bytes = vector(&format!("rfc9216/{name}.p12"));
        let file = Pkcs12::from_der(&bytes, Some(name)).unwrap();
        assert_eq!((file.keys().len(), file.certificates().len()), (2, 3), "{name}");
        let credentials = file.into_credentials().unwrap();
        assert_eq!(credentials.len(), 2, "{name}");
        for credential in &credentials {
            // The other certificate of the same person is no part of the chain.
            assert_eq!(credential.chain().len(), 1, "{name}");
            assert!(credential.chain()[0].is_ca(), "{name}");
        }
        let armoured = vector(&format!("rfc9216/{name}.p12.pem"));
        let loaded = Credential::load_all([&armoured[..]], Some(name)).unwrap();
        assert_eq!(loaded.len(), 2, "{name}");
        let (key, certificate) =
            (vector(&format!("rfc9216/{name}.sign.key")), vector(&format!("rfc9216/{name}.sign.crt")));
        for files in [[&key[..], &certificate[..]], [&certificate[..], &key[..]]] {
            let signing = Credential::load(files, None).unwrap();
            assert!(credentials.iter().any(|other| other.certificate() == signing.certificate()), "{name}");
            assert_eq!(signing.key().public_key().bits(), signing.certificate().public_key().unwrap().bits());
        }
        let other = vector(&format!("rfc9216/{name}.encrypt.key"));
        let mismatch = Credential::load([&other[..], &certificate[..]], None).map(|_| ());
        assert_eq!(mismatch, Err(CredentialError::Mismatch), "{name}");
    }
}
