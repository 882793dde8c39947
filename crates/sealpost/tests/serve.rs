//! `sealpost serve` as an operator has it: it starts, reads its configuration again, and stops when told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Served(Child);

impl Served {
    fn start(config: &Path, role: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.args(["serve", "--role", role, "--config"]).arg(config).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// The same with what it says in the file `log` beside the configuration.
    fn start_with_log(config: &Path) -> (Self, PathBuf) {
        let log = config.with_file_name("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.args(["serve", "--config"]).arg(config).stderr(std::fs::File::create(&log).unwrap());
        (Self(command.spawn().unwrap()), log)
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn ended(mut self) -> Option<i32> {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An installation that the demonstration has left behind: configuration, database and keys.
fn installation(folder: &Path) -> PathBuf {
    let status = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(["demo", "--once", "--smtp-port", "0", "--http-port", "0", "--data"])
        .arg(folder)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    folder.join("sealpost.toml")
}

fn addresses(config: &str) -> Vec<SocketAddr> {
    let values = config.lines().filter_map(|line| line.strip_prefix("address = "));
    values.map(|value| value.trim_matches('"').parse().unwrap()).collect()
}

/// Waits until `what` is so; nothing here depends on how long that takes.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).is_ok_and(|()| &greeting == b"220 ")
}

fn page(address: SocketAddr) -> Option<String> {
    ureq::get(format!("http://{address}/")).call().ok()?.into_body().read_to_string().ok()
}

#[test]
fn r_11_a_broken_configuration_leaves_everything_as_it_is_and_a_good_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = installation(folder.path());
    let text = std::fs::read_to_string(&file).unwrap();
    let [inside, outside, pages] = addresses(&text)[..] else { panic!("{text}") };
    // Monitoring on a port that nobody else has.
    let watch = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("{text}\n[watch]\naddress = \"{watch}\"\n");
    std::fs::write(&file, &text).unwrap();
    let served = Served::start(&file, "all");
    wait_until("it does not start", || greets(inside) && greets(outside) && page(pages).is_some());

    let asked =
        |path: &str| ureq::get(format!("http://{watch}{path}")).call().unwrap().into_body().read_to_string().unwrap();
    assert_eq!(asked("/readyz"), "ready\n");
    let metrics = asked("/metrics");
    assert!(metrics.contains("sealpost_requests_open 0") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(metrics.matches("# EOF").count(), 1);

    std::fs::write(&file, text.replace("deadline_days = 7", "deadline_days = 0")).unwrap();
    served.signal("HUP");
    std::fs::write(&file, text.replace("deadline_days = 7", "no such key = 1")).unwrap();
    served.signal("HUP");
    assert!(greets(inside) && page(pages).is_some_and(|page| page.contains("Muster Versicherungsmakler")));

    std::fs::write(&file, text.replace("Muster Versicherungsmakler GmbH", "Andere Makler AG")).unwrap();
    served.signal("HUP");
    wait_until("the new name is not shown", || page(pages).is_some_and(|page| page.contains("Andere Makler AG")));
    wait_until("mail does not come in", || greets(inside) && greets(outside));

    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
    assert!(!greets(inside));
}

fn says(log: &Path, what: &str) -> bool {
    std::fs::read_to_string(log).unwrap().contains(what)
}

#[test]
fn r_11_a_new_configuration_whose_database_is_away_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = installation(folder.path());
    let text = std::fs::read_to_string(&file).unwrap();
    let [inside, ..] = addresses(&text)[..] else { panic!("{text}") };
    let (served, log) = Served::start_with_log(&file);
    wait_until("it does not start", || greets(inside));

    let mut session = TcpStream::connect(inside).unwrap();
    session.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut greeted = BufReader::new(session.try_clone().unwrap());
    let mut answer = String::new();
    greeted.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("220 "), "{answer}");

    let away = text.replace("sqlite:sealpost.db", "sqlite:nowhere/sealpost.db");
    assert_ne!(away, text);
    std::fs::write(&file, away).unwrap();
    served.signal("HUP");
    wait_until("the new configuration is used", || says(&log, "the new configuration is not used"));
    // Whoever was there before is still spoken to.
    session.write_all(b"NOOP\r\n").unwrap();
    answer.clear();
    greeted.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("250 ") && greets(inside), "{answer}");

    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
}

/// `serve` after a reload with which neither the new configuration starts, for its address is taken, nor the old one,
/// for its master key is gone.
fn with_nothing_that_starts(folder: &Path) -> (Served, std::net::TcpListener) {
    let file = installation(folder);
    let text = std::fs::read_to_string(&file).unwrap();
    let [inside, ..] = addresses(&text)[..] else { panic!("{text}") };
    let (served, log) = Served::start_with_log(&file);
    wait_until("it does not start", || greets(inside));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let there = taken.local_addr().unwrap().to_string();
    let new = text.replace(&inside.to_string(), &there).replace("\"master.key\"", "\"moved.key\"");
    std::fs::rename(folder.join("master.key"), folder.join("moved.key")).unwrap();
    std::fs::write(&file, new).unwrap();
    served.signal("HUP");
    wait_until("something starts", || says(&log, "nor does the one before"));
    (served, taken)
}

#[test]
fn r_11_after_a_reload_it_goes_on_trying_until_it_can_listen() {
    let folder = tempfile::tempdir().unwrap();
    let (served, taken) = with_nothing_that_starts(folder.path());
    let address = taken.local_addr().unwrap();
    drop(taken);
    wait_until("it has given up", || greets(address));
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
}

#[test]
fn r_16_it_is_told_to_stop_while_it_reads_its_configuration_again() {
    let folder = tempfile::tempdir().unwrap();
    let (served, _taken) = with_nothing_that_starts(folder.path());
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
}

#[test]
fn a_master_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = installation(folder.path());
    let [inside, ..] = addresses(&std::fs::read_to_string(&file).unwrap())[..] else { panic!() };
    for (mode, is_warned) in [(0o600, false), (0o644, true)] {
        let key = folder.path().join("master.key");
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(mode)).unwrap();
        let (served, log) = Served::start_with_log(&file);
        wait_until("it does not start", || greets(inside));
        assert_eq!(says(&log, "the master key can be read by others on this machine"), is_warned, "{mode:o}");
        served.signal("TERM");
        assert_eq!(served.ended(), Some(0));
    }
}

