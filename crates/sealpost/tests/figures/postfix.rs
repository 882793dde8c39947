//! A Postfix of its own, whose `/etc/postfix` is its own as well: what its filter calls finds the right one.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Postfix {
    folder: PathBuf,
}

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
    /// Sends everything to `world`; `master` and `main` are what is special about it.
    pub(crate) fn start(folder: &Path, world: SocketAddr, main: &str, master: &str) -> Self {
        let (queue, data) = (folder.join("queue"), folder.join("data"));
        for each in [folder, &queue, &data] {
            std::fs::create_dir_all(each).unwrap();
        }
        for open in [folder.parent().unwrap(), folder] {
            std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let (user, group) = user("postfix");
        chown(&data, Some(user), Some(group)).expect("Postfix is started by root alone");
        let base = format!(
            "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\nmail_owner = postfix\n\
             setgid_group = postdrop\nmyhostname = mx.inside.example\nmydestination =\nalias_maps =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmaillog_file_prefixes = {}\nmaillog_file = {}\n\
             disable_dns_lookups = yes\nrelayhost = [127.0.0.1]:{}\nmynetworks = 127.0.0.0/8\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\n",
            queue.display(),
            data.display(),
            folder.display(),
            folder.join("mail.log").display(),
            world.port(),
        );
        std::fs::write(folder.join("main.cf"), format!("{base}\n{main}\n")).unwrap();
        std::fs::write(folder.join("master.cf"), format!("{SERVICES}{master}\n")).unwrap();
        // What Debian keeps beside the configuration, and Postfix looks for at its start.
        for name in ["postfix-files", "dynamicmaps.cf"] {
            if Path::new("/etc/postfix").join(name).exists() {
                std::fs::copy(Path::new("/etc/postfix").join(name), folder.join(name)).unwrap();
            }
        }
        for name in ["postfix-files.d", "dynamicmaps.cf.d"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let this = Self { folder: folder.to_owned() };
        let output = this.command(&["start"]).output().unwrap();
        let log = std::fs::read_to_string(folder.join("mail.log")).unwrap_or_default();
        assert!(output.status.success(), "{}{log}", String::from_utf8_lossy(&output.stderr));
        this
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/postfix && exec /usr/sbin/postfix \"$@\""])
            .arg(&self.folder)
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// The last lines of its log, for when something did not come.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("mail.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(8).collect();
        lines.join("\n")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command(&["abort"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

pub(crate) fn version() -> String {
    let output = Command::new("postconf").args(["-d", "-h", "mail_version"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn user(name: &str) -> (u32, u32) {
    let passwords = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwords.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}
