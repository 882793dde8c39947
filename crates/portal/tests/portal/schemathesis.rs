//! The OpenAPI document held against the portal as it runs: schemathesis makes calls up, some as the document has
//! them and some that are wrong on purpose, and judges each answer.

use std::path::Path;
use std::process::Command;

use directory::{Actor, Role, Roles, Scope};

use crate::house::{House, certificate};

#[test]
fn schemathesis_finds_nothing() {
    let house = House::with("http://portal.example", |settings| settings.api_calls_per_minute = u32::MAX);
    // One person inside with every role, one outside: between them they may call everything.
    let otto = house.person("otto@muster.example").id;
    let inside = Roles::of(Role::ALL.into_iter().filter(|role| *role != Role::Partner));
    house.run(house.directory.set_roles(otto, inside, &Actor::System));
    let of = |partner: &str| house.submit(&certificate(partner), partner);
    let (petras, _) = (of("petra@partner.example"), of("paul@partner.example"));
    let emma = house.person("emma@muster.example").address;
    house.run(house.directory.record_contact(&emma, &house.person("petra@partner.example").address));
    judge(&house, "otto@muster.example", "", &["--exclude-path", "/api/v1/contacts"]);
    // Made-up names name nothing: once more with those of something that there is.
    let known = format!(
        "[[operations]]\ninclude-path-regex = \"[{{]id[}}]\"\nparameters = {{ id = \"{}\" }}\n\n\
         [[operations]]\ninclude-path-regex = \"[{{]address[}}]\"\nparameters = {{ address = \"{emma}\" }}\n",
        petras.id()
    );
    judge(&house, "otto@muster.example", &known, &["--include-path-regex", "[{](id|address)[}]"]);
    let hers = "^/api/v1/(contacts|me|requests|certificates)";
    judge(&house, "petra@partner.example", &known, &["--include-path-regex", hers]);
}

fn judge(house: &House, caller: &str, known: &str, selection: &[&str]) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/schemathesis/bin/schemathesis");
    assert!(tool.is_file(), "schemathesis is missing: ./test tools installs it");
    let person = house.person(caller).id;
    let (token, _) = house.run(house.directory.issue_api_token(person, "test", &Scope::ALL, 30, &Actor::System));
    let (document, settings) = (house.folder().join("openapi.json"), house.folder().join("schemathesis.toml"));
    std::fs::write(&document, portal::openapi()).unwrap();
    // No schema says what is a certificate: what fits it may still be refused, and then with 422.
    let accepted = "[checks.positive_data_acceptance]\nexpected-statuses = [\"2xx\", 401, 403, 404, 409, 422]\n\n";
    std::fs::write(&settings, format!("{accepted}{known}")).unwrap();
    // `timeout` ends what hangs; a run takes some seconds.
    let output = Command::new("timeout")
        .args(["400".as_ref(), tool.as_os_str(), "--config-file".as_ref(), settings.as_os_str(), "run".as_ref()])
        .arg(&document)
        .args(["--url", &house.base(), "--header", &format!("Authorization: Bearer {}", token.as_str())])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all", "--mode", "all", "--max-examples", "20"])
        .args(["--generation-deterministic", "--workers", "1", "--request-timeout", "60"])
        .args(["--suppress-health-check", "all", "--no-shrink", "--no-color", "--warnings", "off"])
        .args(selection)
        .current_dir(house.folder())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as {caller}:\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
    // It did look: a document of which nothing is selected passes as well.
    assert!(told.contains("No issues found"), "as {caller}:\n{told}");
}
