use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::must;

/// A PostgreSQL server of its own, from Debian's `postgresql-15`, on a socket in a folder that goes with it.
#[derive(Debug)]
pub struct Postgres {
    folder: tempfile::TempDir,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot be started: without it a test has not been run.
    #[allow(clippy::panic, reason = "a test that cannot be set up must not go on")]
    pub fn start() -> Self {
        if !Path::new(PROGRAMS).join("initdb").exists() {
            panic!("{PROGRAMS}/initdb is missing: install the Debian package postgresql-15");
        }
        let folder = must(tempfile::Builder::new().prefix("pg").tempdir_in("/tmp"));
        let server = Self { user: server_user(folder.path()), folder };
        let data = server.data();
        server.run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let options = server.options();
        let log = server.folder.path().join("log").display().to_string();
        server.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]);
        server
    }

    /// Where it is, for `Directory::open`.
    pub fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/postgres")
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Takes it down as a crash would, and up again.
    pub fn restart(&self) {
        let (data, options) = (self.data(), self.options());
        let log = self.folder.path().join("log").display().to_string();
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-m", "immediate", "-w", "restart"]);
    }

    /// Takes it down for good: for whoever cannot drop it.
    pub fn stop(&self) {
        let data = self.data();
        let _ = self.command("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]).status();
    }

    fn options(&self) -> String {
        format!("-k {} -h '' -c fsync=off", self.folder.path().display())
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    #[allow(clippy::panic, reason = "a test that cannot be set up must not go on")]
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = self.command(program, arguments);
        let since = Instant::now();
        let status = must(command.status());
        if !status.success() || since.elapsed() > Duration::from_secs(120) {
            panic!("{program} failed: {status}");
        }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(PathBuf::from(PROGRAMS).join(program));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

// The server refuses to run as root; Debian's package brings a user for it.
fn server_user(folder: &Path) -> Option<(u32, u32)> {
    let passwords = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwords.lines().find(|line| line.starts_with("postgres:"))?;
    let mut numbers = line.split(':').skip(2).map_while(|field| field.parse::<u32>().ok());
    let (user, group) = (numbers.next()?, numbers.next()?);
    // Only root may give a folder away; anybody else runs the server as themselves.
    chown(folder, Some(user), Some(group)).ok()?;
    Some((user, group))
}

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
