//! Path verdicts of OpenSSL and Bouncy Castle beside ours, over PKITS and x509-limbo.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use asn1::{Oid, Time};
use pki::{Certificate, CertificateList, Conformance, PathChecker, PathPolicy, Revocation, TrustAnchors};
use serde_json::Value;
use testkit::Peer as Shell;

use crate::expectations::matches;
use crate::peers::PathsOfBouncyCastle;

/// One path to judge. Certificates and lists are in DER.
#[derive(Debug)]
pub(crate) struct PathCase {
    set: &'static str,
    id: String,
    pub(crate) anchors: Vec<Vec<u8>>,
    pub(crate) intermediates: Vec<Vec<u8>>,
    pub(crate) lists: Vec<Vec<u8>>,
    pub(crate) leaf: Vec<u8>,
    pub(crate) at: Time,
    /// `None` is any policy.
    pub(crate) policies: Option<Vec<String>>,
    pub(crate) require_explicit_policy: bool,
    pub(crate) inhibit_policy_mapping: bool,
    pub(crate) inhibit_any_policy: bool,
    /// CAs below the anchor.
    pub(crate) depth: Option<u64>,
}

/// A path that a peer judges otherwise than we do.
#[derive(Debug)]
struct Difference {
    peer: &'static str,
    set: &'static str,
    id: String,
    /// What the peer says, or that it accepts.
    theirs: String,
    /// Why we refuse, or that we accept.
    ours: String,
    because: Option<String>,
}

/// Every comparison.
#[derive(Debug)]
pub struct PathVerdicts {
    compared: Vec<(&'static str, &'static str, usize)>,
    differences: Vec<Difference>,
    unused: Vec<String>,
}

impl PathVerdicts {
    /// What nobody has explained, and explanations of nothing.
    pub fn unexplained(&self) -> Vec<String> {
        let unexplained = self
            .differences
            .iter()
            .filter(|difference| difference.because.is_none())
            .map(|one| format!("{}\t{}\t{}\twe: {}\tpeer: {}", one.peer, one.set, one.id, one.ours, one.theirs));
        unexplained.chain(self.unused.iter().map(|row| format!("explained, but there is none: {row}"))).collect()
    }

    /// The reference page.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from(
            "# Path verdicts\n\nWritten by `cargo xtask interop`: OpenSSL (`openssl verify`) and Bouncy Castle (PKIX) judge the paths of the test\n\
             sets as we do, but for the differences below. Where we differ from a set's own answer is in the set's `reasons.tsv`.\n\n\
             | peer | set | paths | as we | otherwise |\n|---|---|---|---|---|\n",
        );
        for (peer, set, count) in &self.compared {
            let other = self.differences.iter().filter(|one| one.peer == *peer && one.set == *set).count();
            let _ = writeln!(text, "| {peer} | {set} | {count} | {} | {other} |", count - other);
        }
        text.push_str("\n| peer | path | we | the peer | because |\n|---|---|---|---|---|\n");
        for one in &self.differences {
            let verdict = |words: &str| if words == ACCEPTED { "accept" } else { "refuse" };
            let because = one.because.as_deref().unwrap_or("?");
            let _ = writeln!(
                text,
                "| {} | {} {} | {} | {} | {because} |",
                one.peer,
                one.set,
                one.id,
                verdict(&one.ours),
                verdict(&one.theirs)
            );
        }
        text
    }
}

const ACCEPTED: &str = "accepted";

/// Judges every path three times.
pub fn path_verdicts() -> PathVerdicts {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let mut cases = pkits();
    cases.extend(limbo());
    let explained = explanations(include_str!("../../../tests/interop/paths.tsv"));
    let (cases, explained) = (&cases, &explained);
    let folder = folder.path();
    let differences: Vec<Difference> = std::thread::scope(|threads| {
        let openssl = threads.spawn(move || {
            let shell = Shell::in_folder(sub(folder, "openssl"));
            compare("OpenSSL", cases, explained, |case| openssl(&shell, case))
        });
        let bouncy = threads.spawn(move || {
            let mut peer = PathsOfBouncyCastle::new(sub(folder, "bouncy-castle"));
            compare("Bouncy Castle", cases, explained, |case| peer.check(case))
        });
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Difference>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        join(openssl).into_iter().chain(join(bouncy)).collect()
    });
    let compared = ["OpenSSL", "Bouncy Castle"]
        .into_iter()
        .flat_map(|peer| ["pkits", "x509-limbo"].map(|set| (peer, set)))
        .map(|(peer, set)| (peer, set, cases.iter().filter(|case| case.set == set).count()))
        .collect();
    let unused = explained
        .iter()
        .filter(|[peer, set, id, because]| {
            !differences.iter().any(|one| {
                one.peer == peer && one.set == set && matches(id, &one.id) && one.because.as_ref() == Some(because)
            })
        })
        .map(|row| row.join(" / "))
        .collect();
    PathVerdicts { compared, differences, unused }
}

