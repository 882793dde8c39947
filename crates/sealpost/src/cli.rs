//! The command line as `ARCHITECTURE.md` lays it down. Programs outside the project rely on it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::files;
use crate::outcome::Stop;

/// Options that may be followed by several values: `--trust a.pem b.pem`.
const LISTS: &[&str] = &["--crl", "--initial-policy", "--ocsp", "--to", "--trust", "--with"];

/// Reads the command line. `--trust a --trust b IN` and `--trust a b IN` are the same.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let first = match Cli::try_parse_from(arguments) {
        Err(error) if error.kind() == clap::error::ErrorKind::UnknownArgument => error,
        result => return result,
    };
    let all_but_last = arguments.len().saturating_sub(1);
    Cli::try_parse_from(repeat_lists(arguments, all_but_last))
        .or_else(|_| Cli::try_parse_from(repeat_lists(arguments, arguments.len())))
        .map_err(|_| first)
}

/// What is wrong with the command line, in the two lines that programs may rely on.
pub(crate) fn misused(error: &clap::Error) -> Stop {
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.trim_start().strip_prefix("Usage: ")).unwrap_or("sealpost");
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    let command = usage.split_whitespace().take_while(is_name).collect::<Vec<_>>().join(" ");
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Stop::failed("a command is missing").hint(format_args!("{command} --help lists them"));
    }
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split("\n\n").map(words);
    // A key and its certificate may come in one file or in two.
    let missing = "not provided: --identity <FILE>";
    let what =
        paragraphs.next().unwrap_or_default().replace(missing, &format!("{missing}, or --cert <C> and --key <K>"));
    let tip = paragraphs.find_map(|paragraph| paragraph.strip_prefix("tip: ").map(str::to_owned));
    let way_out = tip.unwrap_or_else(|| format!("{command} --help shows what there is"));
    Stop::failed(what.strip_prefix("error: ").unwrap_or(&what)).hint(way_out)
}

/// Puts a list's option before each of its further values, up to the argument at `end`.
fn repeat_lists(arguments: &[OsString], end: usize) -> Vec<OsString> {
    let mut repeated = Vec::with_capacity(arguments.len());
    let (mut list, mut values): (Option<&OsString>, usize) = (None, 0);
    for (index, argument) in arguments.iter().enumerate() {
        let text = argument.to_string_lossy();
        if LISTS.contains(&text.as_ref()) {
            (list, values) = (Some(argument), 0);
        } else if text.len() > 1 && text.starts_with('-') {
            list = None;
        } else if let Some(option) = list {
            if values > 0 && index < end {
                repeated.push(option.clone());
            }
            values += 1;
        }
        repeated.push(argument.clone());
    }
    repeated
}

/// S/MIME for an organisation and the people outside it that it writes to.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit status: 0 done and accepted, 1 understood and refused, 2 could not.\n\
    Files or - for standard input and output; mail, DER, PEM and base64 are recognised by content.\n\
    --json prints one object in one line, whatever the exit status is: accepted, refused or error.\n\
    Where content goes to standard output, it goes to standard error.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign a mail or a file
    Sign(Sign),
    /// Verify a signature: who signed, is the chain good, does the address match
    Verify(Verify),
    /// Encrypt a mail or a file to one or more people
    Encrypt(Encrypt),
    /// Decrypt a mail or a file; signatures around what is encrypted are taken off
    Decrypt(Decrypt),
    /// Show what a message is made of, without judging it
    Inspect(Inspect),
    /// Look at, check and find certificates
    #[command(subcommand)]
    Cert(crate::commands::cert::Cert),
    /// Make, import and export keys, and request certificates
    #[command(subcommand)]
    Key(crate::commands::key::Key),
    /// Add people of the house and partners, with their roles, passwords and keys
    #[command(subcommand)]
    People(crate::commands::people::People),
    /// What would happen to a mail and why, and what happened to one
    #[command(subcommand)]
    Policy(crate::commands::policy::Policy),
    /// Run the gateway and the portal
    Serve(Serve),
    /// Check the configuration or print its reference
    #[command(subcommand)]
    Config(Config),
    /// Check the record of who changed what; export or erase one person's data
    #[command(subcommand)]
    Audit(crate::commands::audit::Audit),
    /// Find what is wrong with this installation, and the way out
    Doctor(crate::commands::doctor::Doctor),
    /// Play the whole story on loopback, then stay up to be clicked through
    Demo(Demo),
}

impl Command {
    /// Whether its JSON has a list of layers.
    pub(crate) fn has_layers(&self) -> bool {
        matches!(self, Self::Decrypt(_) | Self::Verify(_))
    }

    /// Whether standard output is for content, so that everything else is said on standard error.
    pub(crate) fn says_content(&self) -> bool {
        match self {
            Self::Decrypt(decrypt) => files::is_standard(&decrypt.output),
            Self::Verify(verify) => verify.content.as_deref().is_some_and(files::is_standard),
            _ => false,
        }
    }
}

