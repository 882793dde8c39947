//! From the one configuration file to what directory, gateway and portal are told.

use std::path::Path;
use std::sync::Arc;

use directory::{Address, Language, MessagePlace, ObjectPlace, Role, StoreKey};
use gateway::smtp::{Hop, Protocol, SessionLimits, TlsPolicy};
use gateway::{ListenerSettings, policy};

use crate::config::{self, Config};
use crate::files;
use crate::look_up;
use crate::outcome::{Doing, Stop};
use crate::serve::explainer::Explainer;
use crate::serve::keys::first_line;

/// Seals mail at rest; gateway and portal share it.
pub(super) fn store_key(config: &Config) -> Result<StoreKey, Stop> {
    let folder = &config.storage.folder;
    make_privately(folder)?;
    let file = folder.join("store.key");
    StoreKey::load_or_create(&file).map_err(|error| Stop::failed(format_args!("{}: {error}", file.display())))
}

pub(super) fn directory(config: &Config, store_key: StoreKey) -> Result<directory::Settings, Stop> {
    let organisation = &config.organisation;
    let intake = address("organisation.intake_address", &organisation.intake_address)?;
    let mut settings = directory::Settings::new(
        &organisation.name,
        &organisation.domains,
        intake.clone(),
        &config.portal.base_url,
        store_key,
    );
    settings.notify_from = match &organisation.notify_from {
        Some(from) => address("organisation.notify_from", from)?,
        None => intake,
    };
    settings.language = match organisation.language {
        config::Language::De => Language::German,
        config::Language::En => Language::English,
    };
    settings.deadline_days = organisation.deadline_days;
    settings.automatic_approval = config.approval.automatic;
    settings.profile = profile(config.policy.profile);
    settings.trust = files::anchors(&config.trust.anchors).map_err(|stop| {
        stop.hint("trust.anchors in the configuration names files or folders with root certificates in PEM or DER")
    })?;
    settings.revocation = match config.trust.revocation {
        config::Revocation::Required => pki::Revocation::Required,
        config::Revocation::IfAvailable => pki::Revocation::IfAvailable,
        config::Revocation::Off => pki::Revocation::Off,
    };
    Ok(settings)
}

pub(crate) fn gateway(config: &Config) -> Result<gateway::Settings, Stop> {
    let gateway = &config.gateway;
    let hostname = gateway.hostname.clone().unwrap_or_else(machine_name);
    let hop = |url: &str| hop(url, gateway.next_hop.tls);
    let spool = config.storage.folder.join("spool");
    make_privately(&spool)?;
    let mut settings =
        gateway::Settings::new(&hostname, hop(&gateway.next_hop.inside)?, hop(&gateway.next_hop.outside)?, spool);
    settings.listeners = gateway.listener.iter().map(listener).collect::<Result<_, _>>()?;
    settings.milters = gateway.milter.iter().map(milter).collect::<Result<_, _>>()?;
    settings.policy = policy(&config.policy)?;
    settings.second_factor_for = config.portal.second_factor_for.iter().copied().map(role).collect();
    settings.incoming = incoming(&gateway.incoming)?;
    settings.mailbox = gateway.intake.mailbox.as_ref().map(mailbox).transpose()?;
    settings.look_up = Some(Arc::new(look_up::sources(config)?));
    if let Some(mark) = &gateway.loop_mark {
        let inside = super::secret_line("gateway.loop_mark.inside_secret", &mark.inside_secret)?;
        let outside = super::secret_line("gateway.loop_mark.outside_secret", &mark.outside_secret)?;
        // Whoever outside reads the mark on our mail could make theirs pass for judged.
        if inside == outside {
            return Err(Stop::refused("gateway.loop_mark.inside_secret and outside_secret are the same"));
        }
        settings.loop_mark = Some(gateway::LoopMark { header: mark.header.clone(), inside, outside });
    }
    settings.intake = gateway::IntakeSettings {
        authentication_results: gateway.intake.authentication_results.clone(),
        answers_per_hour: gateway.intake.answers_per_hour,
    };
    settings.connections = gateway.connections;
    settings.connections_per_address = gateway.connections_per_address;
    settings.limits = SessionLimits { message_bytes: gateway.message_bytes, ..SessionLimits::default() };
    settings.messages = Some(messages(config)?);
    let config::Renewal { house_days, validity_days, announce } = config.renewal;
    settings.renewal = directory::RenewalSettings { house_days, validity_days, announce };
    settings.acme = config.acme.as_ref().map(crate::acme::settings).transpose()?;
    Ok(settings)
}

