//! Published mails and what they must lead to.

use std::io::Read as _;
use std::sync::Arc;

use asn1::Time;
use mime::Entity;
use pki::{Certificate, Credential, TrustAnchors};
use serde_json::Value;
use smime::{
    FieldProtection, HeaderScheme, LayerReport, Limits, Policy, ProtectedHeader, Sender, VerifiedContent, Verifier,
    danger,
};
use testkit::VectorSet;

fn policy(root: &[u8]) -> Policy {
    let mut anchors = TrustAnchors::new();
    anchors.add(Certificate::from_pem(root).unwrap());
    Policy::new(Arc::new(anchors), Time::parse_rfc3339("2026-11-24").unwrap(), Limits::in_folder(std::env::temp_dir()))
}

fn sample_policy() -> Policy {
    policy(&VectorSet::in_folder("", "rfc9216").file("ca.rsa.crt"))
}

fn sample_credential(name: &str) -> Credential {
    let set = VectorSet::in_folder("", "rfc9216");
    Credential::from_pem_or_der([&set.file(&format!("{name}.key"))[..], &set.file(&format!("{name}.crt"))]).unwrap()
}

fn accept(policy: &Policy, mail: &[u8], keys: &[Credential]) -> Result<VerifiedContent<'static>, String> {
    let verification = Verifier::new(policy).with_keys(keys).verify(mail).map_err(|error| error.to_string())?;
    verification.accept(&Sender::VisibleFrom).map_err(|rejected| rejected.to_string())
}

fn differ(what: &str, found: impl std::fmt::Debug, expected: impl std::fmt::Debug) -> Result<(), String> {
    Err(format!("{what}: {found:?}, not {expected:?}"))
}

#[test]
fn vectors_of_rfc_9788() {
    let mut set = VectorSet::in_folder("rfc9788", "rfc9788");
    let policy = sample_policy();
    let rows: Value = serde_json::from_slice(&set.file("expected.json")).unwrap();
    for row in rows.as_array().unwrap() {
        set.check(row["file"].as_str().unwrap(), one_of_rfc_9788(&set, &policy, row));
    }
    set.finish();
}

fn one_of_rfc_9788(set: &VectorSet, policy: &Policy, row: &Value) -> Result<(), String> {
    let mail = set.file(row["file"].as_str().unwrap());
    let keys: Vec<Credential> =
        row["decrypt_with"].as_array().unwrap().iter().map(|name| sample_credential(name.as_str().unwrap())).collect();
    if row["signature"] == "none" {
        return match accept(policy, &mail, &keys) {
            Err(reason) if reason == "the message is not signed" => Ok(()),
            other => differ("outcome", other, "not signed"),
        };
    }
    for key in keys.iter().map(std::slice::from_ref).chain(keys.is_empty().then_some(&[][..])) {
        let mut content = accept(policy, &mail, key)?;
        let expected = set.file(row["payload"].as_str().unwrap());
        let mut payload = Vec::new();
        content.reader().unwrap().read_to_end(&mut payload).unwrap();
        if payload != expected {
            return differ("payload", payload.len(), expected.len());
        }
        let encrypted = row["cipher"] == "aes-128-cbc";
        if content.was_encrypted() != encrypted {
            return differ("encrypted", content.was_encrypted(), encrypted);
        }
        let signer = content.signers().next().ok_or("no signer")?;
        let time = signer.signing_time.map(|time| time.to_string());
        if time.as_deref() != row["signing_time"].as_str() {
            return differ("signing time", time, &row["signing_time"]);
        }
        protected(&mut content, &payload, row)?;
    }
    Ok(())
}

fn protected(content: &mut VerifiedContent, payload: &[u8], row: &Value) -> Result<(), String> {
    let scheme = match row["header_protection"].as_str() {
        Some("RFC9788") => Some(HeaderScheme::Rfc9788),
        Some("RFC8551HP") => Some(HeaderScheme::Rfc8551),
        _ => None,
    };
    let encrypted = content.was_encrypted();
    let header = content.protected_header().map_err(|error| error.to_string())?;
    if header.as_ref().map(ProtectedHeader::scheme) != scheme {
        return differ("scheme", header.map(|header| header.scheme()), scheme);
    }
    let Some(header) = header else { return Ok(()) };
    for field in row["rendered_headers"].as_array().unwrap() {
        let (name, value) = (field[0].as_str().unwrap(), field[1].as_str().unwrap());
        if header.header().value(name).as_deref() != Some(value) {
            return differ(name, header.header().value(name), value);
        }
    }
    for (name, expected) in row["header_field_protection"].as_object().into_iter().flatten() {
        let found = header.protection(name, true, encrypted);
        let found = match found {
            FieldProtection::Unprotected => "unprotected",
            FieldProtection::SignedOnly => "signed-only",
            FieldProtection::EncryptedOnly => "encrypted-only",
            FieldProtection::SignedAndEncrypted => "signed-and-encrypted",
        };
        if found != expected.as_str().unwrap() {
            return differ(name, found, expected);
        }
    }
    if !header.differences().is_empty() {
        return differ("outside", header.differences(), "no difference");
    }
    let entity = Entity::parse(payload, &mime::Limits::default()).unwrap();
    let displays: Vec<String> = entity.walk().into_iter().filter_map(smime::without_legacy_display).collect();
    if displays.is_empty() == row["legacy_display"].as_bool().unwrap() {
        return differ("legacy display", displays.len(), &row["legacy_display"]);
    }
    match displays.iter().find(|text| text.contains("Subject: ")) {
        Some(text) => differ("legacy display", text, "without the fields"),
        None => Ok(()),
    }
}

