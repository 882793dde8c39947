//! ML-KEM, ML-DSA and SLH-DSA: the examples of the LAMPS documents, and artifacts of the IETF hackathon.

use pki::{Certificate, Credential};
use testkit::VectorSet;

use crate::{all_intact, decrypt, pem, read_signed, same};

fn signed_by(message: &[u8], more: &[Certificate], content: Option<&[u8]>) -> Result<(), String> {
    let (found, data) = read_signed(message).map_err(|error| error.to_string())?;
    content.map_or(Ok(()), |content| same(&found, content))?;
    all_intact(&data, more)
}

#[test]
fn vectors_of_the_hackathon_artifacts() {
    let mut set = VectorSet::in_folder("pqc/artifacts-bc", "pqc/artifacts-bc");
    let content = set.file("expected_plaintext.txt");
    for row in set.table("expected.tsv") {
        let (name, kind, class, key) = (row[0].as_str(), row[1].as_str(), row[4].as_str(), row[6].as_str());
        let message = set.file(name);
        let outcome = if kind == "signed-data" {
            signed_by(&message, &[], Some(&content))
        } else {
            Certificate::from_der(&set.file(&key.replace("_priv.der", "_ee.der")))
                .map_err(|error| error.to_string())
                .and_then(|certificate| {
                    Credential::from_pem_or_der([&set.file(key)[..], certificate.der()])
                        .map_err(|error| error.to_string())
                })
                .and_then(|credential| decrypt(&message, &credential).map_err(|error| error.to_string()))
                .and_then(|found| same(&found, &content))
        };
        match class {
            "standard" => set.check(name, outcome),
            _ => set.list_divergence(name, "composite algorithms are a draft", &outcome),
        }
    }
    set.finish();
}

#[test]
fn vectors_of_the_lamps_documents() {
    let mut set = VectorSet::in_folder("pqc/lamps", "pqc/lamps");
    for level in ["44", "65", "87"] {
        let certificate =
            Certificate::from_pem(&set.file(&format!("dilithium-certificates/ML-DSA-{level}.crt"))).unwrap();
        let name = format!("cms-ml-dsa/mldsa{level}-signed-attrs.pem");
        let content = format!("ML-DSA-{level} signed-data example with signed attributes");
        set.check(&name, signed_by(&pem(&set.file(&name)), &[certificate], Some(content.as_bytes())));
    }
    let plain = set.file("cms-kyber/plaintext.txt");
    for form in ["seed", "both", "expanded"] {
        let name = format!("cms-kyber/ML-KEM-512.cms with ML-KEM-512-{form}.priv");
        let key = set.file(&format!("cms-kyber/ML-KEM-512-{form}.priv"));
        let outcome = Credential::from_pem_or_der([&key[..], &set.file("cms-kyber/ML-KEM-512.pem")])
            .map_err(|error| error.to_string())
            .and_then(|credential| {
                decrypt(&pem(&set.file("cms-kyber/ML-KEM-512.cms")), &credential).map_err(|error| error.to_string())
            })
            .and_then(|found| same(&found, &plain));
        set.check(&name, outcome);
    }
    for name in ["composite-sigs", "composite-kem"] {
        set.list(name, "composite algorithms are a draft");
    }
    set.finish();
}