pub(super) fn portal(config: &Config) -> Result<portal::Settings, Stop> {
    let mut settings = portal::Settings::new(config.portal.address, messages(config)?);
    settings.upload_bytes = config.portal.upload_bytes;
    settings.idle_minutes = config.portal.idle_minutes;
    settings.trusted_proxies = config.portal.trusted_proxies.clone();
    settings.upload_memory_bytes = config.portal.upload_memory_bytes;
    settings.second_factor_for = config.portal.second_factor_for.iter().copied().map(role).collect();
    settings.passkey_log_in = config.portal.passkeys == config::Passkeys::LogIn;
    settings.password_links = config.portal.forgotten_password == config::ForgottenPassword::MailedLink;
    settings.api_calls_per_minute = config.portal.api_calls_per_minute;
    settings.openid = config.portal.openid.as_ref().map(|described| openid(config, described)).transpose()?;
    settings.certificate_sources = config.organisation.certificate_sources.clone();
    let shown = config.shown().into_iter().map(|one| portal::ShownSetting {
        name: one.name,
        value: one.value,
        source: if one.written { portal::SettingSource::File } else { portal::SettingSource::Default },
    });
    settings.shown = shown.collect();
    settings.explain = Some(Arc::new(Explainer::new(policy(&config.policy)?)));
    Ok(settings)
}

fn openid(config: &Config, described: &config::OpenId) -> Result<portal::OpenId, Stop> {
    let config::OpenIdRoles { employee, officer, auditor, operator } = &described.roles;
    let mut roles = Vec::new();
    for (values, role) in
        [(employee, Role::Employee), (officer, Role::Officer), (auditor, Role::Auditor), (operator, Role::Operator)]
    {
        roles.extend(values.iter().map(|value| (value.clone(), role)));
    }
    let client_secret = match &described.client_secret {
        None => None,
        Some(place) => {
            let wrong =
                || Stop::refused(format_args!("portal.openid.client_secret {place} is no file: or credential:"));
            Some(first_line(place)?.ok_or_else(wrong)?.to_string())
        }
    };
    Ok(portal::OpenId {
        name: described.name.clone(),
        issuer: described.issuer.clone(),
        client_id: described.client_id.clone(),
        client_secret,
        scopes: described.scopes.clone(),
        address_claim: described.address_claim.clone(),
        roles_claim: described.roles_claim.clone(),
        roles,
        web: egress::Web::new(look_up::roots(config)?),
    })
}

fn role(role: config::PortalRole) -> Role {
    match role {
        config::PortalRole::Partner => Role::Partner,
        config::PortalRole::Employee => Role::Employee,
        config::PortalRole::Officer => Role::Officer,
        config::PortalRole::Auditor => Role::Auditor,
        config::PortalRole::Operator => Role::Operator,
    }
}

/// For the user that sealpost runs as, and nobody else.
fn make_privately(folder: &Path) -> Result<(), Stop> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder.create(folder).doing(format_args!("make the folder {}", folder.display()))
}

/// Where the webmailer's messages are, sealed.
pub(crate) fn messages(config: &Config) -> Result<MessagePlace, Stop> {
    let Some(s3) = &config.storage.s3 else { return Ok(config.storage.folder.join("messages").into()) };
    Ok(MessagePlace::Objects(ObjectPlace {
        endpoint: s3.endpoint.clone(),
        bucket: s3.bucket.clone(),
        region: s3.region.clone(),
        prefix: s3.prefix.clone(),
        access_key: s3.access_key.clone(),
        secret_key: super::keys::password("storage.s3.secret_key", &s3.secret_key)?,
    }))
}

fn address(key: &str, text: &str) -> Result<Address, Stop> {
    Address::parse(text).map_err(|error| Stop::refused(format_args!("{key} = \"{text}\": {error}")))
}

