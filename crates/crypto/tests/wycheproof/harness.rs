use std::collections::BTreeMap;
use std::io::Read as _;

use serde_json::Value;

/// What became of one test.
pub(crate) struct Outcome {
    pub(crate) accepted: bool,
    /// Why it is refused here whatever it is.
    pub(crate) policy: Option<&'static str>,
}

impl From<bool> for Outcome {
    fn from(accepted: bool) -> Self {
        Self { accepted, policy: None }
    }
}

impl Outcome {
    pub(crate) fn refused_for(policy: Option<&'static str>, accepted: bool) -> Self {
        Self { accepted, policy }
    }
}

/// A JSON object of a vector file.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(&'a Value);

impl<'a> Object<'a> {
    pub(crate) fn has(self, name: &str) -> bool {
        !self.0[name].is_null()
    }

    pub(crate) fn text(self, name: &str) -> &'a str {
        self.0[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    pub(crate) fn octets(self, name: &str) -> Vec<u8> {
        let text = self.text(name).as_bytes();
        let digit = |octet: u8| char::from(octet).to_digit(16).unwrap() as u8;
        text.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    pub(crate) fn number(self, name: &str) -> usize {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.0)) as usize
    }
}

/// Runs one file and prints what came out. `known` are divergences by their number, which must diverge.
pub(crate) fn vectors(file: &str, known: &[(u64, &'static str)], run: impl Fn(Object<'_>, Object<'_>) -> Outcome) {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/wycheproof/{}_test.json.gz"), file);
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&path).expect(&path)).read_to_string(&mut text).unwrap();
    let parsed: Value = serde_json::from_str(&text).unwrap();
    let (mut passed, mut failed, mut listed) = (0, Vec::new(), BTreeMap::<&str, usize>::new());
    for group in parsed["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let number = test["tcId"].as_u64().unwrap();
            let (result, comment) = (test["result"].as_str().unwrap(), test["comment"].as_str().unwrap_or_default());
            let outcome = run(Object(group), Object(test));
            let as_expected = match result {
                "valid" => outcome.accepted,
                "invalid" => !outcome.accepted,
                _ => true,
            };
            let divergence = known.iter().find(|(id, _)| *id == number).map(|(_, reason)| *reason);
            match (outcome.policy, divergence) {
                (Some(_), _) if outcome.accepted => failed.push(format!("{number} {comment}: accepted against policy")),
                (Some(_), _) if result == "invalid" => passed += 1,
                (Some(reason), _) => *listed.entry(reason).or_default() += 1,
                (None, Some(_)) if as_expected => failed.push(format!("{number} {comment}: passes unexpectedly")),
                (None, Some(reason)) => *listed.entry(reason).or_default() += 1,
                (None, None) if as_expected => passed += 1,
                (None, None) => failed.push(format!("{number} {comment}: {result}, but {}", outcome.accepted)),
            }
        }
    }
    let count: usize = listed.values().sum();
    let reasons: Vec<String> = listed.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    println!("vectors: wycheproof {file}: {passed} passed, {} failed, {count} listed{reasons}", failed.len());
    let expected = parsed["numberOfTests"].as_u64().unwrap();
    assert_eq!((passed + failed.len() + count) as u64, expected, "{file}: tests are missing");
    assert!(failed.is_empty(), "{file}:\n{}", failed.join("\n"));
}
