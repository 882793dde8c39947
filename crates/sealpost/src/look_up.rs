//! From the configuration to the directories that are asked, and the one that is told.

use std::path::Path;

use egress::look_up::{Bind, HttpDirectory, LdapDirectory, Smimea, SmimeaSettings};
use egress::{LookUp, Source, TlsRoots};

use crate::config::{Config, LdapServer, LookUpKind, LookUpSource};
use crate::files;
use crate::outcome::Stop;

/// The directories, in the order of the configuration.
pub(crate) fn sources(config: &Config) -> Result<LookUp, Stop> {
    let roots = roots(config)?;
    let sources = config.look_up.source.iter().map(|source| one(config, source, roots.clone()));
    Ok(LookUp::new(sources.collect::<Result<_, _>>()?))
}

/// Where our own certificates are published.
pub(crate) fn publish_server(config: &Config) -> Result<LdapDirectory, Stop> {
    let server = config.look_up.publish.as_ref().ok_or_else(|| {
        Stop::refused("the configuration has no [look_up.publish], so there is nowhere to publish to")
            .hint("every key is explained by: sealpost config reference")
    })?;
    ldap(server, roots(config)?)
}

pub(crate) fn roots(config: &Config) -> Result<Option<TlsRoots>, Stop> {
    let file = config.look_up.tls_roots.as_deref();
    file.map(TlsRoots::from_file).transpose().map_err(|error| unusable("look_up.tls_roots", &error))
}

fn one(config: &Config, source: &LookUpSource, roots: Option<TlsRoots>) -> Result<Source, Stop> {
    let needed = |key: &str, value: &Option<String>| {
        value.clone().ok_or_else(|| Stop::refused(format_args!("look_up.source: {key} is missing")))
    };
    match source.kind {
        LookUpKind::Http => {
            let directory = HttpDirectory::new(&needed("url", &source.url)?, roots);
            Ok(Source::Http(directory.map_err(|error| unusable("look_up.source", &error))?))
        }
        LookUpKind::Ldap => {
            let server = LdapServer {
                url: needed("url", &source.url)?,
                base: needed("base", &source.base)?,
                filter: source.filter.clone(),
                bind_name: source.bind_name.clone(),
                password_file: source.password_file.clone(),
            };
            Ok(Source::Ldap(ldap(&server, roots)?))
        }
        LookUpKind::Smimea => {
            let settings = SmimeaSettings { servers: config.look_up.dns_servers.clone(), trust_anchor: None };
            let dns = Smimea::new(&settings).map_err(|error| unusable("look_up.dns_servers", &error))?;
            Ok(Source::Smimea(Box::new(dns)))
        }
    }
}

fn ldap(server: &LdapServer, roots: Option<TlsRoots>) -> Result<LdapDirectory, Stop> {
    let filter = server.filter.as_deref().unwrap_or("(mail={address})");
    let directory = LdapDirectory::new(&server.url, &server.base, filter, roots)
        .map_err(|error| unusable("an LDAP server of the configuration", &error))?;
    let Some(name) = &server.bind_name else { return Ok(directory) };
    let password = files::password(server.password_file.as_deref().map(Path::new))?.unwrap_or_default();
    Ok(directory.bind(Bind { name: name.clone(), password }))
}

fn unusable(key: &str, error: &egress::Error) -> Stop {
    Stop::refused(format_args!("{key}: {error}")).hint("every key is explained by: sealpost config reference")
}
