use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::must;
use crate::postfix::{free, open, user};

/// Dovecot, taking mail by LMTP into Maildirs.
#[derive(Debug)]
pub struct Dovecot {
    child: Child,
    folder: PathBuf,
    /// Where it takes mail.
    pub address: SocketAddr,
}

impl Dovecot {
    /// Starts one.
    pub fn start(folder: &Path) -> Self {
        Self::with(folder, "protocols = lmtp\nssl = no\nmail_location = maildir:~/Maildir\n", "nopassword=yes")
    }

    /// With more in its configuration, and what everybody's password is.
    pub fn with(folder: &Path, more: &str, password: &str) -> Self {
        assert!(
            Path::new("/usr/lib/dovecot/lmtp").exists(),
            "Dovecot is missing: install the Debian packages dovecot-core and dovecot-lmtpd"
        );
        let mail = folder.join("boxes");
        must(std::fs::create_dir_all(&mail));
        folder.parent().into_iter().chain([folder]).for_each(open);
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
        must(std::fs::write(folder.join("dovecot.conf"), config));
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(folder.join("dovecot.conf")).stdin(Stdio::null());
        let child = must(command.spawn());
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
    pub fn maildir(&self, of: &str) -> PathBuf {
        self.folder.join("boxes").join(of).join("Maildir")
    }

    /// What came for somebody.
    pub fn mail(&self, of: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("boxes").join(of).join("Maildir/new")) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| must(entry).path()).collect();
        files.sort();
        files.iter().map(|file| must(std::fs::read(file))).collect()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Its own processes end with it.
        let _ = Command::new("sh").arg("-c").arg(format!("kill {}", self.child.id())).status();
        let _ = self.child.wait();
    }
}
