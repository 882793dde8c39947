//! Pairs of runs, one of ours and one of the rival's in turn, so that whatever disturbs the machine disturbs both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How thoroughly.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// How long each side of a round takes at least.
    pub slice: Duration,
    /// Only our side, for so long: for a profiler.
    pub ours_for: Option<Duration>,
}

/// What came out of one comparison. Times are those of one operation.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub ours: Duration,
    pub theirs: Option<Duration>,
    pub floor: Option<Duration>,
    /// The rival's time by ours: the median of the pairs, and the quarters below and above it.
    pub ratio: Option<(f64, f64, f64)>,
}

/// Something to measure.
pub type Work<'a> = Box<dyn FnMut() + 'a>;

/// Counts the processor's time instead of the clock's: on a machine that others use, too.
pub static PROCESSOR_TIME: AtomicBool = AtomicBool::new(false);

fn now() -> Duration {
    let clock =
        if PROCESSOR_TIME.load(Ordering::Relaxed) { libc::CLOCK_PROCESS_CPUTIME_ID } else { libc::CLOCK_MONOTONIC };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn time(work: &mut Work<'_>, times: u32) -> Duration {
    let begin = now();
    for _ in 0..times {
        work();
    }
    (now() - begin) / times
}

fn fitting(work: &mut Work<'_>, slice: Duration) -> u32 {
    let one = time(work, 1).max(Duration::from_nanos(100));
    // A second look, warm, where one is cheap.
    let one = if one * 20 < slice { time(work, 10).max(Duration::from_nanos(100)) } else { one };
    u32::try_from(slice.as_nanos() / one.as_nanos()).unwrap_or(1).max(1)
}

fn middle<T: Copy>(sorted: &[T], part: f64) -> T {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    middle(&times, 0.5)
}

/// Runs the pairs.
pub fn compare(effort: Effort, mut ours: Work<'_>, theirs: Option<Work<'_>>, floor: Option<Work<'_>>) -> Comparison {
    if let Some(length) = effort.ours_for {
        let (begin, mut times) = (Instant::now(), 0);
        while begin.elapsed() < length {
            ours();
            times += 1;
        }
        let ours = begin.elapsed() / times;
        return Comparison { ours, theirs: None, floor: None, ratio: None };
    }
    let mut theirs = theirs;
    let mut floor = floor;
    let ours_times = fitting(&mut ours, effort.slice);
    let theirs_times = theirs.as_mut().map(|work| fitting(work, effort.slice));
    let floor_times = floor.as_mut().map(|work| fitting(work, effort.slice / 4));
    let (mut a, mut b, mut f, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let mut pair = (Duration::ZERO, None);
        // Who goes first changes from round to round.
        for step in 0..2 {
            if (round + step) % 2 == 0 {
                pair.0 = time(&mut ours, ours_times);
            } else if let (Some(work), Some(times)) = (&mut theirs, theirs_times) {
                pair.1 = Some(time(work, times));
            }
        }
        if let (Some(work), Some(times)) = (&mut floor, floor_times) {
            f.push(time(work, times));
        }
        a.push(pair.0);
        if let Some(theirs) = pair.1 {
            b.push(theirs);
            ratios.push(theirs.as_secs_f64() / pair.0.as_secs_f64());
        }
    }
    ratios.sort_unstable_by(f64::total_cmp);
    Comparison {
        ours: median(a),
        theirs: (!b.is_empty()).then(|| median(b)),
        floor: (!f.is_empty()).then(|| median(f)),
        ratio: (!ratios.is_empty()).then(|| (middle(&ratios, 0.25), middle(&ratios, 0.5), middle(&ratios, 0.75))),
    }
}

/// Pins this process, and what it starts, to one core.
pub fn pin() -> bool {
    // SAFETY: a zeroed cpu_set_t is an empty set, and the pointer is to one.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let core = libc::sched_getcpu();
        libc::CPU_SET(usize::try_from(core).unwrap_or(0), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// Lets it run on all cores again.
pub fn unpin() {
    // SAFETY: as above.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (0..usize::try_from(libc::CPU_SETSIZE).unwrap_or(1024)).for_each(|core| libc::CPU_SET(core, &mut set));
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}
