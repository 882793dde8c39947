//! `sealpost key`: make keys, request certificates, bring in what the CA returns, hand identities on.

mod identity;
mod master;
mod order;
mod request;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use crypto::{KeyKind, MlDsaLevel, MlKemLevel, SoftwareKey};
use zeroize::Zeroizing;

use crate::cli::Identity;
use crate::files;
use crate::outcome::Stop;

pub(crate) use order::Order;
pub(crate) use request::{Names, Usage, Validation};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a private key
    New(New),
    /// Make a request for a certificate (PKCS #10), for a CA to answer
    Request(request::Request),
    /// Put a key and what the CA returned together, from whatever files they are in
    Import(Import),
    /// Write key, certificate and chain as a .p12 or as PEM, for another program
    Export(Export),
    /// Make a key in the installation, for an employee, and the request for its certificate
    Order(Box<Order>),
    /// Take in what the CA returned for keys that wait in the installation
    Answer(order::Answer),
    /// List the keys that wait in the installation for their certificate
    Waiting(order::Waiting),
    /// Give up on a key that waits
    Withdraw(order::Withdraw),
    /// Make the key that opens all private keys of an installation, or bring in another one
    #[command(subcommand)]
    Master(master::Master),
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
pub(crate) enum Kind {
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
    /// For encrypting, safe from quantum computers
    #[value(name = "ml-kem-512")]
    MlKem512,
    /// The same, stronger
    #[value(name = "ml-kem-768")]
    MlKem768,
    /// The same, stronger
    #[value(name = "ml-kem-1024")]
    MlKem1024,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Rsa3072 => Self::Rsa3072,
            Kind::Rsa4096 => Self::Rsa4096,
            Kind::P256 => Self::P256,
            Kind::P384 => Self::P384,
            Kind::P521 => Self::P521,
            Kind::Ed25519 => Self::Ed25519,
            Kind::X25519 => Self::X25519,
            Kind::MlDsa44 => Self::MlDsa(MlDsaLevel::MlDsa44),
            Kind::MlDsa65 => Self::MlDsa(MlDsaLevel::MlDsa65),
            Kind::MlDsa87 => Self::MlDsa(MlDsaLevel::MlDsa87),
            Kind::MlKem512 => Self::MlKem(MlKemLevel::MlKem512),
            Kind::MlKem768 => Self::MlKem(MlKemLevel::MlKem768),
            Kind::MlKem1024 => Self::MlKem(MlKemLevel::MlKem1024),
        }
    }
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
        Key::Order(arguments) => order::order(arguments),
        Key::Answer(arguments) => order::answer(arguments),
        Key::Waiting(arguments) => order::waiting(arguments),
        Key::Withdraw(arguments) => order::withdraw(arguments),
        Key::Master(command) => master::run(command),
    }
}

fn new(arguments: &New) -> Result<(), Stop> {
    if let Some(path) = &arguments.master {
        return master::new_file(path);
    }
    let key = SoftwareKey::generate(arguments.kind.into());
    let key = key.map_err(|error| Stop::failed(format_args!("cannot make a key: {error}")))?;
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
