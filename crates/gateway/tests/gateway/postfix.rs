//! Postfix and Dovecot, with configurations of a test's own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Postfix instance in a folder of its own.
pub(crate) struct Postfix {
    folder: PathBuf,
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
    /// Starts one; `overrides` come after what the page says.
    pub(crate) fn start(folder: &Path, main: &str, master: &str, overrides: &str) -> Self {
        assert!(Path::new("/usr/sbin/postfix").exists(), "Postfix is missing: install the Debian package postfix");
        std::fs::create_dir_all(folder).unwrap();
        open(folder.parent().unwrap());
        let (queue, data) = (folder.join("queue"), folder.join("data"));
        std::fs::create_dir_all(&queue).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        open(folder);
        let (user, group) = user("postfix");
        chown(&data, Some(user), Some(group)).expect("Postfix is started by root alone: run this test as root");
        let base = format!(
            "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\nmail_owner = postfix\n\
             setgid_group = postdrop\nmyhostname = mx.inside.example\nmydestination =\nalias_maps =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmaillog_file_prefixes = {}\nmaillog_file = {}\n\
             smtp_address_preference = ipv4\nsmtpd_client_restrictions =\nminimal_backoff_time = 2s\n\
             maximal_backoff_time = 4s\nqueue_run_delay = 2s\ndisable_dns_lookups = yes\n",
            queue.display(),
            data.display(),
            folder.display(),
            folder.join("mail.log").display(),
        );
        std::fs::write(folder.join("main.cf"), format!("{base}\n{main}\n{overrides}\n")).unwrap();
        std::fs::write(folder.join("master.cf"), format!("{SERVICES}{master}\n")).unwrap();
        let this = Self { folder: folder.to_owned() };
        let output = this.command("postfix", &["start"]).output().unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), this.log());
        this
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(format!("/usr/sbin/{program}"));
        command.arg("-c").arg(&self.folder).args(arguments).stdin(Stdio::null());
        command
    }

    /// What waits in its queue, and why.
    pub(crate) fn queue(&self) -> String {
        let output = self.command("postqueue", &["-p"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Tries everything in the queue now.
    pub(crate) fn flush(&self) {
        let _ = self.command("postqueue", &["-f"]).output();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("mail.log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command("postfix", &["abort"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Dovecot, taking mail by LMTP into Maildirs.
pub(crate) struct Dovecot {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Dovecot {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::with(folder, "protocols = lmtp\nssl = no\nmail_location = maildir:~/Maildir\n", "nopassword=yes")
    }

    /// With more in its configuration, and what everybody's password is.
    pub(crate) fn with(folder: &Path, more: &str, password: &str) -> Self {
        assert!(
            Path::new("/usr/lib/dovecot/lmtp").exists(),
            "Dovecot is missing: install the Debian packages dovecot-core and dovecot-lmtpd"
        );
        let mail = folder.join("boxes");
        std::fs::create_dir_all(&mail).unwrap();
        open(folder.parent().unwrap());
        open(folder);
        let (user, group) = user("nobody");
        chown(&mail, Some(user), Some(group)).expect("Dovecot is started by root alone: run this test as root");
        let address = free();
        let config = format!(
            "base_dir = {0}/run\nstate_dir = {0}/state\nlog_path = {0}/dovecot.log\n{more}\n\
             first_valid_uid = 1\nfirst_valid_gid = 1\n\
             userdb {{\n driver = static\n args = uid={user} gid={group} home={0}/boxes/%u allow_all_users=yes\n}}\n\
             passdb {{\n driver = static\n args = {password}\n}}\n\
             service lmtp {{\n inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {1}\n }}\n}}\n\
             service stats {{\n unix_listener stats-writer {{\n  mode = 0666\n }}\n}}\n",
            folder.display(),
            address.port(),
        );
        std::fs::write(folder.join("dovecot.conf"), config).unwrap();
        let child = Command::new("/usr/sbin/dovecot")
            .arg("-F")
            .arg("-c")
            .arg(folder.join("dovecot.conf"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, folder: folder.to_owned(), address };
        let since = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let log = std::fs::read_to_string(this.folder.join("dovecot.log")).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(30), "Dovecot does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }

    /// Where somebody's mail lies.
    pub(crate) fn maildir(&self, of: &str) -> PathBuf {
        self.folder.join("boxes").join(of).join("Maildir")
    }

    /// What came for somebody.
    pub(crate) fn mail(&self, of: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("boxes").join(of).join("Maildir/new")) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Its own processes end with it.
        let _ = Command::new("sh").arg("-c").arg(format!("kill {}", self.child.id())).status();
        let _ = self.child.wait();
    }
}

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// The servers' own users have to come by.
fn open(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn user(name: &str) -> (u32, u32) {
    let passwords = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwords.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}
