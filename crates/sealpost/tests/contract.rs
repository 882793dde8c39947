//! What programs rely on: one stream for content, one line for errors, one object for `--json`, one exit status.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/rfc9216");
const MAIL: &str = "From: alice@smime.example\r\nTo: bob@smime.example\r\nSubject: Test\r\n\r\nHello Bob\r\n";
const VERIFY: &str = "verify --trust V/ca.rsa.crt --at 2026-01-01";

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    command
        .args(arguments.split_whitespace().map(|argument| argument.replace("V/", &format!("{VECTORS}/"))))
        .current_dir(folder);
    command
}

/// Exit status, standard output, standard error.
fn sealpost(folder: &Path, arguments: &str) -> (i32, String, String) {
    let output = command(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// With a mail, the same signed by Alice, and encrypted to Bob.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mail.eml"), MAIL).unwrap();
    for name in ["alice", "bob"] {
        fs::write(folder.path().join(format!("{name}.password")), format!("{name}\n")).unwrap();
    }
    for line in [
        "sign --identity V/alice.p12 --password-file alice.password -o signed.eml mail.eml",
        "encrypt --to V/bob.encrypt.crt -o encrypted.eml mail.eml",
    ] {
        assert_eq!(sealpost(folder.path(), line).0, 0);
    }
    folder
}

fn json(text: &str) -> serde_json::Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn where_content_goes_to_standard_output_nothing_else_does() {
    let folder = folder();
    let (_, content, _) = sealpost(folder.path(), &format!("{VERIFY} --content signed.txt signed.eml"));
    assert!(content.starts_with("accepted: "), "{content}");
    let signed = fs::read_to_string(folder.path().join("signed.txt")).unwrap();
    for more in ["", "--json"] {
        let (status, out, err) = sealpost(folder.path(), &format!("{VERIFY} --content - {more} signed.eml"));
        assert_eq!((status, out.as_str()), (0, signed.as_str()));
        assert!(err.contains("accepted"), "{err}");
    }
    let refused = format!("{VERIFY} --content - --json --from bob@smime.example signed.eml");
    let (status, out, err) = sealpost(folder.path(), &refused);
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(json(err.lines().next().unwrap())["outcome"], "refused");
    assert_eq!(err.matches("\"outcome\"").count(), 1, "{err}");
    // The same for what is decrypted, also when it cannot be.
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password --json";
    let (status, out, err) = sealpost(folder.path(), &format!("{decrypt} encrypted.eml"));
    assert!(status == 0 && out.contains("Hello Bob") && !out.contains("outcome"), "{out}{err}");
    let report = json(&err);
    assert_eq!((&report["outcome"], &report["layers"][0]["kind"]), (&"accepted".into(), &"encrypted".into()));
    let (status, out, err) = sealpost(folder.path(), &format!("{decrypt} mail.eml"));
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(json(err.lines().next().unwrap())["outcome"], "refused");
    let (status, out, _) = sealpost(folder.path(), &format!("{decrypt} -o plain.txt encrypted.eml"));
    assert_eq!((status, &json(&out)["authenticated"]), (0, &true.into()));
}

#[test]
fn output_that_does_not_arrive_could_not_be_done() {
    let folder = folder();
    for line in
        [&format!("{VERIFY} signed.eml"), "inspect signed.eml", "cert show V/bob.encrypt.crt", "config reference"]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(folder.path(), line).stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {err}");
        assert!(err.starts_with("error: cannot write to standard output: no space left on device"), "{line}: {err}");
    }
    // A reader that went away before anything was written.
    let mut running =
        command(folder.path(), "config reference").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(running.stdout.take());
    let output = running.wait_with_output().unwrap();
    assert_ne!(output.status.code(), Some(101), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn wrong_usage_is_said_like_every_other_error() {
    let folder = folder();
    for line in
        ["verify mail.eml", "sing mail.eml", "verify --trust a --nonsense mail.eml", "sign --form x a", "cert", ""]
    {
        let (status, out, err) = sealpost(folder.path(), line);
        assert_eq!((status, out.as_str()), (2, ""), "{line}");
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{line}: {err}");
    }
    let (status, out, err) = sealpost(folder.path(), "--help");
    assert!(status == 0 && out.contains("Usage: sealpost") && err.is_empty());
}

#[test]
fn programs_get_an_object_whatever_the_exit_status_is() {
    let folder = folder();
    for (line, status, outcome) in [
        (format!("{VERIFY} --json signed.eml"), 0, "accepted"),
        (format!("{VERIFY} --json mail.eml"), 1, "refused"),
        (format!("{VERIFY} --json missing.eml"), 2, "error"),
        (format!("{VERIFY} --json bob.password"), 2, "error"),
        ("verify --json signed.eml".into(), 2, "error"),
        ("decrypt --json --identity V/bob.p12 -o x encrypted.eml".into(), 2, "error"),
        ("inspect --json missing.eml".into(), 2, "error"),
        ("cert check --json --trust V/ca.rsa.crt missing.crt".into(), 2, "error"),
        ("cert check --json --trust V/ca.rsa.crt --at 2026-01-01 V/alice.sign.crt".into(), 0, "accepted"),
    ] {
        let (found, out, err) = sealpost(folder.path(), &line);
        assert_eq!(found, status, "{line}: {err}");
        assert_eq!(json(&out)["outcome"], outcome, "{line}: {out}");
        assert_eq!(err.lines().count(), if status == 0 { 0 } else { 2 }, "{line}: {err}");
        if line.starts_with(VERIFY) {
            assert!(json(&out)["layers"].is_array(), "{out}");
        }
    }
}

#[test]
fn a_message_that_is_broken_is_refused() {
    let folder = folder();
    let signed = fs::read_to_string(folder.path().join("signed.eml")).unwrap();
    let at = signed.find("\r\n\r\nMI").unwrap() + 40;
    let broken = format!("{}{}{}", &signed[..at], "A".repeat(200), &signed[at + 200..]);
    fs::write(folder.path().join("broken.eml"), broken).unwrap();
    let (status, out, err) = sealpost(folder.path(), &format!("{VERIFY} --json broken.eml"));
    assert_eq!((status, &json(&out)["outcome"]), (1, &"refused".into()), "{err}");
    assert!(err.starts_with("refused: "), "{err}");
}

#[test]
fn t_62_no_certificate_of_a_mail_is_trusted_by_mistake() {
    let folder = folder();
    let root = fs::read_to_string(format!("{VECTORS}/ca.rsa.crt")).unwrap();
    fs::write(folder.path().join("one.eml"), format!("{MAIL}{root}")).unwrap();
    for line in [
        "verify --at 2026-01-01 --trust V/ca.rsa.crt one.eml signed.eml",
        "verify --at 2026-01-01 --trust one.eml signed.eml",
        "encrypt --to V/bob.encrypt.crt one.eml -o x mail.eml",
    ] {
        let (status, out, err) = sealpost(folder.path(), line);
        assert_eq!((status, out.as_str()), (2, ""), "{line}: {err}");
        assert!(err.starts_with("error: one.eml is a mail"), "{line}: {err}");
    }
    // Nor is one that lies beside a signature.
    let line = "sign --identity V/alice.p12 --password-file alice.password --form opaque mail.eml";
    let (status, opaque, err) = sealpost(folder.path(), line);
    assert_eq!(status, 0, "{err}");
    let opaque = mime::Entity::parse(opaque.as_bytes(), &mime::Limits::default()).unwrap().decoded_body();
    fs::write(folder.path().join("one.p7m"), opaque).unwrap();
    let line = "verify --at 2026-01-01 --trust V/ca.rsa.crt one.p7m signed.eml";
    let (status, out, err) = sealpost(folder.path(), line);
    assert_eq!((status, out.as_str()), (2, ""), "{err}");
    assert!(err.starts_with("error: one.p7m is somebody's signature"), "{err}");
    // Words before a certificate make no mail of it.
    fs::write(folder.path().join("roots.pem"), format!("Subject: CN=Root\nIssuer: CN=Root\n\n{root}")).unwrap();
    let (status, _, err) = sealpost(folder.path(), "verify --at 2026-01-01 --trust roots.pem signed.eml");
    assert_eq!(status, 0, "{err}");
}

#[test]
fn what_is_signed_outside_is_decrypted_and_the_signature_is_not_silent() {
    let folder = folder();
    let sign = "sign --identity V/alice.p12 --password-file alice.password";
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password";
    for form in ["clear", "opaque"] {
        assert_eq!(sealpost(folder.path(), &format!("{sign} --form {form} -o outside.eml encrypted.eml")).0, 0);
        let (status, out, err) = sealpost(folder.path(), &format!("{decrypt} outside.eml"));
        assert!(status == 0 && out.contains("Hello Bob") && err.contains("was taken off and not judged"), "{out}{err}");
        let (_, out, _) = sealpost(folder.path(), &format!("{decrypt} --json -o plain.txt outside.eml"));
        let report = json(&out);
        let kinds: Vec<_> = report["layers"].as_array().unwrap().iter().map(|layer| &layer["kind"]).collect();
        assert_eq!(kinds, ["signed", "encrypted"]);
        let signer = &report["layers"][0]["signers"][0];
        assert_eq!((&signer["integrity"], &signer["path"]), (&"unchecked".into(), &"unchecked".into()));
    }
    let (status, _, err) = sealpost(folder.path(), &format!("{decrypt} signed.eml"));
    assert!(status == 1 && err.starts_with("refused: the message is not encrypted with S/MIME"), "{err}");
}

#[test]
fn what_is_empty_or_of_no_known_form_could_not_be_read() {
    let folder = folder();
    fs::write(folder.path().join("empty"), "").unwrap();
    fs::write(folder.path().join("words"), "some words\n").unwrap();
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password";
    for command in ["inspect", VERIFY, decrypt] {
        for (name, what) in [("empty", "there is nothing in it"), ("words", "this is neither a mail nor")] {
            let (status, out, err) = sealpost(folder.path(), &format!("{command} {name}"));
            assert_eq!((status, out.as_str()), (2, ""), "{command} {name}: {err}");
            assert!(err.starts_with(&format!("error: cannot read {name}: {what}")), "{command} {name}: {err}");
        }
    }
}

#[test]
fn what_is_broken_is_refused_by_each_command_that_reads_it() {
    let folder = folder();
    let sign = "sign --identity V/alice.p12 --password-file alice.password --form opaque mail.eml";
    let opaque = sealpost(folder.path(), sign).1;
    let at = opaque.find("\r\n\r\n").unwrap() + 4;
    let der = mime::decode_base64(&opaque.as_bytes()[at..]).unwrap();
    fs::write(folder.path().join("cut.p7m"), &der[..300]).unwrap();
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password";
    for command in ["inspect", VERIFY, decrypt] {
        let (status, out, err) = sealpost(folder.path(), &format!("{command} cut.p7m"));
        assert_eq!((status, out.as_str()), (1, ""), "{command}: {err}");
        assert!(err.starts_with("refused: ") && err.contains("\nhint: "), "{command}: {err}");
    }
}

#[test]
fn a_cipher_that_nobody_reads_here_is_named() {
    let folder = folder();
    let encrypted = "encrypt --to V/bob.encrypt.crt --cipher aes256-cbc -o cbc.eml mail.eml";
    assert_eq!(sealpost(folder.path(), encrypted).0, 0);
    let mail = fs::read(folder.path().join("cbc.eml")).unwrap();
    let at = mail.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let mut der = mime::decode_base64(&mail[at..]).unwrap();
    // aes256-CBC becomes an identifier that nobody has given away.
    let oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2A];
    let at = der.windows(oid.len()).position(|here| here == oid).unwrap();
    der[at + oid.len() - 1] = 0x7F;
    fs::write(folder.path().join("odd.der"), &der).unwrap();
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password";
    let (status, out, err) = sealpost(folder.path(), &format!("{decrypt} odd.der"));
    assert_eq!((status, out.as_str()), (1, ""));
    let (what, hint) = err.split_once('\n').unwrap();
    assert_eq!(what, "refused: the message cannot be decrypted");
    assert!(hint.contains("2.16.840.1.101.3.4.1.127") && hint.contains("encrypt with AES"), "{err}");
    // What is only broken is not the cipher's fault.
    der[at + oid.len() - 1] = 0x2A;
    der.truncate(der.len() - 3);
    fs::write(folder.path().join("broken.der"), &der).unwrap();
    let (status, _, err) = sealpost(folder.path(), &format!("{decrypt} broken.der"));
    assert!(status == 1 && err.contains("ask the sender to send it again"), "{err}");
}

#[test]
fn a_key_or_certificate_that_is_named_is_the_one_that_counts() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let vector = |name: &str| fs::read_to_string(format!("{VECTORS}/{name}")).unwrap();
    let (alice, bob) = (vector("alice.sign.crt"), vector("bob.sign.crt"));
    fs::write(at("bob.pem"), vector("bob.sign.key") + &bob).unwrap();
    fs::write(at("alice.pem"), vector("alice.sign.key") + &alice).unwrap();
    for line in [
        // The certificate beside the key is not taken instead, nor the key beside the certificate.
        "sign --cert V/alice.sign.crt --key bob.pem mail.eml",
        "sign --cert alice.pem --key V/bob.sign.key mail.eml",
        "sign --identity alice.pem --key V/bob.sign.key mail.eml",
        "sign --identity alice.pem --cert V/bob.sign.crt mail.eml",
    ] {
        let (status, out, err) = sealpost(folder.path(), line);
        assert_eq!((status, out.as_str()), (2, ""), "{line}: {err}");
        assert!(err.contains("do not belong together"), "{line}: {err}");
    }
    for line in [
        "sign --cert alice.pem --key alice.pem -o own.eml mail.eml",
        "sign --identity alice.pem --cert V/alice.sign.crt -o own.eml mail.eml",
        "sign --identity V/alice.sign.crt --key V/alice.sign.key -o own.eml mail.eml",
        "sign --identity V/alice.p12 --password-file alice.password --cert V/alice.sign.crt -o own.eml mail.eml",
    ] {
        let (status, _, err) = sealpost(folder.path(), line);
        assert_eq!(status, 0, "{line}: {err}");
        assert_eq!(sealpost(folder.path(), &format!("{VERIFY} own.eml")).0, 0, "{line}");
    }
}

