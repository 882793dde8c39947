use crypto::{ContentCipher, DigestAlgorithm, SignatureAlgorithm};

use super::encryption::{to_p256, to_rsa};
use super::{Case, Layer, Work};
use crate::task::{Encrypting, Form, Signing};

pub(super) fn cases() -> Vec<Case> {
    const TABLE: &str = "Layers";
    let rsa = (SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256), "rsa", to_rsa());
    let ec = (SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256), "p256", to_p256());
    let mut cases = Vec::new();
    for (who, (algorithm, name, to)) in [("RSA", rsa), ("P-256", ec)] {
        let sign = |form| Layer::Sign(Signing::by(name, algorithm, form));
        for cipher in
            [ContentCipher::DesEde3Cbc, ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm]
        {
            let column = format!("{who}, {}", cipher.name());
            let encrypting = Encrypting::to(to.clone(), cipher, Form::Mail);
            let encrypt = || Layer::Encrypt(encrypting.clone());
            let rows = [
                ("signed, encrypted", vec![sign(Form::Clear), encrypt()]),
                ("signed (opaque), encrypted", vec![sign(Form::Mail), encrypt()]),
                ("encrypted, signed", vec![encrypt(), sign(Form::Clear)]),
                ("signed, encrypted, signed", vec![sign(Form::Clear), encrypt(), sign(Form::Clear)]),
                ("signed, encrypted, signed (opaque)", vec![sign(Form::Mail), encrypt(), sign(Form::Mail)]),
                ("signed, compressed, encrypted", vec![sign(Form::Clear), Layer::Compress, encrypt()]),
            ];
            for (row, layers) in rows {
                let case = Case::new(TABLE, row, &column, Work::Layers(layers));
                cases.push(if cipher.is_legacy() { case.only_theirs() } else { case });
            }
            let work = Work::ProtectedHeaders {
                signing: Signing::by(name, algorithm, Form::Clear),
                encrypting: Some(encrypting.clone()),
            };
            let case = Case::new(TABLE, "header fields protected, encrypted", &column, work);
            cases.push(if cipher.is_legacy() { case.only_theirs() } else { case });
        }
        for (row, layers) in [
            ("compressed, signed", vec![Layer::Compress, sign(Form::Clear)]),
            ("signed, compressed", vec![sign(Form::Clear), Layer::Compress]),
        ] {
            cases.push(Case::new("Compressed, certificates, header fields", row, who, Work::Layers(layers)));
        }
        for form in [Form::Clear, Form::Mail] {
            let work = Work::ProtectedHeaders { signing: Signing::by(name, algorithm, form), encrypting: None };
            let row = format!("header fields protected, {}", form.name());
            cases.push(Case::new("Compressed, certificates, header fields", row, who, work));
        }
    }
    const TABLE_2: &str = "Compressed, certificates, header fields";
    for form in [Form::Der, Form::Pem, Form::Mail] {
        cases.push(Case::new(TABLE_2, "certificates alone", form.name(), Work::Certificates(form)));
    }
    for form in [Form::Der, Form::Mail] {
        cases.push(Case::new(TABLE_2, "compressed", form.name(), Work::Compress(form)));
    }
    cases
}
