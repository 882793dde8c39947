//! zlint's S/MIME certificates: the same verdict under each of its rules.

use pki::Certificate;
use pki::lint::{Severity, Verdict, rules};

use crate::{Tally, read, rows};

#[test]
fn vectors_zlint_smime() {
    let mut tally = Tally::new("zlint-smime");
    for row in rows("zlint-smime/expected.tsv") {
        let (file, lint, expected) = (&row[0], &row[1], &row[2]);
        let certificate = Certificate::from_pem(&read(&format!("zlint-smime/{file}"))).unwrap();
        // Our rules bear zlint's names, which begin with their severity.
        let id = lint[2..].replace('_', "-");
        let rule = rules().iter().find(|rule| rule.id() == id).unwrap_or_else(|| panic!("no rule {id}"));
        let got = match (rule.judge(&certificate), rule.severity()) {
            (Verdict::Kept, _) => "pass",
            (Verdict::Broken, Severity::Error) => "error",
            (Verdict::Broken, Severity::Warning) => "warn",
            (Verdict::NotApplicable, _) => "not-applicable",
            (Verdict::NotInForce, _) => "not-effective",
        };
        tally.judge(&format!("{file} {lint}"), got == expected, || format!("expected {expected}, got {got}"));
    }
    tally.finish();
}
