//! What came out, as a page of the reference.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

/// Mails a second, once for each round.
#[derive(Debug, Default)]
pub(crate) struct Spread(pub(crate) Vec<f64>);

impl Spread {
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    fn cell(&self) -> String {
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(0.0, f64::max);
        format!("{:.0} ({low:.0}–{high:.0})", self.median())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lmtp {
    pub(crate) speed: Spread,
    pub(crate) cpu: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Direct {
    pub(crate) speed: Spread,
    pub(crate) cpu: Duration,
    pub(crate) floor: Duration,
}

/// Memory in KiB.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) none: u64,
    pub(crate) with_idle: u64,
    pub(crate) most: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) nothing: Spread,
    pub(crate) relay: Spread,
    pub(crate) pipe_signs: Spread,
    pub(crate) pipe_encrypts: Spread,
    pub(crate) lmtp: Lmtp,
    pub(crate) direct_rsa: Direct,
    pub(crate) direct_p256: Direct,
    /// Sorted.
    pub(crate) latency: Vec<Duration>,
    pub(crate) connections: Connections,
}

impl Figures {
    pub(crate) fn to_page(&self, scale: f64) -> String {
        let mut page = format!(
            "# What the gateway takes\n\n\
             Written by `cargo xtask bench gateway`: one run on one machine, everything on loopback and on one disk, mails\n\
             of 10 KiB in ten sessions, keys of RSA 2048 where nothing else is said, three rounds each after a warm-up.\n\
             Speeds are mails a second from the first octet sent to the last octet that arrived: the middle round, and the\n\
             slowest and the fastest.\n\n{}\n\n## Speed\n\n| between source and sink | mails a second |\n|---|---:|\n",
            machine(scale)
        );
        for (what, speed) in [
            ("nothing", &self.nothing),
            ("Postfix alone, relaying", &self.relay),
            ("Postfix with a pipe filter that calls `openssl cms -sign`", &self.pipe_signs),
            ("Postfix with a pipe filter that calls `openssl cms -encrypt`", &self.pipe_encrypts),
            ("Postfix with Sealpost by LMTP, signing", &self.lmtp.speed),
            ("Sealpost, signing and encrypting", &self.direct_rsa.speed),
            ("Sealpost, signing and encrypting with P-256", &self.direct_p256.speed),
        ] {
            let _ = writeln!(page, "| {what} | {} |", speed.cell());
        }
        page.push_str("\n## What was set out\n\n| | reached | set out | |\n|---|---:|---:|---|\n");
        let lmtp = self.lmtp.speed.median();
        let (rsa, p256) = (self.direct_rsa.speed.median(), self.direct_p256.speed.median());
        let mut row = |what: &str, reached: String, set_out: String, is: bool| {
            let _ = writeln!(page, "| {what} | {reached} | {set_out} | {} |", if is { "yes" } else { "no" });
        };
        let times = lmtp / self.pipe_signs.median();
        row("by LMTP, signing, against the pipe filter", format!("{times:.1}×"), "≥ 4×".into(), times >= 4.0);
        let part = lmtp / self.relay.median() * 100.0;
        row("by LMTP, signing, of what Postfix relays alone", format!("{part:.0} %"), "≥ 45 %".into(), part >= 45.0);
        row("signing and encrypting, RSA", format!("{rsa:.0}/s"), "≥ 800/s".into(), rsa >= 800.0);
        row("signing and encrypting, P-256", format!("{p256:.0}/s"), "≥ 1000/s".into(), p256 >= 1_000.0);
        for (name, direct) in [("RSA", &self.direct_rsa), ("P-256", &self.direct_p256)] {
            let most = direct.floor.mul_f64(1.25) + Duration::from_micros(250);
            row(
                &format!("processor time a mail, {name}; the bare cryptography takes {} µs", direct.floor.as_micros()),
                format!("{} µs", direct.cpu.as_micros()),
                format!("≤ {} µs", most.as_micros()),
                direct.cpu <= most,
            );
        }
        let percentile = |part: usize| {
            let at = (self.latency.len() * part / 1_000).min(self.latency.len().saturating_sub(1));
            self.latency.get(at).copied().unwrap_or_default()
        };
        let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        let p99 = percentile(990);
        row(
            &format!(
                "99 of 100 mails at half load, last octet in to last octet out (half of them: {})",
                milliseconds(percentile(500))
            ),
            milliseconds(p99),
            "≤ 25 ms".into(),
            p99 <= Duration::from_millis(25),
        );
        let Connections { none, with_idle, most } = self.connections;
        row(
            &format!(
                "memory with 1,000 idle and 200 busy connections (none: {} MiB, 1,000 idle: {} MiB)",
                none / 1_024,
                with_idle / 1_024
            ),
            format!("{} MiB", most / 1_024),
            "≤ 150 MiB".into(),
            most <= 150 * 1_024,
        );
        let _ = writeln!(
            page,
            "\nBy LMTP Sealpost itself takes {} µs of processor time a mail.",
            self.lmtp.cpu.as_micros()
        );
        page
    }
}

fn machine(scale: f64) -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let openssl = Command::new("openssl").arg("version").output();
    let openssl = openssl.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let openssl: Vec<&str> = openssl.split_whitespace().take(2).collect();
    let small = if scale < 1.0 { " A short run: the numbers say little." } else { "" };
    format!(
        "{model}, {cores} processors; Linux {}; Postfix {}; {}; Sealpost {}, one process.{small}",
        kernel.trim(),
        testkit::Postfix::version(),
        openssl.join(" "),
        env!("CARGO_PKG_VERSION"),
    )
}
