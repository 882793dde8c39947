use std::sync::OnceLock;

use pki::{Certificate, Credential, TrustAnchors};

use crate::seeds::vector;

/// The keys that the entries decrypt with: those of RFC 9216, of the RFC 4134 examples, and of the ML-KEM example.
pub(crate) fn all() -> &'static [Credential] {
    static ALL: OnceLock<Vec<Credential>> = OnceLock::new();
    ALL.get_or_init(|| {
        [
            ["rfc9216/bob.encrypt.key", "rfc9216/bob.encrypt.crt"],
            ["rfc9216/dana.encrypt.key", "rfc9216/dana.encrypt.crt"],
            ["rfc4134/BobPrivRSAEncrypt.pri", "rfc4134/BobRSASignByCarl.cer"],
            ["pqc/lamps/cms-kyber/ML-KEM-512-seed.priv", "pqc/lamps/cms-kyber/ML-KEM-512.pem"],
        ]
        .into_iter()
        .map(|files| {
            let [key, certificate] = files.map(vector);
            Credential::from_pem_or_der([&key[..], &certificate[..]]).unwrap()
        })
        .collect()
    })
}

/// The root of RFC 9216.
pub(crate) fn anchors() -> TrustAnchors {
    let mut anchors = TrustAnchors::new();
    anchors.add(Certificate::from_pem(&vector("rfc9216/ca.rsa.crt")).unwrap());
    anchors
}

/// Who signs: Alice of RFC 9216.
pub(crate) fn signer() -> &'static Credential {
    static SIGNER: OnceLock<Credential> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let [key, certificate] = ["rfc9216/alice.sign.key", "rfc9216/alice.sign.crt"].map(vector);
        Credential::from_pem_or_der([&key[..], &certificate[..]]).unwrap()
    })
}
