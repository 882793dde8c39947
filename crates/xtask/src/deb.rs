//! The Debian package: `cargo xtask deb` builds it, and installs it in a folder to see that it holds what it should.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{cargo, root};

/// Builds `target/deb/sealpost_VERSION_ARCH.deb`, and installs it in a folder of its own.
pub(crate) fn run() -> Result<(), String> {
    cargo(&["build", "--release", "--quiet", "--package", "sealpost"], &[])?;
    let package = build()?;
    println!("built {}", package.display());
    install(&package)?;
    println!("installed in a folder of its own: the program, its configuration, units and keys are there");
    Ok(())
}

fn build() -> Result<PathBuf, String> {
    let target = root().join("target/deb");
    let tree = target.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    }
    let packaging = root().join("packaging");
    let files: [(PathBuf, &str, u32); 9] = [
        (root().join("target/release/sealpost"), "usr/bin/sealpost", 0o755),
        (packaging.join("sealpost.toml"), "etc/sealpost/sealpost.toml", 0o640),
        (packaging.join("systemd/sealpost.service"), "lib/systemd/system/sealpost.service", 0o644),
        (packaging.join("systemd/sealpost-gateway.service"), "lib/systemd/system/sealpost-gateway.service", 0o644),
        (packaging.join("systemd/sealpost-portal.service"), "lib/systemd/system/sealpost-portal.service", 0o644),
        (root().join("README.md"), "usr/share/doc/sealpost/README.md", 0o644),
        (root().join("CHANGELOG.md"), "usr/share/doc/sealpost/CHANGELOG.md", 0o644),
        (root().join("LICENSE-MIT"), "usr/share/doc/sealpost/copyright", 0o644),
        (root().join("LICENSE-APACHE"), "usr/share/doc/sealpost/LICENSE-APACHE", 0o644),
    ];
    for (from, to, mode) in &files {
        put(from, &tree.join(to), *mode)?;
    }
    for script in ["postinst", "prerm", "postrm"] {
        put(&packaging.join("debian").join(script), &tree.join("DEBIAN").join(script), 0o755)?;
    }
    let architecture = said("dpkg", &["--print-architecture"])?;
    let version = env!("CARGO_PKG_VERSION");
    let size = fs::metadata(root().join("target/release/sealpost")).map_or(0, |metadata| metadata.len() / 1024);
    let control = format!(
        "Package: sealpost\nVersion: {version}\nArchitecture: {architecture}\nSection: mail\nPriority: optional\n\
         Maintainer: Sealpost maintainers <maintainers@sealpost.invalid>\nInstalled-Size: {size}\n\
         Depends: libc6 (>= 2.36), passwd\nSuggests: postfix | mail-transport-agent, postgresql\n\
         Description: S/MIME gateway and webmailer for an organisation and its partners\n \
         Signs, encrypts, decrypts and verifies mail with personal certificates, takes in the\n \
         certificates of partners, and gives those without one a webmailer.\n"
    );
    write(&tree.join("DEBIAN/control"), &control)?;
    write(&tree.join("DEBIAN/conffiles"), "/etc/sealpost/sealpost.toml\n")?;
    let package = target.join(format!("sealpost_{version}_{architecture}.deb"));
    let (tree, file) = (tree.display().to_string(), package.display().to_string());
    said("dpkg-deb", &["--root-owner-group", "--build", &tree, &file])?;
    Ok(package)
}

/// As dpkg does it on a machine, with another root.
fn install(package: &Path) -> Result<(), String> {
    let folder = root().join("target/deb/installed");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    for part in ["var/lib/dpkg/updates", "var/lib/dpkg/info"] {
        fs::create_dir_all(folder.join(part)).map_err(|error| error.to_string())?;
    }
    write(&folder.join("var/lib/dpkg/status"), "")?;
    let (at, file) = (format!("--root={}", folder.display()), package.display().to_string());
    let forced = "--force-script-chrootless,not-root,depends,bad-path";
    said("dpkg", &[&at, forced, "--install", &file])?;

    let program = folder.join("usr/bin/sealpost").display().to_string();
    said(&program, &["--version"])?;
    let config = folder.join("etc/sealpost/sealpost.toml").display().to_string();
    said(&program, &["config", "check", "--config", &config])?;
    for (key, mode) in [("etc/sealpost/master.key", 0o600), ("var/lib/sealpost/store/store.key", 0o640)] {
        let file = folder.join(key);
        let metadata = fs::metadata(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if metadata.permissions().mode() & 0o777 != mode || metadata.len() != 45 {
            return Err(format!("{} is not a key for its owner", file.display()));
        }
    }
    Ok(())
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(|error| format!("{}: {error}", to.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn said(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program} is needed for the package: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{program} {}\n{out}{err}", arguments.join(" ")))
}
