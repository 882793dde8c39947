//! Benchmarks against peers, in this process and as whole processes, with their peak memory.
//!
//! `cargo xtask bench` builds and runs it; see `docs/reference/benchmarks.md` for what it found.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

mod floor;
mod material;
mod measure;
mod ours;
mod peer;
mod processes;
mod report;
mod rows;

use measure::Effort;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, line)) = arguments.split_first()
        && first == "--peak-of"
    {
        return processes::peak_of(line);
    }
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
    };
    let quick = flag("--quick");
    let ours_for = value("--ours-for").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let effort = Effort {
        rounds: if quick { 7 } else { 31 },
        slice: Duration::from_millis(if quick { 10 } else { 40 }),
        ours_for,
    };
    let heavy = Effort { rounds: if quick { 3 } else { 31 }, slice: Duration::from_millis(1), ours_for };
    let kept = std::env::temp_dir().join("sealpost-bench-keys");
    let _ = std::fs::create_dir_all(&kept);
    let material = material::Material::new(&kept);
    let only = value("--only").unwrap_or_default();
    let mut plan = rows::Plan { material: &material, effort, heavy, only: &only, rows: Vec::new() };
    measure::pin();
    measure::PROCESSOR_TIME.store(flag("--processor-time"), Relaxed);
    plan.small_mails();
    plan.large_mails(if quick { 16 << 20 } else { 100 << 20 });
    measure::PROCESSOR_TIME.store(false, Relaxed);
    let (mut peaks, mut sizes) = (Vec::new(), Vec::new());
    let temporary = tempfile::tempdir().expect("a folder");
    if let Some(sealpost) = value("--sealpost") {
        let folder = processes::Folder::new(temporary.path(), sealpost.as_ref(), &material);
        plan.processes(&folder);
        measure::unpin();
        if only.is_empty() || only == "memory" {
            sizes = if quick { vec![10, 100] } else { vec![100, 1024] };
            if flag("--large") {
                sizes.push(4096);
            }
            peaks = processes::peaks(&folder, &sizes);
            peaks.iter().for_each(|peak| println!("{}", peak.line()));
        }
    }
    measure::unpin();
    plan.two_threads_for_many();
    plan.two_threads();
    if let Some(output) = value("--output") {
        std::fs::write(output, report::page(&plan.rows, &peaks, &sizes, effort.rounds)).expect("a page");
    }
}
