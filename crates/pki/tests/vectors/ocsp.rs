//! OpenSSL's OCSP responses: who may sign an answer.

use asn1::Time;
use pki::{Certificate, OcspResponse};

use crate::{Tally, read, rows};

#[test]
fn vectors_openssl_ocsp() {
    let at = Time::from_unix(1_355_875_200);
    let mut tally = Tally::new("openssl/ocsp");
    for row in rows("openssl/ocsp/expected.tsv") {
        let id = format!("{} under {}", row[0], row[1]);
        let issuer = Certificate::from_pem(&read(&format!("openssl/ocsp/{}", row[1]))).unwrap();
        let untrusted =
            (row[2] != "-").then(|| Certificate::from_pem(&read(&format!("openssl/ocsp/{}", row[2]))).unwrap());
        let outcome = OcspResponse::all_from(&read(&format!("openssl/ocsp/{}", row[0])));
        let signer = untrusted.as_ref().unwrap_or(&issuer);
        let got = if outcome.as_ref().is_ok_and(|all| all.iter().any(|response| response.is_signed_for(signer, at))) {
            "verified"
        } else {
            "not verified"
        };
        tally.judge(&id, got == row[3], || format!("expected {}, got {got} ({})", row[3], row[5]));
    }
    tally.finish();
}
