//! The examples of docs/guide/api.md, run as they stand there.

use std::process::Command;

use directory::{Actor, Role, Roles, Scope};
use serde_json::Value;

use crate::house::{House, certificate};

#[test]
fn every_example_of_the_guide_works() {
    let house = House::open();
    let emma = house.person("emma@muster.example").id;
    let roles = Roles::of([Role::Employee, Role::Officer, Role::Auditor]);
    house.run(house.directory.set_roles(emma, roles, &Actor::System));
    let (token, _) = house.run(house.directory.issue_api_token(emma, "crm", &Scope::ALL, 90, &Actor::System));
    let pem = certificate("petra@partner.example").certificate().to_pem();
    let chain = testkit::TestPki::shared().ca().certificate().to_pem();
    std::fs::write(house.folder().join("petra.pem"), format!("{pem}{chain}")).unwrap();

    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/api.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let mut examples = 0;
    for piece in guide.split("\n```sh\n").skip(1) {
        let (script, rest) = piece.split_once("\n```\n").unwrap();
        let (_, rest) = rest.split_once("```json\n").unwrap();
        let (expected, _) = rest.split_once("\n```").unwrap();
        let output = Command::new("timeout")
            .args(["300", "bash", "-euo", "pipefail", "-c", script])
            .current_dir(house.folder())
            .env("SEALPOST", house.base())
            .env("TOKEN", token.as_str())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
        let (answer, expected): (Value, Value) =
            (serde_json::from_str(&told).unwrap(), serde_json::from_str(expected).unwrap());
        assert_eq!(shape(&answer), shape(&expected), "{script}\n{told}");
        examples += 1;
    }
    assert_eq!(examples, 7);
}

/// The names of everything, and the kinds of values: what a program goes by. A list is as its first element.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => items.iter().take(1).map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}
