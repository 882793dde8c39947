//! CASES N-01, T-40…T-54: every entry with changed seeds, the same ones in every run.

use std::panic::catch_unwind;
use std::time::Instant;

use entries::ENTRIES;
use testkit::Mutator;

/// Octets that each entry gets to see, so that slow ones take no longer than others.
const OCTETS: usize = 1 << 20;
const MOST_RUNS: usize = 1_500;

fn seed() -> u64 {
    std::env::var("SEALPOST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_125)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Runs every entry whose place in the table has this remainder by 4: the tests go in parallel.
fn run(share: usize) {
    for entry in ENTRIES.iter().skip(share).step_by(4) {
        let (mut mutator, seeds) = (Mutator::new(seed()), entry.seeds());
        for sample in &seeds {
            (entry.run)(sample);
        }
        let (mut octets, mut runs) = (0, 0);
        while octets < OCTETS && runs < MOST_RUNS {
            let mut bytes = seeds[mutator.below(seeds.len())].clone();
            bytes = mutator.mutate(&bytes);
            for _ in 0..mutator.below(3) {
                bytes = mutator.mutate(&bytes);
            }
            octets += bytes.len();
            runs += 1;
            let one = Instant::now();
            if catch_unwind(|| (entry.run)(&bytes)).is_err() {
                panic!("{} with the seed {}: {}", entry.name, seed(), hex(&bytes));
            }
            // A hang, not a slow machine.
            assert!(one.elapsed().as_secs() < 60, "{} takes too long: {}", entry.name, hex(&bytes));
        }
    }
}

#[test]
fn every_entry_has_a_fuzz_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    for entry in ENTRIES {
        let target = std::fs::read_to_string(format!("{folder}/fuzz_targets/{}.rs", entry.name)).unwrap();
        assert!(target.contains(&format!("entries::run(\"{}\", bytes)", entry.name)), "{}", entry.name);
        assert!(manifest.contains(&format!("name = \"{}\"\n", entry.name)), "{}", entry.name);
    }
    assert_eq!(std::fs::read_dir(format!("{folder}/fuzz_targets")).unwrap().count(), ENTRIES.len());
}

#[test]
fn n_01_entries_hold_what_they_promise_1() {
    run(0);
}

#[test]
fn n_01_entries_hold_what_they_promise_2() {
    run(1);
}

#[test]
fn n_01_entries_hold_what_they_promise_3() {
    run(2);
}

#[test]
fn n_01_entries_hold_what_they_promise_4() {
    run(3);
}