fn sub(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// Peer, set, path, reason.
fn explanations(text: &str) -> Vec<[String; 4]> {
    text.lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            columns.try_into().unwrap_or_else(|_| panic!("not four columns: {line}"))
        })
        .collect()
}

fn compare(
    peer: &'static str,
    cases: &[PathCase],
    explained: &[[String; 4]],
    mut judge: impl FnMut(&PathCase) -> Result<(), String>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for case in cases {
        let (ours, theirs) = (our_verdict(case), judge(case));
        if ours.is_ok() == theirs.is_ok() {
            continue;
        }
        let because = explained
            .iter()
            .find(|[who, set, id, _]| who == peer && set == case.set && matches(id, &case.id))
            .map(|[.., because]| because.clone());
        let words = |verdict: Result<(), String>| verdict.err().unwrap_or_else(|| ACCEPTED.to_owned());
        let (theirs, ours) = (words(theirs), words(ours));
        differences.push(Difference { peer, set: case.set, id: case.id.clone(), theirs, ours, because });
    }
    differences
}

fn our_verdict(case: &PathCase) -> Result<(), String> {
    // An anchor, an intermediate or a list that cannot be read is not there.
    let all = |ders: &[Vec<u8>]| -> Vec<Certificate> {
        ders.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
    };
    let anchors: TrustAnchors = all(&case.anchors).into_iter().collect();
    let intermediates = all(&case.intermediates);
    let leaf = Certificate::from_der(&case.leaf).map_err(|error| error.to_string())?;
    let lists: Vec<_> = case.lists.iter().filter_map(|der| CertificateList::from_der(der).ok()).collect();
    let revocation = if case.lists.is_empty() { Revocation::Off } else { Revocation::Required };
    let mut policy = PathPolicy::at(case.at).revocation(revocation);
    policy.initial_policies = case
        .policies
        .as_ref()
        .map(|list| list.iter().map(|oid| Oid::from_dotted(oid).unwrap_or_else(|| panic!("{oid}"))).collect());
    policy.require_explicit_policy = case.require_explicit_policy;
    policy.inhibit_policy_mapping = case.inhibit_policy_mapping;
    policy.inhibit_any_policy = case.inhibit_any_policy;
    if case.set == "x509-limbo" {
        policy.conformance = Conformance::Strict;
    }
    if let Some(depth) = case.depth {
        policy.limits.depth = usize::try_from(depth).unwrap_or(usize::MAX);
    }
    let checker = PathChecker::new(&anchors, &policy).intermediates(&intermediates).crls(&lists);
    checker.check(&leaf).map(|_| ()).map_err(|rejected| rejected.to_string())
}

fn openssl(shell: &Shell, case: &PathCase) -> Result<(), String> {
    let pem = |label: &str, ders: &[Vec<u8>]| ders.iter().map(|der| asn1::encode_pem(label, der)).collect::<String>();
    shell.write("anchors.pem", pem("CERTIFICATE", &case.anchors));
    shell.write("intermediates.pem", pem("CERTIFICATE", &case.intermediates));
    shell.write("lists.pem", pem("X509 CRL", &case.lists));
    shell.write("leaf.pem", asn1::encode_pem("CERTIFICATE", &case.leaf));
    let mut line = format!("/usr/bin/openssl verify -CAfile anchors.pem -no-CApath -attime {}", case.at.to_unix());
    if !case.intermediates.is_empty() {
        line.push_str(" -untrusted intermediates.pem");
    }
    if !case.lists.is_empty() {
        line.push_str(" -CRLfile lists.pem -crl_check_all -extended_crl -use_deltas");
    }
    line.push_str(if case.set == "pkits" {
        " -purpose smimesign -policy_check"
    } else {
        " -x509_strict -partial_chain"
    });
    // Without one it takes none for acceptable.
    let any = vec!["2.5.29.32.0".to_owned()];
    for policy in case.policies.as_ref().unwrap_or(&any) {
        line.push_str(&format!(" -policy {policy}"));
    }
    for (flag, set) in [
        ("-explicit_policy", case.require_explicit_policy),
        ("-inhibit_map", case.inhibit_policy_mapping),
        ("-inhibit_any", case.inhibit_any_policy),
    ] {
        if set {
            line.push_str(&format!(" {flag}"));
        }
    }
    if let Some(depth) = case.depth {
        line.push_str(&format!(" -verify_depth {depth}"));
    }
    shell.run(&format!("{line} leaf.pem")).map(|_| ()).map_err(|words| {
        let error = words.lines().find(|line| line.starts_with("error ")).unwrap_or(&words);
        error.replace(['\n', '\t'], " ")
    })
}

