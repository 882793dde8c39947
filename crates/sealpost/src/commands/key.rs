//! `sealpost key`: make keys, request certificates, bring in what the CA returns, hand identities on.

mod identity;
mod request;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use crypto::{KeyKind, MlDsaLevel, SoftwareKey};
use zeroize::Zeroizing;

use crate::cli::Identity;
use crate::files;
use crate::outcome::Stop;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a private key, or the master key that seals private keys at rest
    New(New),
    /// Make a request for a certificate (PKCS #10), for a CA to answer
    Request(request::Request),
    /// Put a key and what the CA returned together, from whatever files they are in
    Import(Import),
    /// Write key, certificate and chain as a .p12 or as PEM, for another program
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The kind of key
    #[arg(long, value_enum, default_value_t = Kind::Rsa3072, conflicts_with = "master")]
    kind: Kind,
    /// A file whose first line is the password to encrypt the key with
    #[arg(long, value_name = "F", conflicts_with = "master")]
    password_file: Option<PathBuf>,
    /// Write a master key here instead: 32 random octets in base64
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    master: Option<PathBuf>,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// For signing and encrypting; every program knows it
    #[value(name = "rsa-3072")]
    Rsa3072,
    /// The same, longer
    #[value(name = "rsa-4096")]
    Rsa4096,
    /// For signing and encrypting; small and fast
    #[value(name = "p-256")]
    P256,
    /// The same, longer
    #[value(name = "p-384")]
    P384,
    /// The same, longer
    #[value(name = "p-521")]
    P521,
    /// For signing
    Ed25519,
    /// For encrypting
    X25519,
    /// For signing, safe from quantum computers
    #[value(name = "ml-dsa-44")]
    MlDsa44,
    /// The same, stronger
    #[value(name = "ml-dsa-65")]
    MlDsa65,
    /// The same, stronger
    #[value(name = "ml-dsa-87")]
    MlDsa87,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file whose first line is the password of what comes in
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
    /// A file whose first line is the password to encrypt the key with
    #[arg(long, value_name = "F")]
    new_password_file: Option<PathBuf>,
    /// Where to write key, certificate and chain, as PEM
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// The key and the certificates: .p12, PEM, DER, .p7b, or the mail from the CA
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// PKCS #12, as mail programs import it
    P12,
    /// PEM, as servers and command lines have it
    Pem,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    identity: Identity,
    /// More certificates to put in: the chain up to the root
    #[arg(long, value_name = "CHAIN")]
    with: Vec<PathBuf>,
    /// A file whose first line is the password to encrypt with
    #[arg(long, value_name = "F")]
    new_password_file: Option<PathBuf>,
    /// The form of the file
    #[arg(long, value_enum, default_value_t = Format::P12)]
    format: Format,
    /// 3DES and SHA-1, for programs that read nothing newer
    #[arg(long)]
    compatible: bool,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

pub(crate) fn run(command: &Key) -> Result<(), Stop> {
    match command {
        Key::New(arguments) => new(arguments),
        Key::Request(arguments) => request::run(arguments),
        Key::Import(arguments) => identity::import(arguments),
        Key::Export(arguments) => identity::export(arguments),
    }
}

fn new(arguments: &New) -> Result<(), Stop> {
    let cannot = |error: crypto::Error| Stop::failed(format_args!("cannot make a key: {error}"));
    if let Some(path) = &arguments.master {
        let octets = Zeroizing::new(crypto::random_array::<32>().map_err(cannot)?);
        let armoured = Zeroizing::new(asn1::encode_pem("KEY", &*octets));
        // 32 octets are one line of base64 between the two lines of the armour.
        let line = Zeroizing::new(format!("{}\n", armoured.lines().nth(1).unwrap_or_default()));
        return files::write_secret(path, line.as_bytes());
    }
    let key = SoftwareKey::generate(match arguments.kind {
        Kind::Rsa3072 => KeyKind::Rsa3072,
        Kind::Rsa4096 => KeyKind::Rsa4096,
        Kind::P256 => KeyKind::P256,
        Kind::P384 => KeyKind::P384,
        Kind::P521 => KeyKind::P521,
        Kind::Ed25519 => KeyKind::Ed25519,
        Kind::X25519 => KeyKind::X25519,
        Kind::MlDsa44 => KeyKind::MlDsa(MlDsaLevel::MlDsa44),
        Kind::MlDsa65 => KeyKind::MlDsa(MlDsaLevel::MlDsa65),
        Kind::MlDsa87 => KeyKind::MlDsa(MlDsaLevel::MlDsa87),
    })
    .map_err(cannot)?;
    let password = new_password(arguments.password_file.as_deref(), "--password-file")?;
    let pem = Zeroizing::new(key_pem(&key, password.as_deref().map(String::as_str))?);
    files::write_secret(&arguments.output, pem.as_bytes())
}

/// The password to encrypt with; an empty one is none that anybody meant.
fn new_password(path: Option<&std::path::Path>, option: &str) -> Result<Option<Zeroizing<String>>, Stop> {
    let password = files::password(path)?.map(Zeroizing::new);
    match &password {
        Some(password) if password.is_empty() => Err(Stop::failed(format_args!("the password of {option} is empty"))
            .hint("the first line of the file is the password")),
        _ => Ok(password),
    }
}

fn key_pem(key: &SoftwareKey, password: Option<&str>) -> Result<String, Stop> {
    let Some(password) = password else { return Ok(asn1::encode_pem("PRIVATE KEY", &key.to_pkcs8())) };
    let encrypted = pki::encrypt_private_key(key, password, pki::Protection::Modern);
    let der = encrypted.map_err(|error| Stop::failed(format_args!("cannot encrypt the key: {error}")))?;
    Ok(asn1::encode_pem("ENCRYPTED PRIVATE KEY", &der))
}
