use crypto::{DigestAlgorithm, MlDsaLevel, PssParameters, SignatureAlgorithm};

use super::{Case, Work};
use crate::task::{Form, Signing};

/// Row, signer, algorithm.
pub(super) fn algorithms() -> Vec<(&'static str, &'static str, SignatureAlgorithm)> {
    use DigestAlgorithm::{Sha256, Sha384, Sha512};
    use SignatureAlgorithm::{Ecdsa, Ed25519, MlDsa, RsaPkcs1, RsaPss};
    let pss = |digest| RsaPss(PssParameters::standard(digest));
    vec![
        ("RSA PKCS #1 v1.5, SHA-256", "rsa", RsaPkcs1(Sha256)),
        ("RSA PKCS #1 v1.5, SHA-384", "rsa", RsaPkcs1(Sha384)),
        ("RSA PKCS #1 v1.5, SHA-512", "rsa", RsaPkcs1(Sha512)),
        ("RSA-3072 PKCS #1 v1.5, SHA-256", "rsa3072", RsaPkcs1(Sha256)),
        ("RSASSA-PSS, SHA-256", "rsa", pss(Sha256)),
        ("RSASSA-PSS, SHA-384", "rsa", pss(Sha384)),
        ("RSASSA-PSS, SHA-512", "rsa", pss(Sha512)),
        ("ECDSA P-256, SHA-256", "p256", Ecdsa(Sha256)),
        ("ECDSA P-256, SHA-512", "p256", Ecdsa(Sha512)),
        ("ECDSA P-384, SHA-384", "p384", Ecdsa(Sha384)),
        ("ECDSA P-384, SHA-256", "p384", Ecdsa(Sha256)),
        ("ECDSA P-521, SHA-512", "p521", Ecdsa(Sha512)),
        ("ECDSA brainpoolP256r1, SHA-256", "bp256", Ecdsa(Sha256)),
        ("ECDSA brainpoolP384r1, SHA-384", "bp384", Ecdsa(Sha384)),
        ("Ed25519", "ed25519", Ed25519),
        ("ML-DSA-44", "mldsa44", MlDsa(MlDsaLevel::MlDsa44)),
        ("ML-DSA-65", "mldsa65", MlDsa(MlDsaLevel::MlDsa65)),
        ("ML-DSA-87", "mldsa87", MlDsa(MlDsaLevel::MlDsa87)),
    ]
}

const AT_THE_PROMPT: &[&str] = &[
    "RSA PKCS #1 v1.5, SHA-256",
    "RSA PKCS #1 v1.5, SHA-512",
    "RSASSA-PSS, SHA-256",
    "ECDSA P-256, SHA-256",
    "ECDSA P-384, SHA-384",
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, name, algorithm) in algorithms() {
        for form in [Form::Clear, Form::Mail, Form::Detached, Form::Der, Form::Ber, Form::Pem, Form::Base64] {
            let case = Case::new("Signatures", row, form.name(), Work::Sign(Signing::by(name, algorithm, form)));
            let prompt = AT_THE_PROMPT.contains(&row) && matches!(form, Form::Clear | Form::Mail | Form::Detached);
            cases.push(match form {
                Form::Base64 => case.only_theirs(),
                _ => case.at_the_prompt(prompt),
            });
        }
    }
    cases.extend(signers());
    cases
}

fn signers() -> Vec<Case> {
    const TABLE: &str = "Signers";
    let (rsa, ec) =
        (SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256), SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256));
    let mut cases = Vec::new();
    let one = [("RSA", vec![("rsa", rsa)]), ("P-256", vec![("p256", ec)])];
    let several = [
        ("two with RSA", vec![("rsa", rsa), ("rsa3072", rsa)]),
        ("RSA and P-256", vec![("rsa", rsa), ("p256", ec)]),
        ("RSA, P-256 and P-384", vec![("rsa", rsa), ("p256", ec), ("p384", ec)]),
    ];
    for (row, signers) in &several {
        for form in [Form::Clear, Form::Mail, Form::Detached, Form::Der, Form::Ber] {
            let signing = Signing { signers: signers.clone(), form, by_key: false, bare: false };
            cases.push(Case::new(TABLE, *row, form.name(), Work::Sign(signing)));
        }
    }
    for (who, signers) in &one {
        for form in [Form::Detached, Form::Der, Form::Ber] {
            let signing = Signing { signers: signers.clone(), form, by_key: true, bare: false };
            cases.push(Case::new(TABLE, format!("{who}, by key identifier"), form.name(), Work::Sign(signing)));
        }
        for form in [Form::Clear, Form::Mail, Form::Detached, Form::Der, Form::Ber] {
            let signing = Signing { signers: signers.clone(), form, by_key: false, bare: true };
            let row = format!("{who}, without signed attributes");
            cases.push(Case::new(TABLE, row, form.name(), Work::Sign(signing)).only_theirs());
        }
        for form in [Form::Clear, Form::Mail, Form::Detached, Form::Der, Form::Ber] {
            let signing = Signing { signers: signers.clone(), form, by_key: false, bare: false };
            let row = format!("{who}, changed on the way, is refused");
            let prompt = form == Form::Clear;
            cases.push(Case::new(TABLE, row, form.name(), Work::ChangedSignature(signing)).at_the_prompt(prompt));
        }
    }
    cases
}
