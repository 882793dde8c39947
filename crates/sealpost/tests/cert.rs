//! `sealpost cert` as people and programs run it.

use std::process::Command;

/// Runs the program in the folder of vectors: exit status, standard output, standard error.
fn sealpost(arguments: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(arguments.split_whitespace())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_says_yes_with_the_path_and_each_rule() {
    let (status, out, err) = sealpost(
        "cert check rfc9216/alice.sign.crt --trust rfc9216/ca.rsa.crt --at 2026-01-01 --for Alice@smime.example --purpose sign --explain",
    );
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("pass [0] the certificate speaks for the address (RFC 8550 §3)"), "{out}");
    assert!(out.contains("accepted: the certificate for Alice@smime.example is good until 2052-"), "{out}");
    assert!(out.contains("revocation: unknown"), "{out}");
}

#[test]
fn check_says_no_with_the_reason_and_a_way_out() {
    let cases = [
        ("--for bob@smime.example", "refused: the certificate of CN=Alice Lovelace", "--for alice@smime.example"),
        ("--purpose encrypt", "has a key usage without keyEncipherment, keyAgreement", "one for encrypting"),
        ("--at 2060-01-01", "expired on 2052-", "--at 2052-"),
        ("--at 2010-01-01", "is not valid before 2019-", "as of 2010-01-01"),
        ("--revocation required", "could not be checked for revocation", "--crl"),
        ("--require-explicit-policy --initial-policy 1.2.3", "was not issued under an acceptable policy", "--explain"),
    ];
    for (options, what, way_out) in cases {
        let at = if options.contains("--at") { "" } else { "--at 2026-01-01" };
        let (status, _, err) =
            sealpost(&format!("cert check rfc9216/alice.sign.crt --trust rfc9216/ca.rsa.crt {at} {options}"));
        assert_eq!(status, 1, "{options}: {err}");
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines[0].starts_with("refused: ") && lines[0].contains(what), "{options}: {err}");
        assert!(lines[1].starts_with("hint: ") && lines[1].contains(way_out), "{options}: {err}");
    }
}

#[test]
fn check_finds_cross_certificates_among_many() {
    let through = "cert check rfc9216/dana.encrypt.crt --trust rfc9216/ca.rsa.crt --at 2026-01-01 --purpose encrypt";
    let (status, _, err) = sealpost(through);
    assert_eq!(status, 1);
    assert!(err.contains("has an issuer whose certificate is not at hand"), "{err}");
    let (status, _, err) = sealpost(&format!("{through} --with rfc9216/ca.rsa.cross.crt rfc9216/ca.25519.cross.crt"));
    assert_eq!((status, err.as_str()), (0, ""));
}

#[test]
fn check_speaks_to_programs() {
    let (status, out, _) = sealpost(
        "cert check pkits/certs/InvalidRevokedEETest3EE.crt --trust pkits/certs/TrustAnchorRootCertificate.crt --with \
         pkits/certs/GoodCACert.crt --crl pkits/crls/GoodCACRL.crl pkits/crls/TrustAnchorRootCRL.crl --at 2026-09-01 --json",
    );
    assert_eq!(status, 1);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["outcome"], "refused");
    assert_eq!(json["reason"], "revoked");
    assert_eq!(json["revocation"], "revoked");
    assert_eq!(json["path"].as_array().unwrap().len(), 3);
    let last = json["explanation"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["outcome"], &last["section"]), (&"fail".into(), &"RFC 5280 §6.1.3 (a)(3)".into()));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (arguments, what) in [
        ("cert check no.crt --trust rfc9216/ca.rsa.crt", "error: cannot read no.crt: no such file or directory"),
        (
            "cert check rfc9216/alice.sign.key --trust rfc9216/ca.rsa.crt",
            "error: rfc9216/alice.sign.key holds no certificate",
        ),
        ("cert check rfc9216/alice.sign.crt --trust rfc9216/ca.rsa.crt --at soon", "error: --at soon is not a time"),
        (
            "cert check rfc9216/alice.sign.crt --trust rfc9216/ca.rsa.crt --for alice",
            "error: alice: not an email address",
        ),
        (
            "cert check rfc9216/alice.sign.crt --trust rfc9216/ca.rsa.crt --initial-policy x",
            "error: x is not an object",
        ),
        ("cert show pkits/SOURCE.md", "error: pkits/SOURCE.md holds no certificate"),
    ] {
        let (status, out, err) = sealpost(arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments}");
        assert!(err.starts_with(what), "{arguments}: {err}");
    }
}

