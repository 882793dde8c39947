//! Keys, the organisation's own CA, rotation and incidents at the prompt, over an installation of a test's own.

use std::process::Command;

use crypto::KeyKind;
use pki::{CertificateList, CertificateRequest};
use testkit::{AcmeServer, Misbehaviour, Peer, SoftHsm, TestPki};

const EMMA: &str = "emma@muster.example";

const CONFIGURATION: &str = r#"
[organisation]
name = "Muster GmbH"
domains = ["muster.example"]
intake_address = "emailzertifikat@muster.example"
[database]
url = "sqlite:house.db"
[storage]
folder = "store"
[keys]
master_key_file = "master.key"
[trust]
anchors = ["root.pem"]
[[gateway.listener]]
address = "127.0.0.1:0"
side = "inside"
[gateway.next_hop]
inside = "smtp://127.0.0.1:1"
outside = "smtp://127.0.0.1:1"
[portal]
address = "127.0.0.1:0"
base_url = "http://127.0.0.1:1"
"#;

/// An installation with one employee.
struct Installation {
    folder: tempfile::TempDir,
}

impl Installation {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        this.peer().write("root.pem", TestPki::shared().root().certificate().to_pem());
        this.configure("");
        this.must("key master new master.key", 0);
        this.must(&format!("people add {EMMA} --name Emma --config sealpost.toml"), 0);
        this
    }

    /// The configuration, with more lines for its section `[keys]`.
    fn configure(&self, keys: &str) {
        let text = CONFIGURATION
            .replace("master_key_file = \"master.key\"\n", &format!("master_key_file = \"master.key\"\n{keys}"));
        self.peer().write("sealpost.toml", text);
    }

    fn peer(&self) -> Peer {
        Peer::in_folder(self.folder.path())
    }

    /// Runs a command, which ends with a status; gives what it said on either way.
    fn must(&self, arguments: &str, expected: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(arguments.split_whitespace().map(|argument| argument.replace('_', " ")))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(expected), "{arguments}: {said}");
        said
    }

    fn run(&self, arguments: &str) -> String {
        self.must(&format!("{arguments} --config sealpost.toml"), 0)
    }

    fn refused(&self, arguments: &str, words: &[&str]) {
        let said = self.must(&format!("{arguments} --config sealpost.toml"), 1);
        assert!(said.starts_with("refused: ") && words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn a_key_is_ordered_certified_elsewhere_and_taken_in() {
    let installation = Installation::new();
    let (peer, pki) = (installation.peer(), TestPki::shared());
    let names = "--profile individual --given-name Emma --surname Muster";
    installation.run(&format!("key order {EMMA} --kind p-256 {names} -o request.pem"));
    let request = CertificateRequest::from_pem_or_der(&peer.read("request.pem")).unwrap();
    request.verify_possession().unwrap();
    assert!(installation.run("key waiting").contains(EMMA));
    // What the CA returns: a .p7b with the chain in disorder.
    let issued = pki.ca().issue(&pki.mailbox(EMMA), request.public_key()).unwrap();
    let bag = [pki.root().certificate().clone(), pki.ca().certificate().clone(), issued.clone()];
    peer.write("answer.p7b", cms::certificates_only(&bag));
    // CASES T-128: another one's answer is not for any key here.
    let other = pki.person(EMMA, KeyKind::P256);
    peer.write("other.pem", other.certificate().to_pem());
    installation.refused("key answer other.pem", &["key that waits", "key waiting"]);
    assert!(installation.run("key answer answer.p7b").contains("in use"));
    assert_eq!(installation.run("key waiting"), "");
    installation.refused("key answer answer.p7b", &["key that waits"]);
    installation.refused("key order nobody@muster.example", &["is not known"]);
    let said = installation.must("people add paula@partner.example --name= --config sealpost.toml", 2);
    assert!(said.starts_with("error: paula@partner.example needs a name"), "{said}");
    // Nobody outside has a key in here.
    installation.run("people add paula@partner.example --name Paula");
    installation.refused("key order paula@partner.example --kind p-256", &["outside the organisation's domains"]);
    assert_eq!(installation.run("key waiting"), "");
}

#[test]
fn the_houses_own_ca_issues_revokes_and_publishes() {
    let installation = Installation::new();
    let peer = installation.peer();
    installation.refused(&format!("cert ca issue {EMMA}"), &["CA of the house", "hint: sealpost cert ca init"]);
    let said = installation.run("cert ca init Muster -o house.pem");
    assert!(said.contains("Muster Root CA") && said.contains("trust.anchors"), "{said}");
    installation.refused("cert ca init muster -o again.pem", &["is in use already", "another name"]);
    assert_eq!(installation.run("cert ca show").lines().count(), 2);
    assert!(installation.run(&format!("cert ca issue {EMMA} --kind p-256")).contains("issued"));
    let listed = installation.run("cert ca show --issued");
    let serial = listed.lines().find(|line| line.contains(EMMA)).unwrap().split_whitespace().next().unwrap().to_owned();
    installation.run(&format!("cert ca revoke {serial} --reason key-compromise"));
    assert!(installation.run(&format!("cert ca show --for {EMMA}")).contains("key compromised"));
    installation.refused("cert ca revoke 00ff00ff", &["nothing that was issued"]);
    std::fs::create_dir(installation.folder.path().join("lists")).unwrap();
    installation.run("cert ca crl lists");
    let lists = std::fs::read_dir(installation.folder.path().join("lists")).unwrap();
    let lists: Vec<_> = lists.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(lists.len(), 2);
    for list in &lists {
        CertificateList::from_der(list).unwrap();
        peer.write("list.der", list);
        peer.run("openssl crl -inform der -in list.der -noout").unwrap();
    }
    // A key that stays with its owner, by OpenSSL.
    peer.run(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj /CN=x",
    )
    .unwrap();
    installation.run(&format!("cert ca issue {EMMA} --csr own.csr -o own.pem"));
    let shown = String::from_utf8(peer.run("openssl x509 -in own.pem -noout -ext subjectAltName").unwrap()).unwrap();
    assert!(shown.contains(EMMA), "{shown}");
    peer.write("bad.csr", "no request");
    installation.must(&format!("cert ca issue {EMMA} --csr bad.csr --config sealpost.toml"), 2);

    // Many at once.
    installation.run(&format!("cert ca issue {EMMA} --kind p-256 --days 20"));
    assert!(installation.run("cert due").contains("the house renews it"));
    installation.refused("cert incident open weak --before 2099-01-01", &["selects nothing"]);
    let opened =
        installation.run("cert incident open weak --issuer Muster_Issuing_CA --before 2099-01-01 --old superseded");
    assert!(opened.contains("waiting 1"), "{opened}");
    let id = opened.split_whitespace().next().unwrap();
    let json = installation.run(&format!("cert incident show {id} --json"));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((report["waiting"].as_u64(), report["in_time"].as_bool()), (Some(1), Some(true)));
    assert!(installation.run("cert incident show").contains("open"));
    installation.must("cert incident show x --config sealpost.toml", 2);
}

#[test]
fn certificates_are_ordered_from_a_ca_that_speaks_acme() {
    let installation = Installation::new();
    let (name, key) = ("customer-17", "a2V5IG9mIGEgY3VzdG9tZXI");
    let external_account = Some((name, key));
    let server = AcmeServer::start(TestPki::shared(), Misbehaviour { external_account, ..Misbehaviour::default() });
    installation.refused("cert acme register", &["no [acme]"]);
    let configure = |binding: &str| {
        let section = format!(
            "{CONFIGURATION}[acme]\nserver = \"{}\"\ntls_roots = \"{}\"\ncontact = [\"mailto:it@muster.example\"]\n\
             dns_servers = [\"127.0.0.1:1\"]\n{binding}",
            server.url(),
            server.tls().root().display()
        );
        installation.peer().write("sealpost.toml", section);
    };
    configure("");
    installation.refused("cert acme register", &["https://ca.example/terms", "--agree-terms"]);
    installation.refused("cert acme register --agree-terms", &["external account binding"]);
    installation.peer().write("eab.key", format!("{key}\n"));
    configure(&format!("external_account = \"{name}\"\nexternal_account_key = \"file:eab.key\"\n"));
    installation.refused(&format!("cert acme order {EMMA}"), &["there is no account", "cert acme register"]);
    let said = installation.run("cert acme register --agree-terms");
    assert!(said.contains("registered: https://127.0.0.1:"), "{said}");
    assert_eq!(installation.run("cert acme register --agree-terms"), said, "it is found again");
    let said = installation.run(&format!("cert acme order {EMMA} --kind p-256"));
    assert!(said.contains("ordered: ") && said.contains("CAA records"), "{said}");
    installation.refused(&format!("cert acme order {EMMA} --kind p-256"), &["is under way"]);
    let said = installation.run("cert acme status");
    assert!(said.contains(EMMA) && said.contains("ordered: it is being placed"), "{said}");
    let line: serde_json::Value =
        serde_json::from_str(&installation.run(&format!("cert acme status {EMMA} --json"))).unwrap();
    assert_eq!((line["state"].as_str(), line["address"].as_str()), (Some("ordered"), Some(EMMA)));
    let record = installation.run(&format!("audit export {EMMA}"));
    assert!(record.contains("acme.ordered"), "{record}");
    // What is sealed with it moves to another master key, and the account stays usable.
    installation.must("key master new next.key", 0);
    configure("");
    let text = String::from_utf8(installation.peer().read("sealpost.toml")).unwrap();
    let next = text.replace("[keys]\n", "[keys]\nnext_master_key = \"file:next.key\"\n");
    installation.peer().write("sealpost.toml", &next);
    assert!(installation.run("key master rotate").contains("2 private keys"));
}

#[test]
fn a_mail_is_encrypted_to_an_address_that_the_directory_knows() {
    let installation = Installation::new();
    installation.peer().write("mail.eml", "From: otto@muster.example\r\n\r\ntext\r\n");
    let encrypt = format!("encrypt --to {EMMA} -o out.eml mail.eml");
    installation.refused(&encrypt, &["no certificate is known for", EMMA]);
    installation.must(&encrypt, 1);
    installation.run("cert ca init Muster -o house.pem");
    installation.run(&format!("cert ca issue {EMMA}"));
    installation.run(&encrypt);
    assert!(installation.must("inspect out.eml", 0).contains("AuthEnvelopedData"));
    installation.refused("encrypt --to bob@nowhere.example -o out.eml mail.eml", &["bob@nowhere.example"]);
    installation.must(&format!("{encrypt} --config absent.toml"), 2);
}

#[test]
fn another_master_key_is_brought_in() {
    let installation = Installation::new();
    installation.run("cert ca init Muster -o house.pem");
    installation.run(&format!("cert ca issue {EMMA} --kind p-256"));
    installation.refused("key master rotate", &["next_master_key is not set", "sealpost key master new"]);
    installation.must("key master new next.key", 0);
    let said = installation.must("key master new next.key", 2);
    assert!(said.contains("hint: ") && !said.contains("-o"), "{said}");
    installation.configure("next_master_key = \"file:next.key\"\n");
    let said = installation.run("key master rotate");
    assert!(said.contains("3 private keys"), "{said}");
    installation.run(&format!("cert ca issue {EMMA} --kind p-256"));
    // CASES T-125: the old one alone opens nothing any more.
    installation.configure("");
    let said = installation.must(&format!("cert ca issue {EMMA} --config sealpost.toml"), 2);
    assert!(said.contains("not the one that the private keys were sealed with"), "{said}");
    installation.configure("master_key = \"file:next.key\"\n");
    installation.run(&format!("cert ca issue {EMMA} --kind p-256"));
    // From the service manager, which passes a folder.
    installation.configure("master_key = \"credential:next.key\"\n");
    let said = installation.must(&format!("cert ca issue {EMMA} --config sealpost.toml"), 2);
    assert!(said.contains("the service manager gave none"), "{said}");
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(["cert", "ca", "issue", EMMA, "--kind", "p-256", "--config", "sealpost.toml"])
        .current_dir(installation.folder.path())
        .env("CREDENTIALS_DIRECTORY", installation.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn keys_and_the_master_key_in_a_token() {
    let Some(hsm) = SoftHsm::in_own_process("keys_and_the_master_key_in_a_token") else { return };
    let installation = Installation::new();
    installation.peer().write("pin", format!("{}\n", SoftHsm::PIN));
    let module = hsm.settings().module;
    let token = format!(
        "[[keys.token]]\nlabel = \"{}\"\nmodule = \"{}\"\npin = \"file:pin\"\n",
        SoftHsm::LABEL,
        module.display()
    );
    installation.configure(&token);
    let label = SoftHsm::LABEL.replace(' ', "_");
    // A key that never leaves the token, certified by the house's own CA, whose keys are there as well.
    installation.run(&format!("cert ca init Muster --kind p-256 --token {label} -o house.pem"));
    installation.run(&format!("cert ca issue {EMMA} --kind p-256 --token {label}"));
    assert_eq!(hsm.token().keys().unwrap().len(), 3);
    // From the file into the token.
    installation.run(&format!("cert ca issue {EMMA} --kind p-256"));
    installation.run(&format!("key master new --token {label}/2027"));
    installation.refused(&format!("key master new --token {label}/2027"), &["has a key 2027 already"]);
    installation.configure(&format!("next_master_key = \"token:{}/2027\"\n{token}", SoftHsm::LABEL));
    assert!(installation.run("key master rotate").contains("1 private keys"));
    installation.configure(&format!("master_key = \"token:{}/2027\"\n{token}", SoftHsm::LABEL));
    installation.run(&format!("cert ca issue {EMMA} --kind p-256"));
    // Away: it could not, and it says what is missing.
    hsm.remove();
    let said = installation.must(&format!("cert ca issue {EMMA} --config sealpost.toml"), 2);
    assert!(said.contains("cannot be reached") && said.contains("is the token there"), "{said}");
    hsm.insert();
    installation.run(&format!("cert ca issue {EMMA} --kind p-256"));
    installation.peer().write("pin", "wrong\n");
    let said = installation.must(&format!("cert ca issue {EMMA} --config sealpost.toml"), 2);
    assert!(said.contains("refuses the PIN"), "{said}");
}