fn hop(url: &str, tls: config::NextHopTls) -> Result<Hop, Stop> {
    let wrong = || Stop::refused(format_args!("{url} is not smtp://HOST:PORT or lmtp://HOST:PORT"));
    let (protocol, place) = config::next_hop(url).ok_or_else(wrong)?;
    let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
    Ok(Hop {
        protocol: in_words(protocol),
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.parse().map_err(|_| wrong())?,
        tls: match tls {
            config::NextHopTls::Off => TlsPolicy::Off,
            config::NextHopTls::Opportunistic => TlsPolicy::Opportunistic,
            config::NextHopTls::Required => TlsPolicy::Required,
        },
    })
}

fn listener(listener: &config::Listener) -> Result<ListenerSettings, Stop> {
    // Whoever reaches an inside listener is signed for: by default that is this machine alone.
    let networks = match (&listener.networks, listener.side) {
        (Some(listed), _) => networks(listed)?,
        (None, config::Side::Inside) => this_machine()?,
        (None, config::Side::Outside) => Vec::new(),
    };
    Ok(ListenerSettings {
        address: listener.address,
        side: side(listener.side),
        protocol: in_words(listener.protocol),
        networks,
        tls: listener.tls_certificate.clone().zip(listener.tls_key.clone()),
        tls_clients: listener.tls_client_roots.clone(),
        tls_client_names: listener.tls_client_names.clone(),
        ticket: listener.ticket.as_ref().map(|place| super::secret_line("ticket", place)).transpose()?,
        implicit_tls: listener.tls_from_start,
        authentication: listener.log_in,
    })
}

fn milter(milter: &config::Milter) -> Result<gateway::MilterSettings, Stop> {
    Ok(gateway::MilterSettings {
        address: milter.address.parse().map_err(Stop::refused)?,
        side: side(milter.side),
        networks: milter.networks.as_ref().map_or_else(this_machine, |listed| networks(listed))?,
        log_in: milter.log_in,
    })
}

fn side(side: config::Side) -> gateway::Side {
    match side {
        config::Side::Inside => gateway::Side::Inside,
        config::Side::Outside => gateway::Side::Outside,
    }
}

fn networks(listed: &[String]) -> Result<Vec<gateway::Network>, Stop> {
    listed.iter().map(|network| network.parse()).collect::<Result<_, _>>().map_err(Stop::refused)
}

fn this_machine() -> Result<Vec<gateway::Network>, Stop> {
    networks(&["127.0.0.0/8", "::1/128"].map(str::to_owned))
}

fn in_words(protocol: config::Protocol) -> Protocol {
    match protocol {
        config::Protocol::Smtp => Protocol::Smtp,
        config::Protocol::Lmtp => Protocol::Lmtp,
    }
}

fn mailbox(mailbox: &config::Mailbox) -> Result<gateway::MailboxSettings, Stop> {
    let (host, port) = mailbox.place().ok_or_else(|| Stop::refused("gateway.intake.mailbox.url is no imaps://"))?;
    let roots = pki::Certificate::all_from(
        &std::fs::read(&mailbox.tls_roots).doing(format_args!("read {}", mailbox.tls_roots.display()))?,
    );
    let roots = roots.map_err(|error| Stop::refused(format_args!("{}: {error}", mailbox.tls_roots.display())))?;
    Ok(gateway::MailboxSettings {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        user: mailbox.user.clone(),
        password: super::keys::password("gateway.intake.mailbox.password", &mailbox.password)?,
        folder: mailbox.folder.clone(),
        move_to: mailbox.move_to.clone(),
        tls_roots: roots.iter().map(|root| root.der().to_vec()).collect(),
        look_seconds: mailbox.look_seconds,
    })
}