#[test]
fn show_lint_and_find() {
    let (status, out, _) = sealpost("cert show rfc9216/dana.sign.crt");
    assert_eq!(status, 0);
    for line in [
        "addresses      dana@smime.example",
        "key            Ed25519",
        "key usage      digitalSignature, nonRepudiation",
    ] {
        assert!(out.contains(line), "{out}");
    }
    let (status, out, err) = sealpost("cert lint rfc9216/dana.sign.crt --at 2026-01-01");
    assert_eq!(status, 1);
    assert!(out.contains("profile: none"), "{out}");
    assert!(err.contains("has a sample key that everybody knows"), "{err}");
    let (status, out, _) =
        sealpost("cert lint zlint-smime/certs/organizationValidatedWithInvalidCountry.pem --json --at 2026-01-01");
    assert_eq!(status, 1);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["profile"], "organization-validated multipurpose");
    assert!(json["notes"].as_array().unwrap().iter().any(|note| note["rule"] == "subject-country-name"));
    let (status, out, _) = sealpost("cert find dana@smime.example rfc9216");
    assert_eq!((status, out.lines().count()), (0, 2), "{out}");
    let (status, _, err) = sealpost("cert find nobody@smime.example rfc9216");
    assert_eq!(status, 1);
    assert!(err.contains("hint: an address"), "{err}");
}

#[test]
fn certs_only_messages_bring_certificates() {
    let (status, out, _) = sealpost("cert find Amazon pkcs7-pyca/amazon-roots.p7b pkcs7-pyca/amazon-roots.der");
    assert_eq!((status, out.lines().count()), (0, 4), "{out}");
}

#[test]
fn check_reads_lists_and_answers_in_any_form_and_from_folders() {
    let folder = tempfile::tempdir().unwrap();
    let crl = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/pkits/crls/GoodCACRL.crl")).unwrap();
    let list = pki::CertificateList::from_der(&crl).unwrap();
    let base64: String = list.to_pem().lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.path().join("a.pem"), list.to_pem()).unwrap();
    std::fs::write(folder.path().join("b.txt"), base64).unwrap();
    let check = "cert check pkits/certs/InvalidRevokedEETest3EE.crt --trust pkits/certs/TrustAnchorRootCertificate.crt \
                 --with pkits/certs --at 2026-09-01 --revocation required --explain --crl";
    for lists in [
        "pkits/crls".to_owned(),
        format!("{0}/a.pem pkits/crls/TrustAnchorRootCRL.crl", folder.path().display()),
        format!("{0}/b.txt pkits/crls/TrustAnchorRootCRL.crl", folder.path().display()),
    ] {
        let (status, out, err) = sealpost(&format!("{check} {lists}"));
        assert_eq!(status, 1, "{lists}: {err}");
        assert!(out.contains("verdict: refused, [0] was revoked on"), "{out}");
    }
    // What is no list says nothing: required and unknown is no, and where nothing is required it is an error.
    let (status, _, err) = sealpost(&format!("{check} rfc9216/ca.rsa.crt"));
    assert_eq!(status, 1);
    assert!(err.contains("note: rfc9216/ca.rsa.crt holds no revocation list"), "{err}");
    let (status, _, _) = sealpost(&format!("{} rfc9216/ca.rsa.crt", check.replace("required", "if-available")));
    assert_eq!(status, 2);
    // A broken intermediate certificate is as good as none.
    let broken = folder.path().join("broken.crt");
    std::fs::write(&broken, [0x30, 0x82, 0x01, 0x00, 0x30]).unwrap();
    let (status, _, err) = sealpost(&format!(
        "cert check rfc9216/dana.encrypt.crt --trust rfc9216/ca.rsa.crt --at 2026-01-01 --with {}",
        broken.display()
    ));
    assert_eq!(status, 1);
    assert!(err.starts_with("note: cannot read ") && err.contains("refused: "), "{err}");
}
