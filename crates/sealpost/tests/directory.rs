//! `sealpost audit`, and `sealpost cert find` in directories, as people and programs run them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crypto::KeyKind;
use directory::{Actor, Address, Directory, Origin, Settings, StoreKey, Submission, SystemClock};
use pki::CertificateBuilder;
use testkit::TestPki;

/// An installation in a folder: configuration, database, one partner whose certificate waits.
struct Installation(tempfile::TempDir);

const ALICE: &str = "alice@partner.example";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// The program goes by the clock of the machine, so certificates here are valid around that.
fn certificate() -> pki::Certificate {
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = asn1::Time::from_unix(i64::try_from(seconds).unwrap());
    let builder: CertificateBuilder = TestPki::shared().mailbox(ALICE).valid(now.plus_days(-1), now.plus_days(30));
    TestPki::shared().issue(&builder, KeyKind::P256).certificate().clone()
}

impl Installation {
    async fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("root.pem"), TestPki::shared().root().certificate().to_pem()).unwrap();
        std::fs::create_dir(at("store")).unwrap();
        let configuration = format!(
            "[organisation]\nname = \"Muster\"\ndomains = [\"muster.example\"]\nintake_address = \"in@muster.example\"\n\
             [database]\nurl = \"sqlite:sealpost.db\"\n[storage]\nfolder = \"store\"\n[trust]\nanchors = [\"root.pem\"]\n\
             [[gateway.listener]]\naddress = \"127.0.0.1:0\"\nside = \"inside\"\n[gateway.next_hop]\n\
             inside = \"smtp://127.0.0.1:1\"\noutside = \"smtp://127.0.0.1:1\"\n[portal]\naddress = \"127.0.0.1:0\"\n\
             base_url = \"https://x.example\"\n{more}"
        );
        std::fs::write(at("sealpost.toml"), configuration).unwrap();
        let this = Self(folder);
        let directory = this.directory().await;
        let by = Actor::Mail(address(ALICE));
        let mut submission = Submission::new(address(ALICE), certificate(), Origin::IntakeMail, by);
        submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
        directory.submit(submission).await.unwrap();
        directory.close().await;
        this
    }

    async fn directory(&self) -> Directory {
        let key = StoreKey::load_or_create(&self.path().join("store/store.key")).unwrap();
        let mut settings =
            Settings::new("Muster", ["muster.example"], address("in@muster.example"), "https://x.example", key);
        settings.trust = TestPki::shared().anchors();
        let url = format!("sqlite:{}", self.path().join("sealpost.db").display());
        Directory::open(&url, settings, Arc::new(SystemClock)).await.unwrap()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(arguments.split_whitespace())
            .args(["--config", "sealpost.toml"])
            .current_dir(self.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    async fn tamper(&self, statement: &'static str) {
        // As somebody would who has the file: with a program of theirs.
        let file = self.path().join("sealpost.db");
        let script =
            format!("import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(\"{statement}\"); c.commit()");
        let status = Command::new("python3").arg("-c").arg(script).arg(file).status().unwrap();
        assert!(status.success());
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_verified_one_person_exported_and_erased() {
    let house = Installation::new("").await;
    let (status, out, err) = house.run("audit verify --json");
    assert_eq!(status, 0, "{err}");
    let before = json(&out);
    assert_eq!((&before["outcome"], &before["erased"]), (&"accepted".into(), &0.into()));
    let head = before["head"].as_str().unwrap().to_owned();
    let (status, out, _) = house.run(&format!("audit export {ALICE}"));
    assert_eq!(status, 0);
    let kept = json(&out);
    assert_eq!(kept["requests"].as_array().unwrap().len(), 1);
    assert!(!kept["record"].as_array().unwrap().is_empty());
    // Nothing goes by mistake, and nobody of the house goes at all.
    let (status, _, err) = house.run(&format!("audit erase {ALICE}"));
    assert_eq!(status, 1);
    assert!(err.contains("hint: ") && err.contains("--yes"), "{err}");
    let (status, _, err) = house.run("audit erase emma@muster.example --yes");
    assert_eq!(status, 1, "{err}");
    let (status, out, err) = house.run(&format!("audit erase {ALICE} --yes"));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("the record still holds"), "{out}");
    // Nothing is left, which is not the same as done once more; nor is it for whom nothing was ever kept.
    for line in ["audit export", "audit erase --yes"] {
        for whom in [ALICE, "alcie@partner.example"] {
            let (status, out, err) = house.run(&format!("{line} {whom}"));
            assert_eq!((status, out.as_str()), (1, ""), "{line} {whom}: {err}");
            assert!(err.starts_with(&format!("refused: nothing is kept about {whom}")), "{err}");
        }
    }
    assert!(!std::fs::read(house.path().join("sealpost.db")).unwrap().is_empty());
    // The chain goes on from where it was.
    let (status, out, _) = house.run(&format!("audit verify --json --contains {head}"));
    let after = json(&out);
    assert_eq!((status, &after["contains"]), (0, &true.into()));
    assert!(after["erased"].as_u64().unwrap() > 0);
    let (status, _, err) = house.run(&format!("audit verify --contains {}", "0".repeat(64)));
    assert_eq!(status, 1);
    assert!(err.starts_with("refused: the record does not contain"), "{err}");
    let (status, _, err) = house.run("people revoke-token xyz");
    assert!(status == 2 && err.starts_with("error: xyz is not a number of a token\nhint: "), "{err}");
    let (status, _, err) = house.run(&format!("people token {ALICE} --scope board:read --days 99999"));
    assert!(status == 2 && err.contains("1..=366"), "{err}");
    let (status, _, err) = house.run("audit export nobody");
    assert_eq!(status, 2, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_changed_does_not_hold() {
    let house = Installation::new("").await;
    house.tamper("UPDATE audit_details SET why = 'as I like it' WHERE sequence = 1").await;
    let (status, out, err) = house.run("audit verify --json");
    assert_eq!(status, 1);
    assert!(err.starts_with("refused: the record does not hold: row 1"), "{err}");
    assert_eq!(json(&out)["outcome"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_ask_the_directory_first_and_then_the_others() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bob = TestPki::shared();
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = asn1::Time::from_unix(i64::try_from(seconds).unwrap());
    let builder = bob.mailbox("bob@partner.example").valid(now.plus_days(-1), now.plus_days(30));
    let bob = bob.issue(&builder, KeyKind::P256).certificate().clone();
    let bag = cms::certificates_only(&[bob.clone(), TestPki::shared().ca().certificate().clone()]);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 2048];
            let read = std::io::Read::read(&mut stream, &mut request).unwrap();
            let asked_for_bob = request[..read].starts_with(b"GET /bob%40partner.example ");
            let answer = if asked_for_bob {
                [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bag.len()).as_bytes(), &bag].concat()
            } else {
                b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec()
            };
            std::io::Write::write_all(&mut stream, &answer).unwrap();
        }
    });
    let source = format!("[[look_up.source]]\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/{{address}}\"\n");
    let house = Installation::new(&source).await;
    let (status, out, err) = house.run("cert find bob@partner.example --json");
    assert_eq!(status, 0, "{err}");
    let found = json(&out);
    assert_eq!(found["standing"], "candidate");
    assert_eq!(found["certificates"][0]["sha256"], bob.sha256().to_hex().as_str());
    // Looking alone changes nothing; sent in, it goes the way of every candidate.
    let directory = house.directory().await;
    let filter = directory::RequestFilter::For(address("bob@partner.example"));
    assert!(directory.requests(&filter, 10).await.unwrap().is_empty());
    let (status, out, err) = house.run("cert find bob@partner.example --submit");
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("is checked"), "{out}");
    let requests = directory.requests(&filter, 10).await.unwrap();
    assert_eq!((requests.len(), requests[0].origin()), (1, Origin::LookUp));
    let (status, _, err) = house.run("cert find nobody@partner.example");
    assert_eq!(status, 1);
    assert!(err.contains("refused: nobody has a certificate"), "{err}");
    let (status, _, err) = house.run("cert find bob");
    assert_eq!(status, 2, "{err}");
    let (status, _, err) = house.run("cert publish emma@muster.example --dns");
    assert_eq!(status, 1, "{err}");
}
