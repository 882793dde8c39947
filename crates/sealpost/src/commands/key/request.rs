//! `sealpost key request`: PKCS #10 with the subject that each profile of the S/MIME Baseline Requirements allows.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use crypto::{PrivateKey as _, PublicKeyKind, SoftwareKey};
use pki::{CertificateRequestBuilder, EmailAddress, KeyUsage, Subject};
use zeroize::Zeroizing;

use crate::files;
use crate::outcome::Stop;

#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The private key: PEM or DER
    #[arg(long, value_name = "K")]
    key: PathBuf,
    /// A file whose first line is the password of the key
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
    /// The address that the certificate shall speak for
    #[arg(long = "for", value_name = "ADDRESS", required = true)]
    addresses: Vec<String>,
    /// What the CA shall verify
    #[arg(long, value_enum, default_value_t = Validation::Mailbox)]
    profile: Validation,
    /// First name, as in the passport
    #[arg(long, value_name = "NAME")]
    given_name: Option<String>,
    /// Last name
    #[arg(long, value_name = "NAME")]
    surname: Option<String>,
    /// The organisation's name, as in its register
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// The register and the number in it, such as "NTRDE-HRB 12345" or VATDE-123456789
    #[arg(long, value_name = "ID")]
    organization_identifier: Option<String>,
    /// The country, two letters
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// What the certificate is for
    #[arg(long, value_enum, default_value_t = Usage::Both)]
    usage: Usage,
    /// DER instead of PEM
    #[arg(long)]
    der: bool,
    /// Where to write
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Validation {
    /// The mailbox alone
    Mailbox,
    /// The person
    Individual,
    /// The organisation, and through it the person
    Sponsor,
    /// The organisation
    Organization,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Usage {
    /// Signing and, where the key allows it, encrypting
    Both,
    /// Signing alone
    Sign,
    /// Encrypting alone
    Encrypt,
}

pub(super) fn run(arguments: &Request) -> Result<(), Stop> {
    let mut addresses = Vec::new();
    for text in &arguments.addresses {
        addresses.push(
            EmailAddress::parse(text).map_err(|error| {
                Stop::failed(format_args!("{text}: {error}")).hint("write it like alice@example.org")
            })?,
        );
    }
    let Some((first, others)) = addresses.split_first() else { return Err(Stop::failed("--for names no address")) };
    let subject = subject(arguments, first)?;
    let key = key(arguments)?;
    let mut builder = CertificateRequestBuilder::mailbox(subject, first.clone());
    for address in others {
        builder = builder.also_for(address.clone());
    }
    if let Some(usage) = usage(arguments.usage, &key)? {
        builder = builder.key_usage(usage);
    }
    let request = builder.sign(&key).map_err(|error| {
        Stop::failed(format_args!("{} cannot prove itself in a request: {error}", key.public_key().describe()))
            .hint("a key that only encrypts needs a CA that issues for it in another way")
    })?;
    if arguments.der {
        files::write(&arguments.output, request.der())
    } else {
        files::write(&arguments.output, request.to_pem().as_bytes())
    }
}

fn key(arguments: &Request) -> Result<SoftwareKey, Stop> {
    let password = files::password(arguments.password_file.as_deref())?.map(Zeroizing::new);
    let bytes = Zeroizing::new(files::read(&arguments.key)?);
    let named = arguments.key.display().to_string();
    let blocks = asn1::parse_pem(&bytes).unwrap_or_default();
    let block = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY"));
    let der = block.map_or(bytes.as_slice(), |block| &block.der);
    pki::private_key_from_der(der, password.as_deref().map(String::as_str))
        .map_err(|error| files::key_error(&named, &error))
}

// CA/B S/MIME BR §7.1.4.2.2 and §7.1.4.2.3 to §7.1.4.2.6: which attributes each profile has.
fn subject(arguments: &Request, first: &EmailAddress) -> Result<Subject, Stop> {
    let named = [
        ("--given-name", &arguments.given_name),
        ("--surname", &arguments.surname),
        ("--organization", &arguments.organization),
        ("--organization-identifier", &arguments.organization_identifier),
        ("--country", &arguments.country),
    ];
    let (profile, needed, allowed): (_, &[&str], &[&str]) = match arguments.profile {
        Validation::Mailbox => ("mailbox", &[], &[]),
        Validation::Individual => ("individual", &["--given-name", "--surname"], &["--country"]),
        Validation::Sponsor => {
            ("sponsor", &["--given-name", "--surname", "--organization", "--organization-identifier"], &["--country"])
        }
        Validation::Organization => ("organization", &["--organization", "--organization-identifier"], &["--country"]),
    };
    for (option, value) in named {
        let (is_needed, is_allowed) = (needed.contains(&option), allowed.contains(&option));
        match value {
            None if is_needed => return Err(Stop::failed(format_args!("--profile {profile} needs {option}"))),
            Some(_) if !is_needed && !is_allowed => {
                return Err(Stop::failed(format_args!("--profile {profile} has no place for {option}"))
                    .hint("the profiles are mailbox, individual, sponsor and organization; see --help"));
            }
            Some(text) if text.trim().is_empty() => {
                return Err(Stop::failed(format_args!("the value of {option} is empty")));
            }
            _ => {}
        }
    }
    if let Some(country) = &arguments.country
        && !(country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase()))
    {
        return Err(Stop::failed(format_args!("{country} is not a country")).hint("write it like DE"));
    }
    if let Some(identifier) = &arguments.organization_identifier
        && !is_organization_identifier(identifier)
    {
        return Err(Stop::failed(format_args!("{identifier} is not an organisation's identifier"))
            .hint("write it like \"NTRDE-HRB 12345\", VATDE-123456789 or LEIXG-529900T8BM49AURSDO55"));
    }
    let common_name = match arguments.profile {
        Validation::Mailbox => first.to_string(),
        Validation::Organization => arguments.organization.clone().unwrap_or_default(),
        Validation::Individual | Validation::Sponsor => {
            let names = [&arguments.given_name, &arguments.surname].into_iter().flatten();
            names.map(String::as_str).collect::<Vec<_>>().join(" ")
        }
    };
    // RFC 5280 §A.1: ub-common-name is 64, ub-organization-name as well. A mailbox stands in subjectAltName anyway.
    let too_long = |text: &str| text.chars().count() > 64;
    let common_name = match arguments.profile {
        Validation::Mailbox if too_long(&common_name) => String::new(),
        _ if too_long(&common_name) => return Err(Stop::failed(format_args!("{common_name} is longer than 64"))),
        _ => common_name,
    };
    Ok(Subject {
        common_name,
        organization: arguments.organization.clone(),
        organization_identifier: arguments.organization_identifier.clone(),
        given_name: arguments.given_name.clone(),
        surname: arguments.surname.clone(),
        country: arguments.country.clone(),
    })
}