fn vectors(path: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors")).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&vectors(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn pkits() -> Vec<PathCase> {
    let table = json("pkits/expected.json");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let certificate = |name: &str| vectors(&format!("pkits/certs/{name}"));
    let at = Time::parse_rfc3339(&text(&table["validation_time"])).unwrap_or(Time::LATEST);
    let tests = table["tests"].as_array().map(Vec::as_slice).unwrap_or_default();
    tests
        .iter()
        .map(|test| {
            let policies = texts(&test["initial_policy_set"]);
            let oid = |name: &&str| match name.strip_prefix("NIST-test-policy-") {
                Some(number) => format!("2.16.840.1.101.3.2.1.48.{number}"),
                None => (*name).to_owned(),
            };
            let flag = |name: &str| test[name].as_bool().unwrap_or_default();
            PathCase {
                set: "pkits",
                id: format!("{} {}", text(&test["id"]), text(&test["name"])),
                anchors: vec![certificate(&text(&table["trust_anchor"]))],
                intermediates: texts(&test["intermediates"]).into_iter().map(certificate).collect(),
                lists: texts(&test["crls"]).iter().map(|name| vectors(&format!("pkits/crls/{name}"))).collect(),
                leaf: certificate(&text(&test["leaf"])),
                at,
                policies: (policies != ["anyPolicy"]).then(|| policies.iter().map(oid).collect()),
                require_explicit_policy: flag("initial_explicit_policy"),
                inhibit_policy_mapping: flag("initial_policy_mapping_inhibit"),
                inhibit_any_policy: flag("initial_any_policy_inhibit"),
                depth: None,
            }
        })
        .collect()
}

fn limbo() -> Vec<PathCase> {
    let table = json("x509-limbo/limbo.json");
    let applies = String::from_utf8(vectors("x509-limbo/applicability.tsv")).unwrap_or_default();
    // Those about another purpose than mail are for the purpose's own test.
    let wanted: Vec<&str> = applies
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let id = columns.next()?;
            columns.nth(1).filter(|applies| applies.starts_with("yes")).map(|_| id)
        })
        .collect();
    let der = |pem: &str| {
        let blocks = asn1::parse_pem(pem.as_bytes()).unwrap_or_default();
        blocks.into_iter().next().map(|block| block.der).unwrap_or_default()
    };
    let ders = |value: &Value| texts(value).into_iter().map(der).collect::<Vec<_>>();
    let cases = table["testcases"].as_array().map(Vec::as_slice).unwrap_or_default();
    cases
        .iter()
        .filter_map(|case| {
            let id = case["id"].as_str().filter(|id| wanted.contains(id))?;
            let at = case["validation_time"].as_str().unwrap_or("2026-09-01T00:00:00Z");
            Some(PathCase {
                set: "x509-limbo",
                id: id.to_owned(),
                anchors: ders(&case["trusted_certs"]),
                intermediates: ders(&case["untrusted_intermediates"]),
                lists: ders(&case["crls"]),
                leaf: der(case["peer_certificate"].as_str().unwrap_or_default()),
                at: Time::parse_rfc3339(at)?,
                policies: None,
                require_explicit_policy: false,
                inhibit_policy_mapping: false,
                inhibit_any_policy: false,
                depth: case["max_chain_depth"].as_u64(),
            })
        })
        .collect()
}