fn incoming(incoming: &config::Incoming) -> Result<gateway::Incoming, Stop> {
    let domain_address = incoming.domain_address.as_ref().map(|address| pki::EmailAddress::parse(address));
    let scanner = incoming.scanner.as_ref().map(|place| place.parse());
    Ok(gateway::Incoming {
        tampered: match incoming.tampered {
            config::Tampered::DeliverMarked => gateway::Tampered::DeliverMarked,
            config::Tampered::Refuse => gateway::Tampered::Refuse,
        },
        undecryptable: match incoming.undecryptable {
            config::Undecryptable::DeliverEncrypted => gateway::Undecryptable::DeliverEncrypted,
            config::Undecryptable::Hold => gateway::Undecryptable::Hold,
        },
        mark_signed: incoming.mark_signed.clone(),
        mark_encrypted: incoming.mark_encrypted.clone(),
        mark_failed: incoming.mark_failed.clone(),
        keep_signature: incoming.keep_signature,
        learn: incoming.learn,
        domain_address: domain_address.transpose().map_err(Stop::refused)?,
        scanner: scanner.transpose().map_err(Stop::refused)?,
        clean_html: incoming.clean_html,
    })
}

pub(crate) fn policy(policy: &config::Policy) -> Result<gateway::Policy, Stop> {
    Ok(gateway::Policy {
        sign: choice(policy.sign),
        encrypt: choice(policy.encrypt),
        otherwise: otherwise(policy.otherwise),
        profile: profile(policy.profile),
        headers: headers(policy.headers),
        rules: policy.rule.iter().map(rule).collect::<Result<_, _>>()?,
    })
}

fn rule(rule: &config::Rule) -> Result<policy::Rule, Stop> {
    let header = rule.header.as_ref().and_then(|header| header.split_once(':'));
    let also_to = rule.also_to.iter().map(|address| pki::EmailAddress::parse(address));
    let certificate_of = rule.certificate_of.as_ref().map(|address| pki::EmailAddress::parse(address));
    Ok(policy::Rule {
        name: rule.name.clone(),
        direction: match rule.direction {
            config::Direction::Outward => policy::Direction::Outward,
            config::Direction::Within => policy::Direction::Within,
        },
        from: rule.from.clone(),
        to: rule.to.clone(),
        subject_words: rule.subject_words.clone(),
        header: header.map(|(name, part)| (name.trim().to_owned(), part.trim().to_owned())),
        labels: rule.labels.clone(),
        users: rule.users.clone(),
        groups: rule.groups.clone(),
        larger_than: rule.larger_than,
        smaller_than: rule.smaller_than,
        sign: rule.sign.map(choice),
        encrypt: rule.encrypt.map(choice),
        otherwise: rule.otherwise.map(otherwise),
        profile: rule.profile.map(profile),
        headers: rule.headers.map(headers),
        also_to: also_to.collect::<Result<_, _>>().map_err(Stop::refused)?,
        certificate_of: certificate_of.transpose().map_err(Stop::refused)?,
        banner: rule.banner.clone(),
    })
}

fn choice(choice: config::Choice) -> policy::Choice {
    match choice {
        config::Choice::Always => policy::Choice::Always,
        config::Choice::IfPossible => policy::Choice::IfPossible,
        config::Choice::Never => policy::Choice::Never,
    }
}

fn otherwise(otherwise: config::Otherwise) -> policy::Otherwise {
    match otherwise {
        config::Otherwise::Clear => policy::Otherwise::Clear,
        config::Otherwise::Hold => policy::Otherwise::Hold,
        config::Otherwise::Refuse => policy::Otherwise::Refuse,
        config::Otherwise::Webmailer => policy::Otherwise::Webmailer,
    }
}

fn headers(headers: config::Headers) -> policy::HeaderProtection {
    use policy::HeaderProtection::{Off, On};
    match headers {
        config::Headers::Off => Off,
        config::Headers::NoConfidentiality => On(smime::HeaderConfidentiality::NoConfidentiality),
        config::Headers::Baseline => On(smime::HeaderConfidentiality::Baseline),
        config::Headers::Shy => On(smime::HeaderConfidentiality::Shy),
    }
}

fn profile(profile: config::Profile) -> smime::Profile {
    match profile {
        config::Profile::Modern => smime::Profile::Modern,
        config::Profile::Compatible => smime::Profile::Compatible,
        config::Profile::Energy => smime::Profile::Energy,
        config::Profile::Bsi => smime::Profile::Bsi,
        config::Profile::Pq => smime::Profile::Pq,
    }
}

/// What the machine calls itself, as the kernel knows it.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