/// A key and its certificate, from one file or from two.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// Key and certificate: a .p12 or .pfx, or a PEM file with both
    #[arg(long, value_name = "FILE", required_unless_present = "key")]
    pub(crate) identity: Option<PathBuf>,
    /// The certificate, when it is in a file of its own
    #[arg(long, value_name = "C")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key, when it is in a file of its own
    #[arg(long, value_name = "K")]
    pub(crate) key: Option<PathBuf>,
    /// A file whose first line is the password of the identity
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// multipart/signed: everybody can read it
    Clear,
    /// application/pkcs7-mime: content inside the signature
    Opaque,
    /// The bare signature, in DER
    Detached,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) identity: Identity,
    /// More certificates for the recipient: the chain up to the root
    #[arg(long, value_name = "CHAIN")]
    pub(crate) with: Vec<PathBuf>,
    /// How the signature and the content go together
    #[arg(long, value_enum, default_value_t = Form::Clear)]
    pub(crate) form: Form,
    /// The digest
    #[arg(long, value_enum)]
    pub(crate) digest: Option<Digest>,
    /// Sign with RSASSA-PSS
    #[arg(long)]
    pub(crate) pss: bool,
    /// Protect the header fields with the content (RFC 9788)
    #[arg(long)]
    pub(crate) protect_headers: bool,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    pub(crate) output: PathBuf,
    /// The mail or file to sign
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Trusted roots: files or folders, PEM or DER
    #[arg(long, value_name = "ROOTS", required = true)]
    pub(crate) trust: Vec<PathBuf>,
    /// More certificates that may be part of a chain
    #[arg(long, value_name = "CERT")]
    pub(crate) with: Vec<PathBuf>,
    /// Revocation lists
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,
    /// Judge as of this moment (RFC 3339, or a date); now if left out
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// The address that must have signed; the one visible From if left out
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// Where to write the content that was signed, once it is accepted
    #[arg(long, value_name = "OUT")]
    pub(crate) content: Option<PathBuf>,
    /// The content of a detached signature
    #[arg(long, value_name = "CONTENT")]
    pub(crate) detached: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    /// The signed mail or file
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Authenticated encryption, current algorithms
    Modern,
    /// For older Outlook
    Compatible,
    /// German market communication: PSS and OAEP only
    Energy,
    /// BSI TR-02102 and TR-03116-4
    Bsi,
    /// Post-quantum where the recipient's key allows it
    Pq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// RSAES-OAEP with SHA-256
    Oaep,
    /// PKCS #1 v1.5, for programs that read nothing newer
    Pkcs1,
}

#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    /// A recipient's certificate file, or an address that the directory knows
    #[arg(long, value_name = "CERT|ADDRESS", required = true)]
    pub(crate) to: Vec<String>,
    /// Which algorithms to choose
    #[arg(long, value_enum, default_value_t = Profile::Modern)]
    pub(crate) profile: Profile,
    /// The content cipher, by name: aes256-gcm, aes128-gcm, aes256-cbc, …
    #[arg(long, value_name = "NAME")]
    pub(crate) cipher: Option<String>,
    /// How the content key travels to RSA certificates
    #[arg(long, value_enum, default_value_t = Transport::Oaep)]
    pub(crate) transport: Transport,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    pub(crate) output: PathBuf,
    /// The configuration that names the directory, for addresses
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The mail or file to encrypt
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Content that no tag protects against change is written all the same, and standard error says so:\n\
    verify the signature inside before you trust it."
)]
pub(crate) struct Decrypt {
    #[command(flatten)]
    pub(crate) identity: Identity,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    pub(crate) output: PathBuf,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    /// The encrypted mail or file
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    /// The mail or file
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Gateway and portal in one process
    All,
    /// Mail only; holds the master key
    Gateway,
    /// Pages only; never sees the master key
    Portal,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    pub(crate) config: PathBuf,
    /// What this process does
    #[arg(long, value_enum, default_value_t = Role::All)]
    pub(crate) role: Role,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Read the configuration and say what it means
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
        config: PathBuf,
    },
    /// Print a configuration to begin with
    New,
    /// Print every key with its meaning and default
    Reference,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep everything in this folder; a fresh temporary one if left out
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// End after the story
    #[arg(long)]
    pub(crate) once: bool,
    /// The gateway's port on 127.0.0.1; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 2525)]
    pub(crate) smtp_port: u16,
    /// The portal's port on 127.0.0.1; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) http_port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&arguments)
    }

    #[test]
    fn lists_are_read_both_ways() {
        for line in [
            "sealpost verify --trust a.pem --trust b.pem mail.eml",
            "sealpost verify --trust a.pem b.pem mail.eml",
            "sealpost verify --trust a.pem b.pem --json mail.eml",
            "sealpost verify mail.eml --trust a.pem b.pem",
            "sealpost verify mail.eml --trust a.pem --trust b.pem",
        ] {
            let Command::Verify(verify) = read(line).unwrap().command else { panic!("{line}") };
            assert_eq!(verify.trust, [PathBuf::from("a.pem"), PathBuf::from("b.pem")], "{line}");
            assert_eq!(verify.input, PathBuf::from("mail.eml"), "{line}");
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_said_in_one_line() {
        for (line, what, way_out) in [
            ("sealpost verify mail.eml", "not provided: --trust <ROOTS>", "sealpost verify --help"),
            ("sealpost verify --trust a.pem", "not provided: <IN>", "sealpost verify --help"),
            ("sealpost sign mail.eml", "--identity <FILE>, or --cert <C> and --key <K>", "sealpost sign --help"),
            ("sealpost encrypt mail.eml", "--to <CERT|ADDRESS>", "sealpost encrypt --help"),
            (
                "sealpost sign --identity a --form x m",
                "invalid value 'x' for '--form <FORM>' [possible values: clear",
                "--help",
            ),
            ("sealpost sing", "unrecognized subcommand 'sing'", "'sign'"),
            ("sealpost", "a command is missing", "sealpost --help"),
            ("sealpost cert", "a command is missing", "sealpost cert --help"),
            ("sealpost cert show --jsno a.crt", "unexpected argument '--jsno' found", "'--json'"),
        ] {
            let stop = misused(&read(line).unwrap_err());
            let hint = stop.way_out().unwrap();
            assert!(stop.what().contains(what) && hint.contains(way_out), "{line}: {} / {hint}", stop.what());
            assert!(!stop.what().contains("error:") && !stop.what().contains('\n') && !hint.contains('\n'), "{line}");
        }
    }
}
