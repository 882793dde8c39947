//! Files that list trust anchors, with or without saying what for.

use std::collections::HashMap;

use asn1::{Encoding, Oid, Reader, Tag, Time};

use super::TrustAnchors;
use crate::{Certificate, Error, oids};

/// The largest bundle that is read.
const MOST_BYTES: usize = 64 << 20;

pub(super) fn parse(bytes: &[u8]) -> Result<TrustAnchors, Error> {
    if bytes.len() > MOST_BYTES {
        return Err(Error::TooLarge { what: "bundle of trust anchors", limit: MOST_BYTES });
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.lines().any(|line| line.trim() == "CKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE")
    {
        return certdata(text);
    }
    let trusted = asn1::parse_pem(bytes).unwrap_or_default();
    if !trusted.iter().any(|block| block.label == "TRUSTED CERTIFICATE") {
        return Ok(Certificate::all_from(bytes)?.into_iter().collect());
    }
    let mut anchors = TrustAnchors::new();
    for block in trusted {
        match block.label.as_str() {
            "TRUSTED CERTIFICATE" => anchors.extend(with_uses(&block.der)?),
            "CERTIFICATE" => anchors.add(Certificate::from_der(&block.der)?),
            _ => {}
        }
    }
    Ok(anchors)
}

/// OpenSSL's certificate with its uses behind it, where mail is among them.
///
/// ```text
/// X509_CERT_AUX ::= SEQUENCE { trust SEQUENCE OF OBJECT IDENTIFIER OPTIONAL,
///   reject [0] IMPLICIT SEQUENCE OF OBJECT IDENTIFIER OPTIONAL, … }
/// ```
fn with_uses(der: &[u8]) -> Result<Option<Certificate>, Error> {
    let mut reader = Reader::new(der, Encoding::Der).named("TRUSTED CERTIFICATE");
    let certificate = Certificate::from_der(reader.element()?.raw())?;
    if reader.is_empty() {
        return Ok(Some(certificate));
    }
    let mut uses = reader.sequence("X509_CERT_AUX")?;
    let for_mail = |mut list: Reader<'_>| -> Result<bool, asn1::Error> {
        let mut found = false;
        while !list.is_empty() {
            let purpose: Oid = list.oid()?;
            found |= purpose == oids::EMAIL_PROTECTION || purpose == oids::ANY_EXTENDED_KEY_USAGE;
        }
        Ok(found)
    };
    let trusted = match uses.optional(Tag::SEQUENCE)? {
        Some(list) => for_mail(list.reader("trust")?)?,
        None => true,
    };
    let rejected = uses.context(0, "reject")?.map(for_mail).transpose()?.unwrap_or(false);
    Ok((trusted && !rejected).then_some(certificate))
}

/// One object of `certdata.txt`: its attributes, each with its value as text or octets.
#[derive(Default)]
struct Object<'a> {
    words: HashMap<&'a str, &'a str>,
    octets: HashMap<&'a str, Vec<u8>>,
}

// Mozilla's certdata.txt: objects of attributes, one a line; octets in lines of their own, in octal. The email trust
// bit stands in an object of its own that names the certificate by issuer and serial number.
fn certdata(text: &str) -> Result<TrustAnchors, Error> {
    let objects = objects(text);
    let is = |object: &Object<'_>, class| object.words.get("CKA_CLASS") == Some(&class);
    let named = |object: &Object<'_>| {
        Some((object.octets.get("CKA_ISSUER")?.clone(), object.octets.get("CKA_SERIAL_NUMBER")?.clone()))
    };
    let for_mail: HashMap<_, bool> = objects
        .iter()
        .filter(|object| is(object, "CKO_NSS_TRUST"))
        .filter_map(|object| {
            let trust = object.words.get("CKA_TRUST_EMAIL_PROTECTION").copied();
            Some((named(object)?, trust == Some("CKT_NSS_TRUSTED_DELEGATOR")))
        })
        .collect();
    let mut anchors = TrustAnchors::new();
    for object in objects.iter().filter(|object| is(object, "CKO_CERTIFICATE")) {
        let trusted = named(object).is_some_and(|name| for_mail.get(&name) == Some(&true));
        let Some(der) = object.octets.get("CKA_VALUE").filter(|_| trusted) else { continue };
        let distrusted_after = match object.octets.get("CKA_NSS_EMAIL_DISTRUST_AFTER") {
            Some(time) => Some(Time::from_utc_time(time).ok_or(Error::Unsupported { what: "date in certdata.txt" })?),
            None => None,
        };
        anchors.add_until(Certificate::from_der(der)?, distrusted_after);
    }
    Ok(anchors)
}

fn objects(text: &str) -> Vec<Object<'_>> {
    let mut objects: Vec<Object<'_>> = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let mut parts = line.splitn(3, ' ');
        let (Some(name), Some(kind), value) = (parts.next(), parts.next(), parts.next()) else { continue };
        if !name.starts_with("CKA_") {
            continue;
        }
        if name == "CKA_CLASS" {
            objects.push(Object::default());
        }
        let Some(object) = objects.last_mut() else { continue };
        if kind == "MULTILINE_OCTAL" {
            let octal = lines.by_ref().take_while(|line| *line != "END");
            object.octets.insert(name, octal.flat_map(octets).collect());
        } else if let Some(value) = value {
            object.words.insert(name, value);
        }
    }
    objects
}

/// `\060\202` is 0x30 0x82.
fn octets(line: &str) -> impl Iterator<Item = u8> {
    line.split('\\').filter(|digits| !digits.is_empty()).filter_map(|digits| u8::from_str_radix(digits, 8).ok())
}