#[test]
fn one_recipient_is_one_person() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let vector = |name: &str| fs::read_to_string(format!("{VECTORS}/{name}")).unwrap();
    let (root, bob) = (vector("ca.rsa.crt"), vector("bob.encrypt.crt"));
    fs::write(at("two.pem"), vector("alice.encrypt.crt") + &bob).unwrap();
    fs::create_dir(at("people")).unwrap();
    fs::write(at("people/bob.pem"), &bob).unwrap();
    for (name, status, what) in
        [("two.pem", 1, "refused: two.pem holds certificates of several"), ("people", 2, "error: people is a folder")]
    {
        let (found, out, err) = sealpost(folder.path(), &format!("encrypt --to {name} mail.eml"));
        assert_eq!((found, out.as_str()), (status, ""), "{name}: {err}");
        assert!(err.starts_with(what) && err.contains("hint: name each person's"), "{name}: {err}");
    }
    // The same person's two, in any order, and the chain.
    fs::write(at("bob.pem"), root + &vector("bob.sign.crt") + &bob).unwrap();
    assert_eq!(sealpost(folder.path(), "encrypt --to bob.pem -o x.eml mail.eml").0, 0);
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password x.eml";
    assert!(sealpost(folder.path(), decrypt).1.contains("Hello Bob"));
}

