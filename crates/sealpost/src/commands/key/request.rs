//! `sealpost key request`: PKCS #10 with the subject that each profile of the S/MIME Baseline Requirements allows.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use crypto::{PrivateKey as _, PublicKeyKind, SoftwareKey};
use pki::{CertificateRequestBuilder, EmailAddress, KeyUsage, Subject, SubjectAttribute, SubjectError};
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
    #[command(flatten)]
    names: Names,
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

/// Whose certificate it shall be, and what of that the CA shall verify.
#[derive(Debug, Args)]
pub(crate) struct Names {
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Validation {
    /// The mailbox alone
    Mailbox,
    /// The person
    Individual,
    /// The organisation, and through it the person
    Sponsor,
    /// The organisation
    Organization,
}

impl From<Validation> for pki::Validation {
    fn from(validation: Validation) -> Self {
        match validation {
            Validation::Mailbox => Self::Mailbox,
            Validation::Individual => Self::Individual,
            Validation::Sponsor => Self::Sponsor,
            Validation::Organization => Self::Organization,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Usage {
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
    let subject = arguments.names.subject(first)?;
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

impl Names {
    pub(crate) fn subject(&self, first: &EmailAddress) -> Result<Subject, Stop> {
        let given = Subject {
            common_name: String::new(),
            organization: self.organization.clone(),
            organization_identifier: self.organization_identifier.clone(),
            given_name: self.given_name.clone(),
            surname: self.surname.clone(),
            country: self.country.clone(),
        };
        let validation: pki::Validation = self.profile.into();
        validation.subject(given, first).map_err(|error| match &error {
            SubjectError::Missing { attribute, .. } => {
                Stop::failed(format_args!("--profile {} needs {}", validation.name(), option(*attribute)))
            }
            SubjectError::NotAllowed { attribute, .. } => {
                Stop::failed(format_args!("--profile {} has no place for {}", validation.name(), option(*attribute)))
                    .hint("the profiles are mailbox, individual, sponsor and organization; see --help")
            }
            SubjectError::Empty { attribute } => {
                Stop::failed(format_args!("the value of {} is empty", option(*attribute)))
            }
            SubjectError::Country { .. } => Stop::failed(&error).hint("write it like DE"),
            SubjectError::Identifier { .. } => Stop::failed(&error)
                .hint("write it like \"NTRDE-HRB 12345\", VATDE-123456789 or LEIXG-529900T8BM49AURSDO55"),
            _ => Stop::failed(&error),
        })
    }
}

fn option(attribute: SubjectAttribute) -> &'static str {
    match attribute {
        SubjectAttribute::Country => "--country",
        SubjectAttribute::GivenName => "--given-name",
        SubjectAttribute::Organization => "--organization",
        SubjectAttribute::OrganizationIdentifier => "--organization-identifier",
        SubjectAttribute::Surname => "--surname",
    }
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
