use std::path::{Path, PathBuf};
use std::process::Command;

use crypto::{Token, TokenSettings};

use crate::must;

/// SoftHSM 2 with one token of its own, which can be taken away and put back.
///
/// The module learns from the environment where its tokens lie, once per process. So a test that uses it runs again in
/// a process of its own.
#[derive(Debug)]
pub struct SoftHsm {
    folder: PathBuf,
}

impl SoftHsm {
    /// The user PIN of the token.
    pub const PIN: &'static str = "123456";
    /// The label of the token.
    pub const LABEL: &'static str = "sealpost test";

    /// In the process that a test begins in: makes a token, runs `test` (its path, as `module::name`) again in a process
    /// of its own, and gives `None` once that has passed. In that process: the token.
    pub fn in_own_process(test: &str) -> Option<Self> {
        Self::in_own_process_with(test, "")
    }

    /// The same with more lines in SoftHSM's configuration.
    pub fn in_own_process_with(test: &str, more: &str) -> Option<Self> {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return Some(Self { folder: folder.into() });
        }
        let folder = must(tempfile::tempdir());
        let this = Self { folder: folder.path().to_owned() };
        must(std::fs::create_dir(this.tokens()));
        let configuration = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n{more}\n",
            this.tokens().display()
        );
        must(std::fs::write(this.configuration(), configuration));
        let mut make = Command::new("softhsm2-util");
        make.args(["--init-token", "--free", "--label", Self::LABEL, "--pin", Self::PIN, "--so-pin", "12345678"]);
        let made = make.env("SOFTHSM2_CONF", this.configuration()).output();
        let made = made.unwrap_or_else(|error| panic!("softhsm2-util must be installed for this test: {error}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let again = Command::new(must(std::env::current_exe()))
            .args(["--exact", test, "--nocapture"])
            .env("SOFTHSM2_CONF", this.configuration())
            .env(FOLDER, &this.folder)
            .output();
        let again = must(again);
        let said = format!("{}{}", String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
        assert!(again.status.success() && said.contains("1 passed"), "in its own process: {said}");
        None
    }

    /// How to reach the token.
    pub fn settings(&self) -> TokenSettings {
        TokenSettings { module: MODULE.into(), label: Self::LABEL.into(), pin: Self::PIN.to_owned().into() }
    }

    /// The token.
    pub fn token(&self) -> Token {
        must(Token::new(self.settings()))
    }

    /// Takes the token away.
    pub fn remove(&self) {
        must(std::fs::rename(self.tokens(), self.drawer()));
        must(std::fs::create_dir(self.tokens()));
    }

    /// Puts it back.
    pub fn insert(&self) {
        must(std::fs::remove_dir(self.tokens()));
        must(std::fs::rename(self.drawer(), self.tokens()));
    }

    /// A folder for the test, which goes with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    fn drawer(&self) -> PathBuf {
        self.folder.join("drawer")
    }
}

const FOLDER: &str = "SEALPOST_TEST_SOFTHSM";
/// Where Debian puts it.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
