//! The demonstration, and what OpenSSL and gpgsm say about the mail that it leaves behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use mime::{Entity, Limits};
use testkit::Peer;

const NORA: &str = "nora@kanzlei-lindner.example";
const JAN: &str = "jan@devries.example";

#[test]
fn the_story_holds_and_other_programs_read_its_mail() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(["demo", "--once", "--smtp-port", "0", "--http-port", "0", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("all eight steps hold"), "{said}");

    let peer = Peer::in_folder(folder.path());
    openssl_reads(&peer, NORA);
    openssl_reads(&peer, JAN);
    gpgsm_reads(&peer);
    the_doctor_looks(&peer);
}

/// After the story nobody listens any more, and that is all that is wrong.
fn the_doctor_looks(peer: &Peer) {
    let doctor = |config: &str| {
        let path = peer.folder().join(config);
        let output =
            Command::new(env!("CARGO_BIN_EXE_sealpost")).args(["doctor", "--config"]).arg(path).output().unwrap();
        let wrong = String::from_utf8(output.stdout).unwrap();
        let wrong = wrong.lines().filter(|line| line.starts_with("wrong")).map(str::to_owned).collect::<Vec<_>>();
        (output.status.code(), wrong)
    };
    let (status, wrong) = doctor("sealpost.toml");
    assert_eq!(status, Some(1), "{wrong:?}");
    assert!(wrong.iter().all(|line| line.contains("hop ")) && wrong.len() == 2, "{wrong:?}");

    let text = String::from_utf8(peer.read("sealpost.toml")).unwrap();
    let open = text.replace("side = \"inside\"", "side = \"inside\"\nnetworks = [\"0.0.0.0/0\"]");
    // Nobody listens there: a store that is away.
    peer.write("s3.secret", "secret\n");
    let away = "[storage.s3]\nendpoint = \"http://127.0.0.1:1\"\nbucket = \"x\"\naccess_key = \"x\"\n\
                secret_key = \"file:s3.secret\"\n";
    peer.write("open.toml", format!("{open}\n{away}"));
    std::fs::set_permissions(peer.folder().join("master.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    let (_, wrong) = doctor("open.toml");
    for what in ["open relay", "master key", "message store"] {
        assert!(wrong.iter().any(|line| line.contains(what)), "{what}: {wrong:?}");
    }
}

/// Confirmation and offer are encrypted; the offer is signed inside.
fn openssl_reads(peer: &Peer, who: &str) {
    let (mut opened, mut verified) = (0, 0);
    for (number, mail) in mails(peer.folder(), who).into_iter().enumerate() {
        let entity = Entity::parse(&mail, &Limits::default()).unwrap();
        if entity.essence() != "application/pkcs7-mime" {
            continue;
        }
        let (sealed, inner) = (format!("{who}-{number}.eml"), format!("{who}-{number}-inner.eml"));
        peer.write(&sealed, &mail);
        peer.run(&format!("openssl cms -decrypt -in {sealed} -recip identities/{who}.pem -out {inner}")).unwrap();
        opened += 1;
        if peer.read(&inner).windows(16).any(|window| window == b"multipart/signed") {
            let verify = format!("openssl cms -verify -in {inner} -CAfile trust/house-root.pem -out {inner}.txt");
            peer.run(&verify).unwrap();
            assert!(String::from_utf8_lossy(&peer.read(&format!("{inner}.txt"))).contains("Beitrag 1.234,56 Euro"));
            verified += 1;
        }
    }
    assert_eq!((opened, verified), (2, 1), "{who}");
}

/// Nora's key is RSA, and the rule for her says what gpgsm can read, too.
fn gpgsm_reads(peer: &Peer) {
    let home = peer.folder().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut trusted = String::new();
    for root in ["house-root", "official-root"] {
        let printed = peer.run(&format!("openssl x509 -in trust/{root}.pem -noout -fingerprint -sha1")).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        trusted.push_str(&format!("{} S relax\n", printed.trim().split('=').nth(1).unwrap()));
    }
    peer.write("gnupg/trustlist.txt", trusted);
    peer.write("gnupg/gpgsm.conf", "disable-crl-checks\nbatch\nyes\npinentry-mode loopback\n");
    peer.write("gnupg/gpg-agent.conf", "allow-loopback-pinentry\n");
    peer.write("passphrase", "demo\n");
    let run = |arguments: &str| {
        let passphrase = std::fs::File::open(peer.folder().join("passphrase")).unwrap();
        peer.run_with_input(&format!("gpgsm --passphrase-fd 0 {arguments}"), passphrase.into())
    };
    run("--import trust/house-root.pem trust/official-root.pem").unwrap();
    run(&format!("--import identities/{NORA}.p12")).unwrap();
    let mut verified = 0;
    for mail in mails(peer.folder(), NORA) {
        let entity = Entity::parse(&mail, &Limits::default()).unwrap();
        if entity.essence() != "application/pkcs7-mime" {
            continue;
        }
        peer.write("sealed.p7m", entity.decoded_body());
        let inner = run("--decrypt sealed.p7m").unwrap();
        let inner = Entity::parse(&inner, &Limits::default()).unwrap();
        let [signed, signature] = inner.parts() else { continue };
        peer.write("signed.txt", [signed.header_bytes(), signed.body()].concat());
        peer.write("signature.p7s", signature.decoded_body());
        run("--verify signature.p7s signed.txt").unwrap();
        verified += 1;
        peer.write("signed.txt", [signed.header_bytes(), signed.body(), b"!"].concat());
        run("--verify signature.p7s signed.txt").unwrap_err();
    }
    let _ = peer.run("gpgconf --kill all");
    assert_eq!(verified, 1);
}

/// What lies in a mailbox, without the two fields of the final delivery.
fn mails(folder: &Path, who: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("mail").join(who).join("new")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}
