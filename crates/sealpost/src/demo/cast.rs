//! Who takes part: the people of the house, their partners, and the CAs that vouch for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asn1::Time;
use crypto::{KeyKind, SoftwareKey};
use pki::{CertificateBuilder, Credential, EmailAddress, Issuer, Pkcs12Builder, Protection, Subject};
use zeroize::Zeroizing;

use crate::files;
use crate::outcome::{Doing, Stop};

pub(super) const ORGANISATION: &str = "Muster Versicherungsmakler GmbH";
pub(super) const DOMAIN: &str = "muster.example";
pub(super) const INTAKE: &str = "emailzertifikat@muster.example";

/// Somebody of the house: logs in, writes mail, has a certificate whose key the gateway keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Employee {
    pub(super) given_name: &'static str,
    pub(super) surname: &'static str,
    pub(super) address: &'static str,
    pub(super) password: &'static str,
    pub(super) officer: bool,
}

pub(super) const EMMA: Employee = Employee {
    given_name: "Emma",
    surname: "Sommer",
    address: "emma.sommer@muster.example",
    password: "sommer-demo-2026",
    officer: false,
};
pub(super) const OTTO: Employee = Employee {
    given_name: "Otto",
    surname: "Brandt",
    address: "otto.brandt@muster.example",
    password: "brandt-demo-2026",
    officer: true,
};
pub(super) const PAULA: Employee = Employee {
    given_name: "Paula",
    surname: "Keller",
    address: "paula.keller@muster.example",
    password: "keller-demo-2026",
    officer: false,
};
pub(super) const EMPLOYEES: [Employee; 3] = [EMMA, OTTO, PAULA];

impl Employee {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.given_name, self.surname)
    }
}

/// Somebody outside with a mail program of their own, whose key only they have.
#[derive(Debug)]
pub(super) struct Partner {
    pub(super) name: &'static str,
    pub(super) address: EmailAddress,
    pub(super) credential: Credential,
    /// Key, certificate and chain, as their mail program would have them.
    pub(super) identity: PathBuf,
}

/// Somebody outside without a certificate.
pub(super) const KARL: (&str, &str) = ("Karl Reuter", "karl.reuter@kunde.example");

/// A root and the CA below it.
#[derive(Debug)]
pub(super) struct Authority {
    root: Issuer,
    ca: Issuer,
}

impl Authority {
    pub(super) fn new(organization: &str, now: Time) -> Result<Self, Stop> {
        let (from, to) = (now.plus_days(-30), now.plus_days(3650));
        let subject = |what: &str| Subject::named(format!("{organization} {what}")).of(organization);
        let root = CertificateBuilder::authority(subject("Root"), Some(1), from, to);
        let root = Issuer::new_root(key(KeyKind::P256)?, &root).map_err(cannot)?;
        let ca = CertificateBuilder::authority(subject("E-Mail CA"), Some(0), from, to);
        let ca = root.issue_authority(&ca, key(KeyKind::P256)?).map_err(cannot)?;
        Ok(Self { root, ca })
    }

    /// Puts the root where the configuration looks for trusted ones.
    pub(super) fn publish(&self, file: &Path) -> Result<(), Stop> {
        files::write(file, self.root.certificate().to_pem().as_bytes())
    }

    /// A certificate for a mailbox, with its key in PKCS #8.
    pub(super) fn issue(
        &self,
        subject: Subject,
        address: &EmailAddress,
        kind: KeyKind,
        now: Time,
    ) -> Result<(Credential, Zeroizing<Vec<u8>>), Stop> {
        let certificate = CertificateBuilder::mailbox(subject, address.clone(), now.plus_days(-1), now.plus_days(365));
        let key = SoftwareKey::generate(kind).map_err(cannot)?;
        let pkcs8 = key.to_pkcs8();
        Ok((self.ca.issue_credential(&certificate, Arc::new(key)).map_err(cannot)?, pkcs8))
    }

    /// A partner, whose key and certificate are put into `folder` as PEM and as PKCS #12.
    pub(super) fn partner(
        &self,
        folder: &Path,
        name: &'static str,
        address: &str,
        kind: KeyKind,
        now: Time,
    ) -> Result<Partner, Stop> {
        let address = EmailAddress::parse(address).map_err(cannot)?;
        let (credential, pkcs8) = self.issue(Subject::named(name), &address, kind, now)?;
        let identity = folder.join(format!("{address}.pem"));
        let mut pem = Zeroizing::new(asn1::encode_pem("PRIVATE KEY", &pkcs8));
        for certificate in std::iter::once(credential.certificate()).chain(credential.chain()) {
            pem.push_str(&certificate.to_pem());
        }
        // A folder that is kept may hold those of the time before.
        let _ = std::fs::remove_file(&identity);
        files::write_secret(&identity, pem.as_bytes())?;
        let key = SoftwareKey::from_pkcs8(&pkcs8).map_err(cannot)?;
        let p12 = Pkcs12Builder::new(Protection::Compatible)
            .key(&key, credential.certificate(), Some(name))
            .and_then(|builder| builder.chain(credential.chain()).build(IDENTITY_PASSWORD))
            .map_err(cannot)?;
        let file = folder.join(format!("{address}.p12"));
        std::fs::write(&file, p12).doing(format_args!("write {}", file.display()))?;
        Ok(Partner { name, address, credential, identity })
    }
}

/// What opens the partners' `.p12` files.
pub(super) const IDENTITY_PASSWORD: &str = "demo";

fn key(kind: KeyKind) -> Result<Arc<SoftwareKey>, Stop> {
    SoftwareKey::generate(kind).map(Arc::new).map_err(cannot)
}

fn cannot(error: impl std::fmt::Display) -> Stop {
    Stop::failed(format_args!("cannot set the stage: {error}"))
}
