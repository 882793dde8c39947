//! Whether a mail was signed by the domain of its sender (RFC 6376), over everything that RFC 8823 wants signed.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::sync::Arc;

use egress::Records;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters, ResolverCache, Txt};

/// RFC 8823 §3.1: what the signature has to be about, whether the mail has it or not.
const SIGNED: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "CC",
    "Subject",
    "Date",
    "In-Reply-To",
    "References",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// Whether `domain` signed `mail`; if not, why.
///
/// # Errors
/// When DNS gives no answer now.
pub(super) async fn verify(mail: &[u8], domain: &str, records: &Arc<dyn Records>) -> io::Result<Result<(), String>> {
    let (mail, domain, records) = (mail.to_vec(), domain.to_owned(), Arc::clone(records));
    // A task of its own: what should break in the library breaks this mail's check and nothing else.
    let verified = tokio::spawn(async move { signed_by(&mail, &domain, &*records).await });
    verified.await.unwrap_or_else(|_| Ok(Err("its DKIM signature cannot be read".into())))
}

async fn signed_by(mail: &[u8], domain: &str, records: &dyn Records) -> io::Result<Result<(), String>> {
    let Some(mut message) = AuthenticatedMessage::parse_with_opts(mail, None, true) else {
        return Ok(Err("it cannot be read".into()));
    };
    if message.dkim_headers.len() > MOST_SIGNATURES {
        return Ok(Err("it has too many DKIM signatures".into()));
    }
    let mut because = "it has no DKIM signature of its sender's domain".to_owned();
    let mut keys = Keys::default();
    let mut usable = Vec::new();
    for mut header in std::mem::take(&mut message.dkim_headers) {
        let signature = &mut header.header;
        if !signature.d.eq_ignore_ascii_case(domain) {
            continue;
        }
        if let Err(problem) = suits(signature) {
            because = problem;
            continue;
        }
        // Nothing else is looked up in DNS than the key.
        (signature.r, signature.atps) = (false, None);
        let name = format!("{}._domainkey.{}", signature.s, signature.d).to_ascii_lowercase();
        let found = records.txt(&name).await?;
        keys.0.insert(format!("{name}.").into_boxed_str(), key_in(&found));
        usable.push(header);
    }
    if usable.is_empty() {
        return Ok(Err(because));
    }
    message.dkim_headers = usable;
    let resolver = MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default());
    let resolver = resolver.map_err(io::Error::other)?;
    for output in resolver.verify_dkim(Parameters::new(&message).with_txt_cache(&keys)).await {
        match output.result() {
            DkimResult::Pass if output.signature().is_some() => return Ok(Ok(())),
            DkimResult::Pass | DkimResult::None => {}
            DkimResult::Neutral(error)
            | DkimResult::Fail(error)
            | DkimResult::PermError(error)
            | DkimResult::TempError(error) => because = format!("its DKIM signature does not hold: {error}"),
        }
    }
    Ok(Err(because))
}

/// Whether a signature, if it holds, is enough.
fn suits(signature: &mail_auth::dkim::Signature) -> Result<(), String> {
    if signature.a == Algorithm::RsaSha1 {
        return Err("its DKIM signature is made with SHA-1".into());
    }
    // RFC 6376 §8.2: behind the part that is signed anything could stand.
    if signature.l != 0 {
        return Err("its DKIM signature is about a part of the text only".into());
    }
    let unsigned: Vec<&str> =
        SIGNED.into_iter().filter(|name| !signature.h.iter().any(|own| own.eq_ignore_ascii_case(name))).collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    Err(format!("its DKIM signature is not about {}", unsigned.join(", ")))
}

/// The key that a selector's records hold.
fn key_in(records: &[Vec<u8>]) -> Txt {
    // RFC 6376 §3.6.1: a domain that only tries it out signs nothing.
    let tests = |record: &[u8]| {
        String::from_utf8_lossy(record).split(';').any(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
            name.trim() == "t" && value.split(':').any(|flag| flag.trim() == "y")
        })
    };
    let usable = records.iter().filter(|record| !tests(record)).find_map(|record| DomainKey::parse(record).ok());
    usable.map_or(Txt::Error(Error::NotAligned), |key| Txt::DomainKey(Arc::new(key)))
}

/// The keys that were looked up; the library asks nobody else.
#[derive(Default)]
struct Keys(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.0.get(name).cloned().unwrap_or(Txt::Error(Error::NotAligned)))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

const MOST_SIGNATURES: usize = 10;