// CA/B S/MIME BR §7.1.4.2.2 (d) and Appendix A: three letters of the scheme, two of the country, maybe a state, and
// the reference.
fn is_organization_identifier(text: &str) -> bool {
    let Some((scheme, reference)) = text.split_once('-') else { return false };
    let (letters, state) = scheme.split_once('+').unwrap_or((scheme, "X"));
    letters.len() == 5
        && letters.bytes().all(|letter| letter.is_ascii_uppercase())
        && (1..=3).contains(&state.len())
        && state.bytes().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
        && !reference.trim().is_empty()
}

fn usage(usage: Usage, key: &SoftwareKey) -> Result<Option<KeyUsage>, Stop> {
    let describe = || key.public_key().describe();
    match (usage, key.public_key().kind()) {
        (Usage::Both, _) => Ok(None),
        (Usage::Sign, _) => Ok(Some(KeyUsage::DIGITAL_SIGNATURE)),
        (Usage::Encrypt, PublicKeyKind::Rsa { pss: None, .. }) => Ok(Some(KeyUsage::KEY_ENCIPHERMENT)),
        (Usage::Encrypt, PublicKeyKind::Ec(_)) => Ok(Some(KeyUsage::KEY_AGREEMENT)),
        (Usage::Encrypt, _) => {
            Err(Stop::failed(format_args!("nobody can encrypt to a key of the kind {}", describe()))
                .hint("make one by sealpost key new --kind rsa-3072 or p-256"))
        }
    }
}
