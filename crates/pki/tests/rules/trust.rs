//! Trust anchors and where they come from.

use asn1::{Oid, Writer};
use pki::{Certificate, PathChecker, TrustAnchors};

use crate::policy;
use crate::support::{EMAIL_PROTECTION, Holder, SERVER_AUTH, der, time};

fn octal(name: &str, bytes: &[u8]) -> String {
    let mut text = format!("{name} MULTILINE_OCTAL\n");
    for line in bytes.chunks(16) {
        line.iter().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
        text.push('\n');
    }
    text + "END\n"
}

fn certdata(root: &Certificate, trust: &str, distrusted_after: Option<&str>) -> String {
    let serial = der(|w| w.integer_content(root.serial().content()));
    let name = octal("CKA_ISSUER", root.issuer().as_der()) + &octal("CKA_SERIAL_NUMBER", &serial);
    let distrust = match distrusted_after {
        Some(date) => octal("CKA_NSS_EMAIL_DISTRUST_AFTER", date.as_bytes()),
        None => "CKA_NSS_EMAIL_DISTRUST_AFTER CK_BBOOL CK_FALSE\n".into(),
    };
    let value = octal("CKA_VALUE", root.der());
    format!(
        "# Certificate\nCKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE\nCKA_TOKEN CK_BBOOL CK_TRUE\nCKA_LABEL UTF8 \"A B\"\n\
         {name}{value}{distrust}\n# Trust\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST\n{name}\
         CKA_TRUST_SERVER_AUTH CK_TRUST CKT_NSS_TRUSTED_DELEGATOR\nCKA_TRUST_EMAIL_PROTECTION CK_TRUST {trust}\n"
    )
}

#[test]
fn mozillas_email_trust_bit_decides() {
    let (mail, web, gone) = (Holder::root("Mail", &[]), Holder::root("Web", &[]), Holder::root("Gone", &[]));
    let text = certdata(&mail.certificate, "CKT_NSS_TRUSTED_DELEGATOR", None)
        + &certdata(&web.certificate, "CKT_NSS_MUST_VERIFY_TRUST", None)
        + &certdata(&gone.certificate, "CKT_NSS_NOT_TRUSTED", None);
    let anchors = TrustAnchors::all_from(text.as_bytes()).unwrap();
    assert_eq!(anchors.iter().collect::<Vec<_>>(), [&mail.certificate]);
}

#[test]
fn a_ca_is_let_go_by_a_date() {
    let root = Holder::root("Root", &[]);
    // The person's certificate begins on 2026-01-01.
    let alice = root.person("a@example.org").certificate;
    let verdict = |date: &str| {
        let text = certdata(&root.certificate, "CKT_NSS_TRUSTED_DELEGATOR", Some(date));
        let anchors = TrustAnchors::all_from(text.as_bytes()).unwrap();
        PathChecker::new(&anchors, &policy()).check(&alice).map_err(|rejected| rejected.reason().code()).map(drop)
    };
    assert_eq!(verdict("260101000000Z"), Ok(()));
    assert_eq!(verdict("251231235959Z"), Err("distrusted-after"));
    let text = certdata(&root.certificate, "CKT_NSS_TRUSTED_DELEGATOR", Some("soon"));
    assert!(TrustAnchors::all_from(text.as_bytes()).is_err());
    let mut anchors = TrustAnchors::new();
    anchors.add_until(root.certificate.clone(), Some(time("2026-01-01")));
    assert_eq!(anchors.distrusted_after(&root.certificate), Some(time("2026-01-01")));
}

#[test]
fn openssls_trusted_certificates_are_read_with_their_uses() {
    let root = Holder::root("Root", &[]);
    let list = |w: &mut Writer, oids: &[&str]| oids.iter().for_each(|oid| w.oid(&Oid::new(oid)));
    let bundle = |trust: Option<&[&str]>, reject: &[&str]| {
        let aux = der(|w| {
            w.sequence(|w| {
                if let Some(trust) = trust {
                    w.sequence(|w| list(w, trust));
                }
                if !reject.is_empty() {
                    w.context(0, |w| list(w, reject));
                }
                w.utf8_string("alias");
            });
        });
        let pem = asn1::encode_pem("TRUSTED CERTIFICATE", &[root.certificate.der(), &aux].concat());
        TrustAnchors::all_from(pem.as_bytes()).unwrap().len()
    };
    assert_eq!(bundle(Some(&[EMAIL_PROTECTION]), &[]), 1);
    assert_eq!(bundle(Some(&[SERVER_AUTH, EMAIL_PROTECTION]), &[SERVER_AUTH]), 1);
    assert_eq!(bundle(Some(&[SERVER_AUTH]), &[]), 0);
    assert_eq!(bundle(None, &[EMAIL_PROTECTION]), 0);
    assert_eq!(bundle(None, &[]), 1);
}

#[test]
fn plain_bundles_hold_anchors_once() {
    let (one, two) = (Holder::root("One", &[]), Holder::root("Two", &[]));
    let pem = one.certificate.to_pem() + "\n# a comment\n" + &two.certificate.to_pem() + &one.certificate.to_pem();
    let anchors = TrustAnchors::all_from(pem.as_bytes()).unwrap();
    assert_eq!(anchors.len(), 2);
    assert!(anchors.contains(&one.certificate) && anchors.contains(&two.certificate));
    assert_eq!(TrustAnchors::all_from(one.certificate.der()).unwrap().len(), 1);
    assert!(TrustAnchors::all_from(b"nothing").is_err());
}
