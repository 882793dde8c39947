//! From the configuration to the CA that speaks ACME.

use std::sync::Arc;

use egress::acme::{AcmeClient, AcmeLimits, ExternalBinding};
use egress::{DnsRecords, TlsRoots};
use gateway::AcmeSettings;

use crate::config::{Acme, Config};
use crate::outcome::Stop;
use crate::serve;

/// The section of the configuration, which commands need that speak with the CA.
pub(crate) fn section(config: &Config) -> Result<&Acme, Stop> {
    config.acme.as_ref().ok_or_else(|| {
        Stop::refused("the configuration has no [acme], so there is no CA to speak with")
            .hint("every key is explained by: sealpost config reference")
    })
}

/// What the gateway is told.
pub(crate) fn settings(acme: &Acme) -> Result<AcmeSettings, Stop> {
    let mut settings = AcmeSettings::new(roots(acme)?, Arc::new(records(acme)?));
    settings.renew_days = acme.renew_days;
    Ok(settings)
}

/// Speaks with the CA.
pub(crate) fn client(acme: &Acme) -> Result<AcmeClient, Stop> {
    let client = AcmeClient::new(&acme.server, roots(acme)?, AcmeLimits::default());
    client.map_err(|error| unusable("acme.server", &error))
}

/// Asks DNS.
pub(crate) fn records(acme: &Acme) -> Result<DnsRecords, Stop> {
    DnsRecords::new(&acme.dns_servers).map_err(|error| unusable("acme.dns_servers", &error))
}

/// The key that the CA gave to a customer.
pub(crate) fn external_account(acme: &Acme) -> Result<Option<ExternalBinding>, Stop> {
    let (Some(name), Some(place)) = (&acme.external_account, &acme.external_account_key) else { return Ok(None) };
    let key = serve::first_line(place)?.unwrap_or_default();
    let binding = ExternalBinding::from_base64url(name, &key);
    binding.map(Some).map_err(|error| unusable("acme.external_account_key", &error))
}

fn roots(acme: &Acme) -> Result<TlsRoots, Stop> {
    TlsRoots::from_file(&acme.tls_roots).map_err(|error| unusable("acme.tls_roots", &error))
}

fn unusable(key: &str, error: &egress::Error) -> Stop {
    Stop::refused(format_args!("{key}: {error}")).hint("every key is explained by: sealpost config reference")
}