#[test]
fn what_the_readme_says_runs_word_by_word() {
    let readme = include_str!("../../../README.md");
    let (_, part) = readme.split_once("## Run it\n").unwrap();
    let (_, block) = part.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (before, serve) = block.split_once("sealpost serve ").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_sealpost");
    let script = format!("set -e\nsealpost() {{ '{program}' \"$@\"; }}\n{before}");
    let done = Command::new("sh").arg("-c").arg(script).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("is in order"), "{said}");

    // Its ports may be taken here.
    let file = folder.path().join("sealpost.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut free = text.clone();
    for address in addresses(&text) {
        free = free.replace(&format!("address = \"{address}\""), "address = \"127.0.0.1:0\"");
    }
    std::fs::write(&file, free).unwrap();
    let words: Vec<&str> = serve.lines().next().unwrap().split_whitespace().take_while(|word| *word != "#").collect();
    let log = folder.path().join("log");
    let mut command = Command::new(program);
    command.arg("serve").args(words).current_dir(folder.path()).stderr(std::fs::File::create(&log).unwrap());
    let served = Served(command.spawn().unwrap());
    wait_until("it does not start", || says(&log, "pages are served"));
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
}

#[test]
fn t_35_a_core_dump_has_no_memory_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = installation(folder.path());
    let [inside, ..] = addresses(&std::fs::read_to_string(&file).unwrap())[..] else { panic!() };
    let served = Served::start(&file, "gateway");
    wait_until("it does not start", || greets(inside));
    let filter = std::fs::read_to_string(format!("/proc/{}/coredump_filter", served.0.id())).unwrap();
    assert_eq!(u32::from_str_radix(filter.trim(), 16), Ok(0), "{filter}");
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
}

#[test]
fn t_125_the_portal_starts_without_the_master_key_and_the_gateway_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = installation(folder.path());
    let [inside, _, pages] = addresses(&std::fs::read_to_string(&file).unwrap())[..] else { panic!() };
    std::fs::remove_file(folder.path().join("master.key")).unwrap();
    assert_eq!(Served::start(&file, "gateway").ended(), Some(2));
    let served = Served::start(&file, "portal");
    wait_until("the pages do not come", || page(pages).is_some());
    assert!(!greets(inside), "the portal's role takes mail");
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
    // Another key than the one that the private keys are sealed with.
    std::fs::write(folder.path().join("master.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    assert_eq!(Served::start(&file, "gateway").ended(), Some(2));
}
