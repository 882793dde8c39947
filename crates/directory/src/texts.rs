//! What people are written to, in German and English: each mail a typed function, so that none can be forgotten in
//! one language.

mod refusal;

use asn1::Time;
use mime::MessageBuilder;
use pki::Certificate;

use crate::harvest::{Finding, FoundFile};
pub(crate) use refusal::refusal;

use crate::account_news::AccountNews;
use crate::{Address, Error, Language, OutboxId, Request, Settings, State};

/// A mail before it has a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// To whom a mail goes, and when.
pub(crate) struct Envelope<'a> {
    pub(crate) to: &'a Address,
    pub(crate) id: OutboxId,
    pub(crate) at: Time,
    pub(crate) language: Language,
}

/// With the link that proves mailbox and private key. The body is sent encrypted only.
pub(crate) fn confirmation(settings: &Settings, language: Language, request: &Request, link: &str) -> Mail {
    let organisation = &settings.organisation;
    let (address, fingerprint) = (request.address(), spaced(&request.fingerprint().to_hex()));
    match language {
        Language::German => Mail {
            subject: format!("Bitte bestätigen Sie Ihr Zertifikat – {organisation}"),
            body: format!(
                "Guten Tag,\n\nfür {address} ist bei {organisation} ein Zertifikat eingegangen. Sein Fingerabdruck \
                 (SHA-256) lautet:\n\n{fingerprint}\n\nDiese Nachricht ist mit ihm verschlüsselt. Wenn das Zertifikat \
                 Ihres ist, bestätigen Sie es bitte innerhalb von 24 Stunden:\n\n{link}\n\nAndernfalls müssen Sie \
                 nichts tun; es wird dann nicht verwendet.\n\n{organisation}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("Please confirm your certificate – {organisation}"),
            body: format!(
                "Hello,\n\n{organisation} received a certificate for {address}. Its fingerprint (SHA-256) is:\n\n\
                 {fingerprint}\n\nThis message is encrypted with it. If the certificate is yours, please confirm it \
                 within 24 hours:\n\n{link}\n\nOtherwise there is nothing to do, and it will not be used.\n\n\
                 {organisation}\n"
            ),
        },
    }
}

/// With the link that sets another password, to whoever asked for one with this mailbox.
pub(crate) fn password_link(settings: &Settings, language: Language, address: &Address, link: &str) -> Mail {
    let organisation = &settings.organisation;
    match language {
        Language::German => Mail {
            subject: format!("Neues Kennwort – {organisation}"),
            body: format!(
                "Guten Tag,\n\nfür {address} wurde bei {organisation} ein neues Kennwort angefordert. Wählen Sie es \
                 hier; der Link gilt 30 Minuten lang und ein einziges Mal:\n\n{link}\n\nWenn Sie das nicht waren, \
                 müssen Sie nichts tun: Ihr Kennwort bleibt, wie es ist.\n\n{organisation}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("New password – {organisation}"),
            body: format!(
                "Hello,\n\na new password for {address} was asked for at {organisation}. Choose it here; the link is \
                 good for 30 minutes and works once:\n\n{link}\n\nIf that was not you, there is nothing to do: your \
                 password stays as it is.\n\n{organisation}\n"
            ),
        },
    }
}

/// To the owner of an account: how they log in has changed. Names of passkeys are not in it: whoever added one chose its
/// name.
pub(crate) fn account_news(settings: &Settings, language: Language, address: &Address, news: AccountNews) -> Mail {
    let (organisation, base_url) = (&settings.organisation, &settings.base_url);
    match language {
        Language::German => {
            let what = match news {
                AccountNews::Codes => "Codes vom Telefon sind jetzt der zweite Faktor.".to_owned(),
                AccountNews::CodesRemoved => "Codes vom Telefon werden nicht mehr verlangt.".to_owned(),
                AccountNews::FirstPassword => {
                    "es gibt ein neues erstes Kennwort; Passkeys und Codes vom Telefon gelten nicht mehr.".to_owned()
                }
                AccountNews::Passkey => "ein Passkey ist hinzugekommen.".to_owned(),
                AccountNews::PasskeyRemoved => "ein Passkey wurde entfernt.".to_owned(),
                AccountNews::Password { passkeys: 0 } => "das Kennwort ist ein neues.".to_owned(),
                AccountNews::Password { passkeys: 1 } => {
                    "das Kennwort ist ein neues. Ein Passkey von vorher gilt weiter; sehen Sie bitte nach, ob es Ihrer ist."
                        .to_owned()
                }
                AccountNews::Password { passkeys } => format!(
                    "das Kennwort ist ein neues. {passkeys} Passkeys von vorher gelten weiter; sehen Sie bitte nach, ob \
                     alle Ihre sind."
                ),
            };
            Mail {
                subject: format!("Ihr Zugang hat sich geändert – {organisation}"),
                body: format!(
                    "Guten Tag,\n\nan Ihrem Zugang {address} bei {organisation} hat sich etwas geändert: {what}\n\nWaren \
                     Sie das, oder haben Sie darum gebeten, müssen Sie nichts tun. Andernfalls hat vielleicht jemand \
                     anderes Zugang: Ändern Sie bitte gleich Ihr Kennwort, entfernen Sie unter „Schlüssel und Kennwörter“, \
                     was nicht Ihres ist, und sagen Sie Ihrer Ansprechperson Bescheid.\n\n\
                     {base_url}/keys?what=password\n\n{organisation}\n"
                ),
            }
        }
        Language::English => {
            let what = match news {
                AccountNews::Codes => "codes from the phone are the second factor now.".to_owned(),
                AccountNews::CodesRemoved => "codes from the phone are not asked for any more.".to_owned(),
                AccountNews::FirstPassword => {
                    "there is a new first password; passkeys and codes from the phone are no longer good.".to_owned()
                }
                AccountNews::Passkey => "a passkey was added.".to_owned(),
                AccountNews::PasskeyRemoved => "a passkey was removed.".to_owned(),
                AccountNews::Password { passkeys: 0 } => "the password is a new one.".to_owned(),
                AccountNews::Password { passkeys: 1 } => {
                    "the password is a new one. One passkey from before is still good; please see whether it is yours."
                        .to_owned()
                }
                AccountNews::Password { passkeys } => format!(
                    "the password is a new one. {passkeys} passkeys from before are still good; please see whether all of \
                     them are yours."
                ),
            };
            Mail {
                subject: format!("Your access has changed – {organisation}"),
                body: format!(
                    "Hello,\n\nsomething has changed about your access {address} at {organisation}: {what}\n\nIf that was \
                     you, or you asked for it, there is nothing to do. Otherwise somebody else may have access: please \
                     change your password at once, remove what is not yours under \u{201c}Keys and passwords\u{201d}, and \
                     tell your contact person.\n\n{base_url}/keys?what=password\n\n{organisation}\n"
                ),
            }
        }
    }
}

/// To `to`: what was found in their mail to the intake address, and what is missing. What becomes of certificates of
/// other mailboxes is told to nobody but their owners (CASES T-76).
pub fn intake_reply(
    settings: &Settings,
    language: Language,
    to: &Address,
    found: &[FoundFile],
    requests: &[Request],
) -> Mail {
    let organisation = &settings.organisation;
    let german = language == Language::German;
    let mut body = String::from(if german { "Guten Tag,\n\n" } else { "Hello,\n\n" });
    if found.is_empty() {
        body.push_str(if german {
            "in Ihrer Nachricht war kein Zertifikat: weder eine Signatur noch eine angehängte Datei.\n"
        } else {
            "there was no certificate in your message: neither a signature nor an attached file.\n"
        });
    } else {
        body.push_str(if german { "das haben wir gefunden:\n\n" } else { "this is what we found:\n\n" });
        for file in found {
            body.push_str(&format!("- {}: {}\n", plain(&file.name), finding(language, &file.finding)));
        }
    }
    for request in requests {
        body.push_str(&format!("\n{}\n", outcome(language, to, request)));
    }
    if requests.iter().all(|request| request.state() == State::Refused) {
        body.push_str(if german {
            "\nBitte senden Sie eine signierte Nachricht oder Ihr Zertifikat als Datei (.cer, .crt, .der, .pem, .p7b), \
             niemals den privaten Schlüssel.\n"
        } else {
            "\nPlease send a signed message or your certificate as a file (.cer, .crt, .der, .pem, .p7b), never the \
             private key.\n"
        });
    }
    body.push_str(&format!("\n{organisation}\n"));
    let subject = if german { "Ihr Zertifikat" } else { "Your certificate" };
    Mail { subject: format!("{subject} – {organisation}"), body }
}

/// To whoever sent the intake address an encrypted mail without a signature that holds: what is in it may be anybody's, so
/// nothing of it is named (CASES T-28).
pub fn intake_reply_unnamed(settings: &Settings, language: Language) -> Mail {
    let organisation = &settings.organisation;
    match language {
        Language::German => Mail {
            subject: format!("Ihr Zertifikat – {organisation}"),
            body: format!(
                "Guten Tag,\n\nIhre Nachricht kam verschlüsselt an und trägt keine gültige Signatur von Ihnen. Darum \
                 sagen wir hier nicht, was darin war: Es könnte von jemand anderem stammen. Zertifikate daraus prüfen \
                 wir; wem ihr Postfach gehört, der hört von uns.\n\nSenden Sie Ihr Zertifikat am einfachsten noch einmal \
                 unverschlüsselt oder in einer signierten Nachricht. Es ist öffentlich; nur der private Schlüssel ist \
                 geheim.\n\n{organisation}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("Your certificate – {organisation}"),
            body: format!(
                "Hello,\n\nyour message came encrypted and has no valid signature of yours. So we do not say here what \
                 was in it: it might be somebody else's. We check certificates out of it, and whoever owns their \
                 mailbox hears from us.\n\nThe simplest way is to send your certificate again without encryption, or in \
                 a signed message. It is public; only the private key is secret.\n\n{organisation}\n"
            ),
        },
    }
}

fn finding(language: Language, finding: &Finding) -> String {
    let german = language == Language::German;
    let text = match finding {
        Finding::Certificates(certificates) => {
            let each: Vec<String> = certificates.iter().map(|certificate| describe(language, certificate)).collect();
            return each.join("; ");
        }
        Finding::Empty if german => "die Datei ist leer",
        Finding::Empty => "the file is empty",
        Finding::NoCertificate if german => "enthält kein Zertifikat",
        Finding::NoCertificate => "has no certificate in it",
        Finding::PrivateKey if german => {
            "enthält Ihren PRIVATEN SCHLÜSSEL. Wir haben ihn nicht gespeichert. Er ist durch den Versand nicht mehr \
             geheim: Lassen Sie das Zertifikat sperren und beantragen Sie ein neues mit neuem Schlüssel."
        }
        Finding::PrivateKey => {
            "has your PRIVATE KEY in it. We did not store it. Sending it has burnt it: have the certificate revoked \
             and get a new one with a new key."
        }
        Finding::TooMuch if german => "ist zu groß oder enthält zu viele Dateien",
        Finding::TooMuch => "is too large or has too many files in it",
        Finding::UnreadableArchive if german => "ist ein Archiv, das wir nicht öffnen",
        Finding::UnreadableArchive => "is an archive that we do not open",
    };
    text.to_owned()
}

fn describe(language: Language, certificate: &Certificate) -> String {
    let (name, addresses) = (plain(&certificate.subject().to_string()), certificate.email_addresses());
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    match (language, certificate.is_ca(), addresses.is_empty()) {
        (Language::German, true, _) => format!("Zertifikat der Zertifizierungsstelle {name}"),
        (Language::English, true, _) => format!("certificate of the certification authority {name}"),
        (Language::German, false, true) => {
            format!("Zertifikat {name}, ohne E-Mail-Adresse: damit kann keine Nachricht verschlüsselt werden")
        }
        (Language::English, false, true) => {
            format!("certificate {name}, without an email address: no message can be encrypted with it")
        }
        (Language::German, false, false) => format!("Zertifikat für {}", addresses.join(", ")),
        (Language::English, false, false) => format!("certificate for {}", addresses.join(", ")),
    }
}

fn outcome(language: Language, to: &Address, request: &Request) -> String {
    let (address, state) = (request.address(), request.state());
    match (language, state, request.refusal()) {
        (_, State::Refused, Some(refusal)) => format!("{address}: {}", refusal.text(language)),
        (Language::German, _, _) if address != to => {
            format!("{address}: Das Zertifikat ist eingegangen. Alles Weitere erfährt, wem das Postfach gehört.")
        }
        (Language::English, _, _) if address != to => {
            format!("{address}: the certificate is here. Whoever owns the mailbox hears about everything else.")
        }
        (Language::German, State::Received, _) => {
            format!("{address}: Die Zertifizierungsstelle ist uns nicht bekannt. Wir prüfen sie und melden uns.")
        }
        (Language::German, State::Checked, _) => format!(
            "{address}: Das Zertifikat ist geprüft. Sie erhalten eine damit verschlüsselte Nachricht; bitte folgen Sie \
             dem Link darin."
        ),
        (Language::German, State::Active, _) => format!("{address}: Dieses Zertifikat verwenden wir bereits."),
        (Language::German, _, _) => format!("{address}: Das Zertifikat ist in Bearbeitung."),
        (Language::English, State::Received, _) => {
            format!("{address}: we do not know the certification authority. We look into it and come back to you.")
        }
        (Language::English, State::Checked, _) => format!(
            "{address}: the certificate is checked. You get a message encrypted with it; please follow the link in it."
        ),
        (Language::English, State::Active, _) => format!("{address}: we use this certificate already."),
        (Language::English, _, _) => format!("{address}: the certificate is being worked on."),
    }
}

/// To a partner: their certificate is in use, or why it was refused.
pub(crate) fn decision(settings: &Settings, language: Language, request: &Request) -> Mail {
    let (organisation, address) = (&settings.organisation, request.address());
    let fingerprint = spaced(&request.fingerprint().to_hex());
    match (language, request.refusal()) {
        (Language::German, None) => Mail {
            subject: format!("Ihr Zertifikat ist eingerichtet – {organisation}"),
            body: format!(
                "Guten Tag,\n\nIhr Zertifikat für {address} ist bei {organisation} eingerichtet. Wer Ihnen von hier \
                 schreibt, kann jetzt damit verschlüsseln. Sein Fingerabdruck (SHA-256) lautet:\n\n{fingerprint}\n\n\
                 Ist das nicht Ihr Zertifikat, sagen Sie bitte gleich Ihrer Ansprechperson Bescheid.\n\n{organisation}\n"
            ),
        },
        (Language::German, Some(refusal)) => Mail {
            subject: format!("Ihr Zertifikat wird nicht verwendet – {organisation}"),
            body: format!(
                "Guten Tag,\n\nbei {organisation} ist für {address} ein Zertifikat eingegangen. Sein Fingerabdruck \
                 (SHA-256) lautet:\n\n{fingerprint}\n\nEs wird nicht verwendet. {}\n\nSie können jederzeit ein \
                 anderes senden.\n\n{organisation}\n",
                refusal.text(language)
            ),
        },
        (Language::English, None) => Mail {
            subject: format!("Your certificate is set up – {organisation}"),
            body: format!(
                "Hello,\n\nyour certificate for {address} is set up at {organisation}. Whoever writes to you from here \
                 can encrypt with it now. Its fingerprint (SHA-256) is:\n\n{fingerprint}\n\nIf this is not your \
                 certificate, please tell your contact person at once.\n\n{organisation}\n"
            ),
        },
        (Language::English, Some(refusal)) => Mail {
            subject: format!("Your certificate is not used – {organisation}"),
            body: format!(
                "Hello,\n\n{organisation} received a certificate for {address}. Its fingerprint (SHA-256) is:\n\n\
                 {fingerprint}\n\nIt is not used. {}\n\nYou can send another one at any time.\n\n{organisation}\n",
                refusal.text(language)
            ),
        },
    }
}

/// To an officer: requests are due soon (`overdue` = 0), or some are overdue.
pub fn reminder(settings: &Settings, language: Language, open: u64, overdue: u64) -> Mail {
    let link = format!("{}/board", settings.base_url);
    match language {
        Language::German => Mail {
            subject: if overdue > 0 { "Zertifikate sind überfällig" } else { "Zertifikate warten" }.into(),
            body: format!(
                "Guten Tag,\n\n{open} Zertifikate warten auf eine Entscheidung, {overdue} davon sind überfällig:\n\n\
                 {link}\n"
            ),
        },
        Language::English => Mail {
            subject: if overdue > 0 { "Certificates are overdue" } else { "Certificates are waiting" }.into(),
            body: format!(
                "Hello,\n\n{open} certificates wait for a decision, {overdue} of them are overdue:\n\n{link}\n"
            ),
        },
    }
}

/// To a partner: an officer asks something about their certificate.
pub fn question(settings: &Settings, language: Language, request: &Request, officer: &str, question: &str) -> Mail {
    let (organisation, address) = (&settings.organisation, request.address());
    let (officer, fingerprint) = (plain(officer), spaced(&request.fingerprint().to_hex()));
    match language {
        Language::German => Mail {
            subject: format!("Rückfrage zu Ihrem Zertifikat – {organisation}"),
            body: format!(
                "Guten Tag,\n\nzu dem Zertifikat, das bei {organisation} für {address} eingegangen ist, haben wir eine \
                 Frage:\n\n{question}\n\nSein Fingerabdruck (SHA-256) lautet:\n\n{fingerprint}\n\nBitte antworten Sie \
                 auf diese Nachricht.\n\n{officer}\n{organisation}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("A question about your certificate – {organisation}"),
            body: format!(
                "Hello,\n\nwe have a question about the certificate that {organisation} received for {address}:\n\n\
                 {question}\n\nIts fingerprint (SHA-256) is:\n\n{fingerprint}\n\nPlease answer this message.\n\n\
                 {officer}\n{organisation}\n"
            ),
        },
    }
}

/// To a partner: there is a message in the webmailer. It says nothing about what is in it.
pub fn notification(settings: &Settings, language: Language, from: &str) -> Mail {
    let (organisation, link) = (&settings.organisation, format!("{}/inbox", settings.base_url));
    let from = plain(from);
    match language {
        Language::German => Mail {
            subject: format!("Neue vertrauliche Nachricht von {organisation}"),
            body: format!(
                "Guten Tag,\n\nim Webmailer von {organisation} liegt eine Nachricht von {from} für Sie:\n\n{link}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("New confidential message from {organisation}"),
            body: format!(
                "Hello,\n\nthere is a message from {from} for you in the Webmailer of {organisation}:\n\n{link}\n"
            ),
        },
    }
}

/// To a partner, in the webmailer: what they wrote there did not arrive.
pub fn returned(settings: &Settings, language: Language, to: &Address, subject: &str, because: &str) -> Mail {
    let (organisation, subject, because) = (&settings.organisation, plain(subject), plain(because));
    match language {
        Language::German => Mail {
            subject: format!("Nicht zugestellt: {subject}"),
            body: format!(
                "Guten Tag,\n\nIhre Nachricht an {to} mit dem Betreff „{subject}“ konnte nicht zugestellt werden. Der \
                 Mailserver sagt:\n\n{because}\n\nIhr Text steht noch unter „Gesendet“. Fragen Sie bitte Ihre \
                 Ansprechperson, wie Sie {to} erreichen.\n\n{organisation}\n"
            ),
        },
        Language::English => Mail {
            subject: format!("Not delivered: {subject}"),
            body: format!(
                "Hello,\n\nyour message to {to} with the subject \u{201c}{subject}\u{201d} could not be delivered. The \
                 mail server says:\n\n{because}\n\nYour text is still in \u{201c}Sent\u{201d}. Please ask your contact \
                 person how to reach {to}.\n\n{organisation}\n"
            ),
        },
    }
}

/// A mail that is not encrypted, ready to be sent.
pub fn render(settings: &Settings, to: &Address, language: Language, at: Time, mail: &Mail) -> Result<Vec<u8>, Error> {
    let envelope = Envelope { to, id: OutboxId::random()?, at, language };
    let mut content = header(settings, &envelope, &mail.subject);
    content.extend_from_slice(&MessageBuilder::new().text(mail.body.as_str()).build());
    Ok(content)
}

/// The header fields before those of MIME, without the empty line.
pub(crate) fn header(settings: &Settings, envelope: &Envelope<'_>, subject: &str) -> Vec<u8> {
    let Envelope { to, id, at, language } = envelope;
    let from = &settings.notify_from;
    let organisation = plain(&settings.organisation);
    let fields = [
        ("Date", mime::date(at.to_unix())),
        ("From", named(&organisation, from)),
        ("To", to.to_string()),
        ("Subject", mime::encode_words(&plain(subject))),
        ("Message-ID", format!("<{id}@{}>", from.domain())),
        ("Content-Language", language.code().to_owned()),
        // RFC 3834 §5: nobody answers this by program.
        ("Auto-Submitted", "auto-generated".to_owned()),
    ];
    fields.iter().flat_map(|(name, value)| mime::Field::new(name, value).raw().to_vec()).collect()
}

fn named(name: &str, address: &Address) -> String {
    if name.is_ascii() {
        format!("\"{}\" <{address}>", name.replace(['"', '\\'], ""))
    } else {
        format!("{} <{address}>", mime::encode_words(name))
    }
}

// What strangers wrote stands in one line and stays short.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn spaced(fingerprint: &str) -> String {
    let octets: Vec<String> =
        fingerprint.to_uppercase().chars().collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().collect()).collect();
    octets.chunks(16).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n")
}