#[test]
fn vectors_of_the_protected_headers_draft() {
    let mut set = VectorSet::in_folder("protected-headers", "protected-headers");
    let policy = policy(&set.file("sample-ca.pem"));
    let bob = asn1::parse_pem(&set.file("bob.p12")).unwrap().swap_remove(0);
    let keys = [Credential::from_pkcs12(&bob.der, "bob").unwrap()];
    for row in set.table("expected.tsv") {
        let (name, layers, signature, subject) = (row[0].as_str(), &row[1], row[2].as_str(), row[4].as_str());
        let mail = set.file(name);
        let outcome = accept(&policy, &mail, &keys);
        let header = match (signature, outcome) {
            ("valid", Ok(mut content)) => content.protected_header().unwrap(),
            ("none", Err(reason)) if reason == "the message is not signed" => {
                let verification = Verifier::new(&policy).with_keys(&keys).verify(&mail[..]).unwrap();
                let outer = verification.header().clone();
                let mut unverified = danger::take_unverified(verification);
                let encrypted = matches!(unverified.layers[..], [LayerReport::Encrypted(_)]);
                let mut reader = unverified.content.reader().unwrap();
                ProtectedHeader::read(&mut reader, &outer, encrypted, &mime::Limits::default()).unwrap()
            }
            (_, outcome) => {
                set.check(name, differ("outcome", outcome.map(|_| "accepted"), signature));
                continue;
            }
        };
        let found = header.as_ref().and_then(ProtectedHeader::subject);
        let draft = header.is_some_and(|header| header.scheme() == HeaderScheme::Draft);
        let right = found.as_deref() == Some(subject) && draft;
        set.check(name, if right { Ok(()) } else { differ(layers, found, subject) });
    }
    set.finish();
}

#[test]
fn vectors_of_mails_elsewhere() {
    let mut set = VectorSet::in_folder("mails of RFC 4134 and OpenSSL", "");
    let openssl = policy(&set.file("openssl/smime-certs/smroot.pem"));
    let layers = |name: &str| {
        let mail = set.file(name);
        Verifier::new(&openssl).verify(&mail[..]).map_err(|error| error.to_string())
    };
    // CASES T-15: SHA-1 and DSA are recognised and never accepted.
    let mut outcomes = Vec::new();
    for name in ["rfc4134/4.8.eml", "rfc4134/4.9.eml"] {
        outcomes.push((
            name,
            layers(name).and_then(|verification| match verification.layers() {
                [LayerReport::Signed(report)] if report.signers.len() == 1 => match &report.signers[0].reason {
                    Some(_) => Ok(()),
                    None => Err("no reason".to_owned()),
                },
                other => Err(format!("{other:?}")),
            }),
        ));
    }
    // CASES T-04: an empty set of digests is no signature, and does no harm.
    let name = "openssl/cms/pkcs7-empty-digest-set.eml";
    let outcome =
        layers(name).and_then(|verification| verification.accept(&Sender::VisibleFrom).map_err(|r| r.to_string()));
    outcomes.push((name, outcome.map_or(Ok(()), |_| Err("accepted".to_owned()))));
    for (name, outcome) in outcomes {
        set.check(name, outcome);
    }
    let limits = Limits::in_folder(std::env::temp_dir());
    for (name, files) in [
        ("rfc4134/5.3.eml", &["rfc4134/BobPrivRSAEncrypt.pri", "rfc4134/BobRSASignByCarl.cer"][..]),
        ("openssl/cms/ciphertext_from_1_1_1.cms", &["openssl/smime-certs/smec3.pem"]),
    ] {
        let files: Vec<Vec<u8>> = files.iter().map(|name| set.file(name)).collect();
        let keys = [Credential::from_pem_or_der(files.iter().map(Vec::as_slice)).unwrap()];
        let mail = set.file(name);
        let outcome = match smime::Decryptor::new(&keys, &limits).decrypt(&mail[..]) {
            Ok(Err((_, content))) => {
                let mut out = Vec::new();
                content.into_unprotected().reader().unwrap().read_to_end(&mut out).unwrap();
                let known = out == set.file("openssl/smcont.txt")
                    || String::from_utf8_lossy(&out).contains("This is some sample content");
                if known { Ok(()) } else { differ("content", String::from_utf8_lossy(&out), "the sample") }
            }
            other => Err(format!("{other:?}")),
        };
        set.check(name, outcome);
    }
    set.finish();
}
