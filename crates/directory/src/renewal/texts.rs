use super::{DueRenewal, day};
use crate::texts::Mail;
use crate::{Address, Language, Settings};

/// To an employee: the certificate ends, and then mail is signed no more.
pub(super) fn ends_for_employee(settings: &Settings, language: Language, due: &DueRenewal) -> Mail {
    let (address, end) = (&due.credential.address, day(due.credential.certificate.validity().not_after));
    let organisation = &settings.organisation;
    match (language, due.stage) {
        (Language::German, 0) => Mail {
            subject: "Ihr Zertifikat ist abgelaufen".into(),
            body: format!(
                "Guten Tag,\n\ndas Zertifikat für {address} ist am {end} abgelaufen. Ihre Nachrichten werden damit nicht \
                 mehr signiert. Verschlüsselte Nachrichten an Sie können weiterhin gelesen werden.\n\nBitte wenden Sie \
                 sich an Ihre Zertifikatsverwaltung.\n\n{organisation}\n"
            ),
        },
        (Language::German, _) => Mail {
            subject: format!("Ihr Zertifikat läuft am {end} ab"),
            body: format!(
                "Guten Tag,\n\ndas Zertifikat für {address} läuft am {end} ab. Die Zertifikatsverwaltung weiß davon; \
                 ohne ein neues werden Ihre Nachrichten danach nicht mehr signiert.\n\n{organisation}\n"
            ),
        },
        (Language::English, 0) => Mail {
            subject: "Your certificate has expired".into(),
            body: format!(
                "Hello,\n\nthe certificate for {address} expired on {end}. Your messages are no longer signed with it. \
                 Encrypted messages to you can still be read.\n\nPlease turn to your certificate officers.\n\n\
                 {organisation}\n"
            ),
        },
        (Language::English, _) => Mail {
            subject: format!("Your certificate expires on {end}"),
            body: format!(
                "Hello,\n\nthe certificate for {address} expires on {end}. The certificate officers know; without a new \
                 one your messages are not signed after that day.\n\n{organisation}\n"
            ),
        },
    }
}

/// To an officer: these certificates have come nearer to their end.
pub(super) fn ends_for_officer(settings: &Settings, language: Language, due: &[&DueRenewal]) -> Mail {
    let link = format!("{}/board", settings.base_url);
    let mut list = String::new();
    for due in due.iter().take(MOST_LINES) {
        let (address, end) = (&due.credential.address, day(due.credential.certificate.validity().not_after));
        list.push_str(&match (language, due.stage) {
            (Language::German, 0) => format!("- {address}: abgelaufen am {end}\n"),
            (Language::German, _) => format!("- {address}: läuft am {end} ab\n"),
            (Language::English, 0) => format!("- {address}: expired on {end}\n"),
            (Language::English, _) => format!("- {address}: expires on {end}\n"),
        });
    }
    let more = due.len().saturating_sub(MOST_LINES);
    match language {
        Language::German => {
            if more > 0 {
                list.push_str(&format!("… und {more} weitere\n"));
            }
            Mail {
                subject: format!("{} Zertifikate Ihrer Mitarbeiter enden", due.len()),
                body: format!("Guten Tag,\n\ndiese Zertifikate brauchen einen Nachfolger:\n\n{list}\n{link}\n"),
            }
        }
        Language::English => {
            if more > 0 {
                list.push_str(&format!("… and {more} more\n"));
            }
            Mail {
                subject: format!("{} certificates of your employees end", due.len()),
                body: format!("Hello,\n\nthese certificates need a successor:\n\n{list}\n{link}\n"),
            }
        }
    }
}

/// To a partner, signed by the employee: this is my new certificate.
pub(super) fn announcement(settings: &Settings, language: Language, employee: &Address) -> Mail {
    let organisation = &settings.organisation;
    match language {
        Language::German => Mail {
            subject: format!("Neues Zertifikat von {employee}"),
            body: format!(
                "Guten Tag,\n\n{employee} hat ein neues Zertifikat. Diese Nachricht ist damit signiert und enthält es \
                 (zertifikat.p7c). Bitte speichern Sie es mit dem Kontakt und verschlüsseln Sie künftig damit. \
                 Nachrichten an das bisherige Zertifikat können wir weiterhin lesen.\n\n{organisation}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("New certificate of {employee}"),
            body: format!(
                "Hello,\n\n{employee} has a new certificate. This message is signed with it and carries it \
                 (certificate.p7c). Please store it with the contact and encrypt with it from now on. Messages to the \
                 certificate before it can still be read.\n\n{organisation}\n"
            ),
        },
    }
}

const MOST_LINES: usize = 200;
