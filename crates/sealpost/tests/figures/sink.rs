//! A server that takes everything, counts it, and remembers when each message was there.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Seen {
    count: AtomicUsize,
    /// By Message-ID; only of those that have one of ours.
    at: Mutex<HashMap<String, Instant>>,
    /// One of them, whole.
    sample: Mutex<Vec<u8>>,
}

/// It ends with the process.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Seen::default()));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.count.load(Ordering::SeqCst)
    }

    pub(crate) fn sample(&self) -> Vec<u8> {
        self.seen.sample.lock().unwrap().clone()
    }

    /// Waits until so many have come since the beginning.
    pub(crate) fn wait_for(&self, count: usize) {
        let since = Instant::now();
        while self.count() < count {
            assert!(since.elapsed() < Duration::from_secs(180), "{} of {count} came", self.count());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// When a message was there.
    pub(crate) fn arrived(&self, message_id: &str) -> Option<Instant> {
        self.seen.at.lock().unwrap().get(message_id).copied()
    }
}

/// A client that goes away ends its session, and nothing else.
fn serve(stream: TcpStream, seen: &Seen) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut out = stream.try_clone().ok()?;
    let mut input = BufReader::with_capacity(65_536, stream);
    out.write_all(b"220 sink.example ESMTP\r\n").ok()?;
    let (mut line, mut answers) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" => answers.extend_from_slice(b"250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
            b"DATA" => {
                answers.extend_from_slice(b"354 go on\r\n");
                out.write_all(&answers).ok()?;
                answers.clear();
                content(&mut input, seen)?;
                answers.extend_from_slice(b"250 2.0.0 taken\r\n");
            }
            b"QUIT" => {
                out.write_all(b"221 2.0.0 bye\r\n").ok()?;
                return None;
            }
            _ => answers.extend_from_slice(b"250 2.0.0 ok\r\n"),
        }
        if input.buffer().is_empty() {
            out.write_all(&answers).ok()?;
            answers.clear();
        }
    }
}

fn content(input: &mut BufReader<TcpStream>, seen: &Seen) -> Option<()> {
    let (mut line, mut message_id, mut in_header) = (Vec::new(), None, true);
    let mut sample = (seen.count.load(Ordering::SeqCst) == 0).then(Vec::new);
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            break;
        }
        in_header &= line != b"\r\n";
        if in_header && line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case(b"Message-ID:")) {
            message_id = line.get(11..).map(|rest| String::from_utf8_lossy(rest).trim().to_owned());
        }
        if let Some(sample) = &mut sample {
            sample.extend_from_slice(&line);
        }
    }
    let now = Instant::now();
    if let Some(message_id) = message_id.filter(|id| id.starts_with("<figure-")) {
        seen.at.lock().ok()?.insert(message_id, now);
    }
    if let Some(sample) = sample {
        *seen.sample.lock().ok()? = sample;
    }
    seen.count.fetch_add(1, Ordering::SeqCst);
    Some(())
}
