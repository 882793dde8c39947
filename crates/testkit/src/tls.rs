//! A CA for the TLS of test servers, by OpenSSL: nothing of ours has made what ours is to verify.

use std::path::{Path, PathBuf};

use crate::{Peer, must};

/// A CA and a server's certificate below it, as PEM files in a folder that goes with it.
#[derive(Debug)]
pub struct TlsPki {
    folder: tempfile::TempDir,
}

impl TlsPki {
    /// For a server with these names, each as OpenSSL has it: `IP:127.0.0.1`, `DNS:localhost`.
    pub fn for_names(names: &str) -> Self {
        let this = Self { folder: must(tempfile::tempdir()) };
        // A name of its own for each: what is verified with another one is of an unknown CA, not of a forged one.
        let name = this.folder.path().file_name().unwrap_or_default().to_string_lossy().replace('.', "");
        let peer = Peer::in_folder(this.folder.path());
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        peer.write("server.ext", format!("subjectAltName={names}\nextendedKeyUsage=serverAuth\n"));
        must(peer.run(&format!("openssl req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=CA-{name} -days 30")));
        must(peer.run(&format!("openssl req -new {key} -keyout server.key -out server.csr -subj /CN=server")));
        must(peer.run(
            "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext \
             -out server.pem",
        ));
        this
    }

    /// The CA's certificate.
    pub fn root(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate and its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.path("server.pem"), self.path("server.key"))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
