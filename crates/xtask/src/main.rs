//! The project's own commands: `cargo xtask check | vectors | bench | fuzz | interop | gen`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks")]

use std::process::ExitCode;

mod advisories;
mod attacks;
mod bench;
mod check;
mod citations;
mod deb;
mod edges;
mod faults;
mod fuzz;
mod generate;
mod interop;
mod licences;
mod process;
mod rfc_status;
mod screenshots;
mod vectors;

const HELP: &str = "\
usage: cargo xtask COMMAND

  check            fmt, clippy, docs, edges of the map, licences, advisories, citations
  bench [--quick] [--large] [--only TEXT]
                   time and memory against the peers; writes docs/reference/benchmarks.md
  bench gateway [--quick]
                   the gateway beside Postfix and what people build; writes docs/reference/gateway-figures.md
  vectors [SET]    every set of test vectors: passed, failed, listed
  deb              the Debian package, built and installed in a folder of its own
  fuzz [TARGET] [--smoke | --seconds N]
                   the fuzz targets, a minute each unless said otherwise
  faults [K M]     gateways killed K times under M messages, and 1,000 messages under each kind of misbehaviour of next
                   hops, written into docs/reference/reliability.md
  soak [MINUTES]   a gateway for an hour with one fault in a hundred: memory, descriptors, ledger; written there too
  screenshots      the pictures in the documentation, out of the demonstration
  interop          what we write others read, and the other way round; writes docs/reference/interop.md
  gen [--check]    the references that are generated from the code
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match (command.as_str(), rest.as_slice()) {
        ("check", []) => check::run(),
        ("bench", [what]) if what == "gateway" => bench::gateway(false),
        ("bench", [what, flag]) if what == "gateway" && flag == "--quick" => bench::gateway(true),
        ("bench", arguments) => bench::run(arguments),
        ("vectors", []) => vectors::run(None),
        ("vectors", [set]) => vectors::run(Some(set)),
        ("deb", []) => deb::run(),
        ("fuzz", options) => fuzz::run(options),
        ("faults", []) => faults::run("2000", "200000"),
        ("faults", [kills, messages]) => faults::run(kills, messages),
        ("soak", []) => faults::soak("60"),
        ("soak", [minutes]) => faults::soak(minutes),
        ("screenshots", []) => screenshots::run(),
        ("gen", []) => generate::run(false).map(|_| ()),
        ("gen", [flag]) if flag == "--check" => generate::run(true).map(|_| ()),
        ("interop", []) => interop::run(),
        ("help" | "--help" | "-h" | "", _) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("unknown command: {command} {}\n{HELP}", rest.join(" "))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
