use std::time::Instant;

use crate::process::cargo;
use crate::{advisories, attacks, citations, edges, licences, rfc_status};

type Step = fn() -> Result<String, String>;

/// What must hold before each commit; CI runs the same.
pub(crate) fn run() -> Result<(), String> {
    let steps: [(&str, Step); 8] = [
        ("fmt", || cargo(&["fmt", "--all", "--check"], &[]).map(|()| String::new())),
        ("edges", edges::check),
        ("licences", licences::check),
        ("advisories", advisories::check),
        ("citations", citations::check),
        ("references", || Ok(rfc_status::check()? + &attacks::check()?)),
        ("clippy", || {
            cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"], &[])
                .map(|()| String::new())
        }),
        ("docs", || {
            cargo(&["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "--deny warnings")])
                .map(|()| String::new())
        }),
    ];
    let mut failures = Vec::new();
    for (name, step) in steps {
        let begin = Instant::now();
        match step() {
            Ok(said) => println!("{name:<11} ok {:>6.1} s  {said}", begin.elapsed().as_secs_f32()),
            Err(why) => {
                println!("{name:<11} FAILED\n{why}");
                failures.push(name);
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("check failed: {}", failures.join(", "))) }
}
