//! Signing and decrypting with keys in the files that people have, as people run it.

use std::fs;
use std::path::Path;
use std::process::Command;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/rfc9216");

/// Runs the program in a folder; `V/` stands for the vectors. Exit status, standard output, standard error.
fn sealpost(folder: &Path, arguments: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(arguments.split_whitespace().map(|argument| argument.replace("V/", &format!("{VECTORS}/"))))
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mail = "From: alice@smime.example\r\nTo: bob@smime.example\r\nSubject: Test\r\n\r\nHello Bob\r\n";
    fs::write(folder.path().join("mail.eml"), mail).unwrap();
    for name in ["alice", "bob", "dana"] {
        fs::write(folder.path().join(format!("{name}.password")), format!("{name}\n")).unwrap();
    }
    folder
}

#[test]
fn a_p12_with_two_keys_signs_with_the_one_for_signatures() {
    let folder = folder();
    for form in ["clear", "opaque"] {
        let line =
            format!("sign --identity V/alice.p12 --password-file alice.password --form {form} -o signed.eml mail.eml");
        assert_eq!(sealpost(folder.path(), &line), (0, String::new(), String::new()));
        let (status, out, err) =
            sealpost(folder.path(), "verify --trust V/ca.rsa.crt --at 2026-01-01 --json signed.eml");
        assert_eq!(status, 0, "{out}{err}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["outcome"], "accepted");
    }
}

#[test]
fn a_p12_with_two_keys_decrypts_with_the_one_for_encryption() {
    let folder = folder();
    for (name, as_pem) in [("bob", ""), ("bob", ".pem"), ("dana", "")] {
        let line = format!("encrypt --to V/{name}.encrypt.crt -o encrypted.eml mail.eml");
        let (status, _, err) = sealpost(folder.path(), &line);
        assert_eq!(status, 0, "{err}");
        let line = format!("decrypt --identity V/{name}.p12{as_pem} --password-file {name}.password encrypted.eml");
        let (status, out, err) = sealpost(folder.path(), &line);
        assert_eq!(status, 0, "{err}");
        assert!(out.contains("Hello Bob"), "{out}");
    }
}

#[test]
fn what_does_not_open_says_why_and_what_to_do() {
    let folder = folder();
    for (options, what, way_out) in [
        ("--identity V/alice.p12", "alice.p12: the private key is encrypted", "--password-file"),
        ("--identity V/alice.p12 --password-file bob.password", "alice.p12: the password is wrong", "first line"),
        ("--identity V/alice.sign.crt", "alice.sign.crt: there is no private key", "--key"),
        ("--key V/alice.sign.key --cert V/bob.sign.crt", "do not belong together", "issued for this key"),
        ("--identity none.p12", "cannot read none.p12: no such file or directory", "check the path"),
    ] {
        let (status, out, err) = sealpost(folder.path(), &format!("sign {options} mail.eml"));
        assert_eq!((status, out.as_str()), (2, ""), "{options}");
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines[0].starts_with("error: ") && lines[0].contains(what), "{options}: {err}");
        assert!(lines[1].starts_with("hint: ") && lines[1].contains(way_out), "{options}: {err}");
    }
}

#[test]
fn protected_header_fields_are_shown_and_a_change_outside_is_reported() {
    let folder = folder();
    let line = "sign --identity V/alice.p12 --password-file alice.password --protect-headers -o signed.eml mail.eml";
    assert_eq!(sealpost(folder.path(), line), (0, String::new(), String::new()));
    let signed = fs::read_to_string(folder.path().join("signed.eml")).unwrap();
    fs::write(folder.path().join("changed.eml"), signed.replacen("Subject: Test", "Subject: Urgent", 1)).unwrap();
    let (status, out, _) = sealpost(folder.path(), "verify --trust V/ca.rsa.crt --at 2026-01-01 signed.eml");
    assert!(status == 0 && out.contains("protected subject: Test") && !out.contains("warning"), "{out}");
    let (status, out, _) = sealpost(folder.path(), "verify --trust V/ca.rsa.crt --at 2026-01-01 changed.eml");
    assert!(status == 0 && out.contains("sent as \"Test\", received as \"Urgent\""), "{out}");
}
