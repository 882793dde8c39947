//! The certificates of everybody inside whom a partner writes with (F5): one by one, or all in one file.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::Person;
use pki::Certificate;

use super::messages::download;
use crate::app::App;
use crate::certificate_view::{groups, issuer_of};
use crate::page::{Answer, Page, Section, clean, html};
use crate::problem::Problem;
use crate::visitor::Visitor;

/// Somebody inside with what is in use of theirs.
struct Contact {
    person: Person,
    certificates: Vec<Certificate>,
    chain: Vec<Certificate>,
}

struct ContactView {
    id: String,
    name: String,
    address: String,
    certificates: Vec<CertificateLine>,
}

struct CertificateLine {
    issuer: String,
    until: String,
    sha256: String,
    fingerprint: Vec<String>,
}

#[derive(Template)]
#[template(path = "contacts.html")]
struct ContactsPage {
    page: Page,
    contacts: Vec<ContactView>,
    any: bool,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let contacts = contacts(&app, &visitor).await?;
    let any = contacts.iter().any(|contact| !contact.certificates.is_empty());
    let contacts = contacts.iter().map(|contact| view(&visitor, contact)).collect();
    html(StatusCode::OK, &ContactsPage { page: Page::new(&app, &visitor, Section::Contacts), contacts, any })
}

/// `NUMBER.vcf`, `NUMBER.cer`, `NUMBER.p7c`, or `all.vcf` and `all.p7c`.
pub(crate) async fn file(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(file): Path<String>,
) -> Answer {
    let (wanted, kind) = file.rsplit_once('.').ok_or(Problem::NotFound)?;
    let mut contacts = contacts(&app, &visitor).await?;
    contacts.retain(|contact| !contact.certificates.is_empty());
    let name = if wanted == ALL {
        "sealpost".to_owned()
    } else {
        contacts.retain(|contact| contact.person.id.to_string() == wanted);
        contacts.first().map(|contact| contact.person.address.to_string()).unwrap_or_default()
    };
    let first = contacts.first().ok_or(Problem::NotFound)?;
    let organisation = &app.directory.settings().organisation;
    let (content_type, bytes) = match kind {
        "vcf" => ("text/vcard", contacts.iter().flat_map(|contact| card(organisation, contact).into_bytes()).collect()),
        "p7c" => {
            let mut all: Vec<Certificate> = Vec::new();
            for one in contacts.iter().flat_map(|contact| contact.certificates.iter().chain(&contact.chain)) {
                if !all.contains(one) {
                    all.push(one.clone());
                }
            }
            ("application/pkcs7-mime; smime-type=certs-only", cms::certificates_only(&all))
        }
        "cer" if wanted != ALL => {
            ("application/pkix-cert", first.certificates.first().ok_or(Problem::NotFound)?.der().to_vec())
        }
        _ => return Err(Problem::NotFound),
    };
    Ok(download(content_type, &format!("{name}.{kind}"), bytes))
}

/// Nobody else's: who is not a contact of this partner does not exist (CASES T-76, T-103).
async fn contacts(app: &App, visitor: &Visitor) -> Result<Vec<Contact>, Problem> {
    let mut contacts = Vec::new();
    for person in app.directory.contacts_of(&visitor.known()?.address).await? {
        let certificates = app.directory.employee_certificates(&person.address).await?;
        let mut chain = Vec::new();
        for certificate in &certificates {
            chain.extend(app.directory.employee_chain(&person.address, certificate).await?);
        }
        contacts.push(Contact { person, certificates, chain });
    }
    Ok(contacts)
}

fn view(visitor: &Visitor, contact: &Contact) -> ContactView {
    let certificates = contact.certificates.iter().map(|certificate| {
        let hex = certificate.sha256().to_hex();
        CertificateLine {
            issuer: issuer_of(certificate),
            until: visitor.local().date(certificate.validity().not_after),
            fingerprint: groups(&hex),
            sha256: hex,
        }
    });
    ContactView {
        id: contact.person.id.to_string(),
        name: clean(&contact.person.name),
        address: contact.person.address.to_string(),
        certificates: certificates.collect(),
    }
}

/// vCard 3.0 (RFC 2426 §3.7.2), which Outlook and Apple's programs read the key from.
fn card(organisation: &str, contact: &Contact) -> String {
    let contact_name = clean(&contact.person.name);
    let name = escape(&contact_name);
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        // RFC 2426 §3.1.2: family name; given name. People are listed by the one and greeted with the other.
        match contact_name.rsplit_once(' ') {
            Some((given, family)) => format!("N:{};{};;;", escape(family), escape(given)),
            None => format!("N:{name};;;;"),
        },
        format!("FN:{name}"),
        format!("ORG:{}", escape(&clean(organisation))),
        format!("EMAIL;TYPE=INTERNET:{}", escape(&contact.person.address.to_string())),
    ];
    for certificate in &contact.certificates {
        let base64: String = mime::encode_base64(certificate.der()).split_whitespace().collect();
        lines.push(format!("KEY;TYPE=X509;ENCODING=b:{base64}"));
    }
    lines.push("END:VCARD".to_owned());
    lines.iter().map(|line| fold(line)).collect()
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(',', "\\,").replace(';', "\\;")
}

// RFC 2426 §2.6: at most 75 octets in a line.
fn fold(line: &str) -> String {
    let (mut folded, mut length) = (String::new(), 0);
    for character in line.chars() {
        if length + character.len_utf8() > 74 {
            folded.push_str("\r\n ");
            length = 1;
        }
        length += character.len_utf8();
        folded.push(character);
    }
    folded.push_str("\r\n");
    folded
}

const ALL: &str = "all";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_and_read_back() {
        let line = format!("FN:{}", "Müller ".repeat(40));
        let folded = fold(&line);
        assert!(folded.split("\r\n").all(|line| line.len() <= 75));
        assert_eq!(folded.replace("\r\n ", "").trim_end(), line.trim_end());
        assert_eq!(escape("a,b;c\\"), "a\\,b\\;c\\\\");
    }
}
