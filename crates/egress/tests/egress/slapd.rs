//! Debian's slapd, with an organisation of its own in a folder that goes with it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::TlsPki;

pub(crate) struct Slapd {
    _folder: tempfile::TempDir,
    server: Child,
    pub(crate) port: u16,
    scheme: &'static str,
}

pub(crate) const BASE: &str = "dc=partner,dc=example";
pub(crate) const ADMIN: &str = "cn=admin,dc=partner,dc=example";
pub(crate) const PASSWORD: &str = "geheim (1)";

impl Slapd {
    /// Starts it with these entries of `inetOrgPerson`: name and address.
    pub(crate) fn start(people: &[(&str, &str)]) -> Self {
        Self::start_with(people, None)
    }

    /// The same under TLS.
    pub(crate) fn start_with(people: &[(&str, &str)], tls: Option<&TlsPki>) -> Self {
        for _ in 0..5 {
            // Somebody else may take the port in between; then another one is tried.
            if let Some(server) = Self::try_start(people, tls) {
                return server;
            }
        }
        panic!("slapd does not start: is the Debian package slapd installed?");
    }

    fn try_start(people: &[(&str, &str)], tls: Option<&TlsPki>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("db")).unwrap();
        let schema = ["core", "cosine", "inetorgperson"]
            .map(|name| format!("include /etc/ldap/schema/{name}.schema\n"))
            .concat();
        let tls_lines = tls.map(|tls| {
            let ((certificate, key), root) = (tls.server(), tls.root());
            format!(
                "TLSCertificateFile {}\nTLSCertificateKeyFile {}\nTLSCACertificateFile {}\n",
                certificate.display(),
                key.display(),
                root.display()
            )
        });
        let (scheme, tls_lines) = (if tls.is_some() { "ldaps" } else { "ldap" }, tls_lines.unwrap_or_default());
        let config = format!(
            "{schema}{tls_lines}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {}\ndatabase mdb\nmaxsize 10485760\n\
             suffix \"{BASE}\"\nrootdn \"{ADMIN}\"\nrootpw \"{PASSWORD}\"\ndirectory {}\naccess to * by * read\n",
            at("pid"),
            at("db")
        );
        std::fs::write(at("slapd.conf"), config).unwrap();
        let mut ldif =
            format!("dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: partner\no: Partner\n\n");
        for (name, address) in people {
            ldif += &format!(
                "dn: cn={name},{BASE}\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\nmail: {address}\n\n"
            );
        }
        std::fs::write(at("data.ldif"), ldif).unwrap();
        let quiet = |mut command: Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut add = Command::new("/usr/sbin/slapadd");
        add.args(["-f", &at("slapd.conf"), "-l", &at("data.ldif")]);
        assert!(quiet(add).status().expect("slapd must be installed for this test").success());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut serve = Command::new("/usr/sbin/slapd");
        serve.args(["-f", &at("slapd.conf"), "-h", &format!("{scheme}://127.0.0.1:{port}/"), "-d", "0"]);
        let mut this = Self { server: quiet(serve).spawn().unwrap(), _folder: folder, port, scheme };
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(this);
            }
            if this.server.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// What the server's own client finds.
    pub(crate) fn search(&self, filter: &str, attribute: &str) -> String {
        let found = Command::new("ldapsearch")
            .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-H", &self.url(), "-b", BASE, filter, attribute])
            .output()
            .expect("ldap-utils must be installed for this test");
        String::from_utf8(found.stdout).unwrap()
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn the_package_is_there() {
    assert!(Path::new("/usr/sbin/slapd").exists(), "install the Debian package slapd");
}