#[test]
fn s_24_t_68_nobody_encrypts_to_what_is_not_for_mail_or_not_valid() {
    let folder = folder();
    let make = |name: &str, dates: &str, extensions: &str, digest: &str| {
        let text = format!(
            "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n[extensions]\n\
             subjectAltName = email:bob@smime.example\n{extensions}\n"
        );
        fs::write(folder.path().join("ca.cnf"), text).unwrap();
        let key = if folder.path().join("own.key").exists() {
            "-key own.key"
        } else {
            "-newkey rsa:2048 -nodes -keyout own.key"
        };
        let request = format!("req -new {key} -subj /CN=Bob -out own.csr -config ca.cnf");
        let sign = format!(
            "x509 -req -in own.csr -signkey own.key {digest} {dates} -extfile ca.cnf -extensions extensions -out {name}"
        );
        for line in [request, sign] {
            let output =
                Command::new("openssl").args(line.split_whitespace()).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    };
    let (person, long) = ("basicConstraints = CA:FALSE", "-days 3650");
    make("good.pem", long, person, "-sha256");
    let now = asn1::Time::from_unix(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap());
    for (name, from, to) in [("expired.pem", -9, -1), ("future.pem", 1, 9)] {
        let pki = testkit::TestPki::shared();
        let builder = pki.mailbox("bob@smime.example").valid(now.plus_days(from), now.plus_days(to));
        let issued = pki.issue(&builder, crypto::KeyKind::P256);
        fs::write(folder.path().join(name), issued.certificate().to_pem()).unwrap();
    }
    make("server.pem", long, &format!("{person}\nextendedKeyUsage = serverAuth"), "-sha256");
    make("ca.pem", long, "basicConstraints = critical,CA:TRUE", "-sha256");
    make("unknown.pem", long, &format!("{person}\n1.2.3.4 = critical,DER:0500"), "-sha256");
    make("md5.pem", long, person, "-md5");
    assert_eq!(sealpost(folder.path(), "encrypt --to good.pem -o x.eml mail.eml").0, 0);
    for name in ["expired.pem", "future.pem", "server.pem", "ca.pem", "unknown.pem", "md5.pem"] {
        let (status, out, err) = sealpost(folder.path(), &format!("encrypt --to {name} mail.eml"));
        assert_eq!((status, out.as_str()), (1, ""), "{name}: {err}");
        assert!(err.starts_with(&format!("refused: {name}: the certificate of ")) && err.contains("\nhint: "), "{err}");
    }
}

#[test]
fn a_recipient_comes_by_standard_input() {
    let folder = folder();
    let certificate = || Stdio::from(fs::File::open(format!("{VECTORS}/bob.encrypt.crt")).unwrap());
    let output = command(folder.path(), "encrypt --to - -o x.eml mail.eml").stdin(certificate()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let decrypt = "decrypt --identity V/bob.p12 --password-file bob.password x.eml";
    assert!(sealpost(folder.path(), decrypt).1.contains("Hello Bob"));
    for line in ["encrypt --to - -", "encrypt --to - --to - mail.eml"] {
        let output = command(folder.path(), line).stdin(certificate()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && err.contains("named twice"), "{line}: {err}");
    }
}

#[test]
fn what_is_secret_is_its_owners_and_everything_else_is_by_the_umask() {
    let folder = folder();
    let run = |line: &str, name: &str| {
        let line = format!("umask 022 && exec {} {line}", env!("CARGO_BIN_EXE_sealpost"))
            .replace("V/", &format!("{VECTORS}/"));
        let output = Command::new("sh").arg("-c").arg(&line).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777
    };
    let verify = format!("{VERIFY} --content text signed.eml");
    for (line, name, mode) in [
        ("encrypt --to V/bob.encrypt.crt -o new.eml mail.eml", "new.eml", 0o644),
        ("sign --identity V/alice.p12 --password-file alice.password -o new.eml mail.eml", "new.eml", 0o644),
        (&verify, "text", 0o644),
        ("decrypt --identity V/bob.p12 --password-file bob.password -o clear encrypted.eml", "clear", 0o600),
        ("key new -o own.key", "own.key", 0o600),
    ] {
        assert_eq!(run(line, name), mode, "{line}");
    }
}
