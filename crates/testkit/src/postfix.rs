use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::must;

/// A Postfix instance in a folder of its own.
#[derive(Debug)]
pub struct Postfix {
    folder: PathBuf,
    in_its_place: bool,
}

/// What every instance has: the page says the rest.
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts one that tries again soon; `overrides` come after what the page says.
    pub fn start(folder: &Path, main: &str, master: &str, overrides: &str) -> Self {
        let soon = "smtp_address_preference = ipv4\nsmtpd_client_restrictions =\nminimal_backoff_time = 2s\n\
                    maximal_backoff_time = 4s\nqueue_run_delay = 2s\n";
        Self::run(folder, &format!("{soon}\n{main}\n{overrides}"), master, false)
    }

    /// Starts one whose folder is `/etc/postfix` for all that it calls: what gives mail back finds the right one.
    pub fn start_in_its_place(folder: &Path, main: &str, master: &str) -> Self {
        must(std::fs::create_dir_all(folder));
        // What Debian keeps beside the configuration, and Postfix looks for at its start.
        for name in ["postfix-files", "dynamicmaps.cf"] {
            if Path::new("/etc/postfix").join(name).exists() {
                must(std::fs::copy(Path::new("/etc/postfix").join(name), folder.join(name)));
            }
        }
        for name in ["postfix-files.d", "dynamicmaps.cf.d"] {
            must(std::fs::create_dir_all(folder.join(name)));
        }
        Self::run(folder, main, master, true)
    }

    fn run(folder: &Path, main: &str, master: &str, in_its_place: bool) -> Self {
        assert!(Path::new("/usr/sbin/postfix").exists(), "Postfix is missing: install the Debian package postfix");
        let (queue, data) = (folder.join("queue"), folder.join("data"));
        for each in [folder, &queue, &data] {
            must(std::fs::create_dir_all(each));
        }
        folder.parent().into_iter().chain([folder]).for_each(open);
        let (user, group) = user("postfix");
        chown(&data, Some(user), Some(group)).expect("Postfix is started by root alone: run this test as root");
        let base = format!(
            "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\nmail_owner = postfix\n\
             setgid_group = postdrop\nmyhostname = mx.inside.example\nmydestination =\nalias_maps =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmaillog_file_prefixes = {}\nmaillog_file = {}\n\
             disable_dns_lookups = yes\n",
            queue.display(),
            data.display(),
            folder.display(),
            folder.join("mail.log").display(),
        );
        must(std::fs::write(folder.join("main.cf"), format!("{base}\n{main}\n")));
        must(std::fs::write(folder.join("master.cf"), format!("{SERVICES}{master}\n")));
        let this = Self { folder: folder.to_owned(), in_its_place };
        let output = must(this.postfix("start").output());
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), this.log());
        this
    }

    fn postfix(&self, argument: &str) -> Command {
        if !self.in_its_place {
            return self.command("postfix", &[argument]);
        }
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/postfix && exec /usr/sbin/postfix \"$@\""])
            .arg(&self.folder)
            .arg(argument)
            .stdin(Stdio::null());
        command
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(format!("/usr/sbin/{program}"));
        command.arg("-c").arg(&self.folder).args(arguments).stdin(Stdio::null());
        command
    }

    /// Which one is installed.
    pub fn version() -> String {
        let output = Command::new("postconf").args(["-d", "-h", "mail_version"]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }

    /// What waits in its queue, and why.
    pub fn queue(&self) -> String {
        let output = must(self.command("postqueue", &["-p"]).output());
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Tries everything in the queue now.
    pub fn flush(&self) {
        let _ = self.command("postqueue", &["-f"]).output();
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("mail.log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.postfix("abort").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// An address on loopback that nobody listens at: never the same in one process, and none that the system gives to a
/// connection meanwhile (`ip_local_port_range` begins at 32768).
pub fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Tests of several processes begin at different places.
    let begin = std::process::id().wrapping_mul(97);
    loop {
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_000 + must(u16::try_from(place));
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return must(listener.local_addr());
        }
    }
}

/// The servers' own users have to come by.
pub(crate) fn open(folder: &Path) {
    must(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)));
}

/// A user's number, and the group's.
pub fn user(name: &str) -> (u32, u32) {
    let passwords = must(std::fs::read_to_string("/etc/passwd"));
    let line = passwords.lines().find(|line| line.split(':').next() == Some(name));
    let mut numbers = line.into_iter().flat_map(|line| line.split(':').skip(2)).filter_map(|field| field.parse().ok());
    let both = numbers.next().zip(numbers.next());
    must(both.ok_or_else(|| format!("there is no user {name}")))
}
