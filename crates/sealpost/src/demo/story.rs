//! The story in eight steps. What a step says was checked has been checked: the first thing that does not hold ends
//! the story.

use std::fmt;
use std::io::Read as _;

use crypto::KeyKind;
use directory::{Address, RequestFilter, State};
use gateway::smtp::Class;
use mime::{Attachment, MessageBuilder};
use pki::{Certificate, Credential, EmailAddress, Subject};
use smime::{Check, Encryptor, LayerReport, Policy, Sender, SignatureForm, Signer, Verifier};
use tokio::runtime::Runtime;

use super::browser::{Browser, Page, Upload};
use super::cast::{Authority, EMMA, Employee, INTAKE, KARL, OTTO, Partner};
use super::mailbox::{Delivered, Mailbox, shows};
use super::stage::Stage;
use crate::files;

/// What Nora chooses when she has to change her first password.
pub(super) const NORAS_PASSWORD: &str = "blauer-Regenschirm-41";

/// The step at which the story ended, and why.
#[derive(Debug)]
pub(super) struct Broken {
    step: u8,
    why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step, self.why)
    }
}

type Told = Result<(), String>;
type Step<'a> = fn(&mut Story<'a>) -> Told;

/// Plays all of it.
pub(super) fn play<'a>(stage: &'a Stage, runtime: &'a Runtime) -> Result<(), Broken> {
    let mut story = Story { stage, runtime, browser: Browser::new(&stage.base_url), emmas: None };
    let steps: [(&str, Step<'a>); 8] = [
        ("Emma Sommer invites Nora Lindner, who logs in and changes the first password", Story::invite),
        ("Nora opens Schlüssel und Kennwörter, chooses S/MIME and uploads her certificate", Story::upload),
        ("the confirmation mail comes, the link is confirmed, Otto Brandt approves", Story::confirm_and_approve),
        ("Jan de Vries mails his certificate to the intake address", Story::intake),
        ("Emma writes to Nora and Jan", Story::write),
        ("Nora answers, signed and encrypted", Story::answer),
        ("Emma writes to Karl Reuter, who has no certificate, what must be encrypted", Story::hold),
        ("somebody changes an answer on its way", Story::tamper),
    ];
    for (number, (title, step)) in (1..).zip(steps) {
        say!("\n{number}  {title}");
        step(&mut story).map_err(|why| {
            say!("   ✗ {why}");
            Broken { step: number, why }
        })?;
    }
    say!("\nall eight steps hold");
    Ok(())
}

struct Story<'a> {
    stage: &'a Stage,
    runtime: &'a Runtime,
    /// Nora's, who stays logged in.
    browser: Browser,
    /// Emma's certificate, as Nora's mail program stored it.
    emmas: Option<Certificate>,
}

impl Story<'_> {
    fn invite(&mut self) -> Told {
        let emma = self.log_in(&EMMA)?;
        let form = emma.open("/partners/invite")?;
        let nora = &self.stage.nora;
        let address = nora.address.to_string();
        let fields = [("name", nora.name), ("address", &address), ("company", "Kanzlei Lindner"), ("language", "de")];
        let shown = emma.submit(&form, "/partners/invite", &fields)?;
        let password = shown
            .html
            .split_once("id=\"first-password\"")
            .and_then(|(_, rest)| rest.split_once('>'))
            .and_then(|(_, rest)| rest.split_once('<'))
            .map(|(password, _)| password.trim().to_owned())
            .filter(|password| !password.is_empty())
            .ok_or_else(|| format!("the page shows no first password (status {}): {}", shown.status, brief(&shown)))?;
        let again = emma.open("/partners")?;
        check("the first password is shown once, and not on the page after", !again.text().contains(&password))?;

        let form = self.browser.open("/login")?;
        let page = self.browser.submit(&form, "/login", &[("address", &address), ("password", &password)])?;
        check("with it Nora gets as far as the page that changes it", page.path == "/password")?;
        let elsewhere = self.browser.open("/keys")?;
        check("and nowhere else", elsewhere.path == "/password")?;
        let new = [("password", NORAS_PASSWORD), ("repeat", NORAS_PASSWORD)];
        let page = self.browser.submit(&page, "/password", &new)?;
        check("she chooses one of her own and is in", page.status == 200 && page.path != "/password")?;
        let stranger = Browser::new(&self.stage.base_url);
        let form = stranger.open("/login")?;
        let refused = stranger.submit(&form, "/login", &[("address", &address), ("password", &password)])?;
        check("the first password is of no use any more", refused.path == "/login" && refused.status >= 400)
    }

    fn upload(&mut self) -> Told {
        let page = self.browser.open("/keys")?;
        check(
            "the drop-down offers S/MIME",
            page.text().contains("Schlüssel und Kennwörter") && page.html.contains("value=\"smime\""),
        )?;
        let page = self.browser.open("/keys?what=smime")?;
        let certificate = self.stage.nora.credential.certificate();
        // As the CA hands it out: the certificate, and the one of the CA below the root.
        let with_chain: String =
            [certificate].into_iter().chain(self.stage.nora.credential.chain()).map(Certificate::to_pem).collect();
        let upload = Upload { field: "certificate", file_name: "nora.pem", bytes: with_chain.as_bytes() };
        let page = self.browser.upload(&page, "/keys/upload", &upload)?;
        check("the upload is taken", page.status == 200)?;
        let page = self.browser.open("/keys?what=smime")?;
        let digits: String =
            page.text().chars().filter(|c| !c.is_whitespace() && *c != ':').collect::<String>().to_lowercase();
        check("the page shows its SHA-256 fingerprint", digits.contains(&certificate.sha256().to_hex()))?;
        let year = certificate.validity().not_after.parts().year.to_string();
        check("and until when it is valid", page.text().contains(&year))?;
        check("and the 7-day clock", page.text().contains("spätestens am"))?;
        let request = self.request(&self.stage.nora.address)?;
        check("it has been checked and waits for Nora", request.state() == State::Checked)?;
        check(
            "it is due in seven days",
            request.due().to_unix() - request.received().to_unix() == 7 * 86_400
                && request.days_left(files::now()) <= 7,
        )
    }

    fn confirm_and_approve(&mut self) -> Told {
        let nora = &self.stage.nora;
        let mut mailbox = Mailbox::open_unread(&self.stage.maildirs, &nora.address);
        let mail = mailbox.next_about("bestätigen Sie Ihr Zertifikat")?;
        self.prove(nora, &mail)?;
        self.approve(&nora.address)?;
        let mail = mailbox.next_about("ist eingerichtet")?;
        check("Nora hears that her certificate is set up", mail.shows(&nora.address.to_string()))
    }

    fn intake(&mut self) -> Told {
        let jan = &self.stage.jan;
        let mut mailbox = self.stage.mailbox(&jan.address);
        let certificate = jan.credential.certificate();
        let mail = letter(jan.name, &jan.address, INTAKE, "Mein Zertifikat", "Guten Tag,\n\nanbei mein Zertifikat.\n")
            .attach(Attachment {
                content_type: "application/pkix-cert".into(),
                file_name: "jan.cer".into(),
                content: certificate.der().to_vec(),
            })
            .build();
        let signed = sign(&jan.credential, &mail)?;
        let intake = EmailAddress::parse(INTAKE).map_err(|error| error.to_string())?;
        let reply = self.stage.send_from_outside(self.runtime, &jan.address, &intake, &signed)?;
        check("his server hands it over", reply.is_positive())?;
        let (mut answer, mut confirmation) = (None, None);
        while answer.is_none() || confirmation.is_none() {
            let mail = mailbox.next()?;
            let subject = mail.header()?.get("Subject").map(mime::Field::text).unwrap_or_default();
            if subject.contains("bestätigen") { confirmation = Some(mail) } else { answer = Some(mail) }
        }
        let (answer, confirmation) = (answer.ok_or("no answer")?, confirmation.ok_or("no confirmation")?);
        check("the answer says what was found", answer.shows("jan.cer") && answer.shows("jan@devries.example"))?;
        self.prove(jan, &confirmation)?;
        self.approve(&jan.address)?;
        let mail = mailbox.next_about("ist eingerichtet")?;
        check("Jan hears that his certificate is set up", mail.shows(&jan.address.to_string()))
    }

    fn write(&mut self) -> Told {
        let (nora, jan) = (&self.stage.nora, &self.stage.jan);
        let (mut noras, mut jans) = (self.stage.mailbox(&nora.address), self.stage.mailbox(&jan.address));
        let emma = address(EMMA.address)?;
        let to = format!("{}, {}", nora.address, jan.address);
        let mail = letter(&EMMA.name(), &emma, &to, "Ihr Angebot", OFFER).build();
        let (replies, queued) =
            self.stage.send_from_inside(self.runtime, &emma, &[&nora.address, &jan.address], &mail)?;
        check("the house's mail server hands it over for both", replies.iter().all(|reply| reply.is_positive()))?;
        check("and has nothing left in its queue", !queued.exists())?;
        for (partner, mailbox) in [(nora, &mut noras), (jan, &mut jans)] {
            let mail = mailbox.next()?;
            check(&format!("what {} gets shows nothing to strangers", partner.name), !mail.shows(SECRET))?;
            let (text, signer, layers) = self.read_as(partner, &mail)?;
            check(&format!("{} decrypts it and reads it", partner.name), shows(&text, SECRET))?;
            let own = signer.email_addresses().contains(&emma);
            check("it is signed with Emma's personal certificate, which leads to a trusted root", own)?;
            let Some(LayerReport::Encrypted(encrypted)) = layers.first() else {
                return Err("it is signed, and not encrypted around that".into());
            };
            if partner.address == nora.address {
                check("encrypted with AES-CBC, which every program reads", !encrypted.authenticated)?;
                self.emmas = Some(signer);
            } else {
                check("encrypted with AES-GCM, as the rule for his firm says", encrypted.authenticated)?;
            }
        }
        say!("   ✓ Nora's mail program stores Emma's certificate from it");
        Ok(())
    }

    fn answer(&mut self) -> Told {
        let emma = address(EMMA.address)?;
        let mut mailbox = self.stage.mailbox(&emma);
        let nora = &self.stage.nora;
        let sealed = self.answer_from_nora(SignatureForm::Clear)?;
        check("what leaves Nora's program shows nothing to strangers", !shows(&sealed, ANSWER_SECRET))?;
        let reply = self.stage.send_from_outside(self.runtime, &nora.address, &emma, &sealed)?;
        check("her server hands it over", reply.is_positive())?;
        let mail = mailbox.next()?;
        check("Emma reads it in her own mail program, decrypted", mail.shows(ANSWER_SECRET))?;
        let results = authentication_results(&mail)?;
        let passed = results.contains("smime=pass") && results.contains(&nora.address.to_string());
        check("Authentication-Results: smime=pass, with Nora's address", passed)
    }

    fn hold(&mut self) -> Told {
        let emma = address(EMMA.address)?;
        let karl = address(KARL.1)?;
        let mut mailbox = self.stage.mailbox(&karl);
        let mail = letter(&EMMA.name(), &emma, KARL.1, "[vertraulich] Ihr Gutachten", HELD_SECRET).build();
        let (replies, queued) = self.stage.send_from_inside(self.runtime, &emma, &[&karl], &mail)?;
        let reply = replies.first().ok_or("there was no answer")?;
        say!("   · {} {} {}", reply.code(), reply.enhanced(), reply.text());
        check("the answer is a 4xx with a reason", reply.class() == Class::Transient && !reply.text().is_empty())?;
        check("the mail server keeps the mail", queued.exists())?;
        check("nothing has come to Karl", mailbox.new_mail()?.is_none())
    }

    fn tamper(&mut self) -> Told {
        let emma = address(EMMA.address)?;
        let nora = &self.stage.nora;
        let mut mailbox = self.stage.mailbox(&emma);

        let mail = letter(nora.name, &nora.address, EMMA.address, "Re: Ihr Angebot", "Wir zahlen 100 Euro.\n").build();
        let honest = sign(&nora.credential, &mail)?;
        self.judge(&honest).map_err(|why| format!("the answer before it was changed is refused: {why}"))?;
        // One for each thing that makes a signature worth something.
        let forgeries = [
            ("a changed text under her signature", replace(&honest, b"100 Euro", b"900 Euro")?),
            ("her text under a changed signature", flip_in_signature(&honest)?),
            ("a signature by a certificate in her name from a CA that nobody trusts", self.sign_as_stranger(&mail)?),
            ("a good signature by Jan under her address", sign(&self.stage.jan.credential, &mail)?),
        ];
        for (what, forged) in forgeries {
            let Err(why) = self.judge(&forged) else { return Err(format!("{what} was accepted")) };
            check(&format!("{what} is refused: {why}"), !why.is_empty())?;
            let reply = self.stage.send_from_outside(self.runtime, &nora.address, &emma, &forged)?;
            say!("   · {} {} {}", reply.code(), reply.enhanced(), reply.text());
            let named = reply.text().contains("layer 1 (signed)");
            check("the gateway says which layer failed and why", reply.class() == Class::Permanent && named)?;
            check("nothing has come to Emma", mailbox.new_mail()?.is_none())?;
        }

        let sealed = self.answer_from_nora(SignatureForm::Opaque)?;
        let changed = flip_in_body(&sealed)?;
        let reply = self.stage.send_from_outside(self.runtime, &nora.address, &emma, &changed)?;
        check("a changed encrypted answer is taken without a word about its content", reply.is_positive())?;
        let mail = mailbox.next()?;
        let results = authentication_results(&mail)?;
        say!("   · {results}");
        check("it stays closed", !mail.shows(ANSWER_SECRET))?;
        check("and nothing calls it valid", !results.contains("smime=pass") && !mail.shows("[signed]"))
    }

    fn log_in(&self, employee: &Employee) -> Result<Browser, String> {
        let browser = Browser::new(&self.stage.base_url);
        let form = browser.open("/login")?;
        let fields = [("address", employee.address), ("password", employee.password)];
        let page = browser.submit(&form, "/login", &fields)?;
        check(&format!("{} logs in", employee.name()), page.status == 200 && page.path != "/login")?;
        Ok(browser)
    }

    /// The partner proves mailbox and key with what the confirmation mail says.
    fn prove(&self, partner: &Partner, mail: &Delivered) -> Told {
        check("the confirmation mail shows its link to nobody on the way", !mail.shows("/confirm/"))?;
        let keys = [partner.credential.clone()];
        let limits = self.stage.limits();
        let mut entity = Vec::new();
        match smime::Decryptor::new(&keys, &limits).decrypt(&mail.bytes[..]) {
            Ok(Ok(mut content)) => content.reader().and_then(|mut reader| reader.read_to_end(&mut entity)),
            // As with every mail program: nobody has signed it, and AES-CBC shows no change.
            Ok(Err((_, content))) => {
                content.into_unprotected().reader().and_then(|mut reader| reader.read_to_end(&mut entity))
            }
            Err(error) => return Err(format!("{} cannot be decrypted: {error}", mail.file.display())),
        }
        .map_err(|error| error.to_string())?;
        let entity = mime::Entity::parse(&entity, &mime::Limits::default()).map_err(|error| error.to_string())?;
        let text = entity.first_text().unwrap_or_default();
        let start = format!("{}/confirm/", self.stage.base_url);
        let link = text
            .split_whitespace()
            .find(|word| word.starts_with(&start))
            .ok_or_else(|| format!("there is no link in the mail: {text}"))?;
        say!("   ✓ {}'s program decrypts it", partner.name);
        let browser = Browser::new(&self.stage.base_url);
        let page = browser.open(link)?;
        let before = self.request(&partner.address)?.state();
        check("opening the link confirms nothing yet", page.status == 200 && before == State::Checked)?;
        let page = browser.submit(&page, link, &[])?;
        let after = self.request(&partner.address)?.state();
        check("pressing the button does", page.status == 200 && after == State::Confirmed)?;
        let again = browser.open(link)?;
        check("and the link works once", again.status >= 400)
    }

    fn approve(&self, of: &EmailAddress) -> Told {
        let otto = self.log_in(&OTTO)?;
        let board = otto.open("/board")?;
        let request = self.request(of)?;
        let path = format!("/board/requests/{}", request.id());
        check("the board lists the request", board.text().contains(&of.to_string()) && board.target(&path).is_some())?;
        let page = otto.open(&path)?;
        let page = otto.submit(&page, &format!("{path}/approve"), &[])?;
        let state = self.request(of)?.state();
        check("Otto approves it: state active", page.status == 200 && state == State::Active)
    }

    fn request(&self, of: &EmailAddress) -> Result<directory::Request, String> {
        let address = Address::parse(&of.to_string()).map_err(|error| error.to_string())?;
        let filter = RequestFilter::For(address);
        let requests = self.stage.directory().requests(&filter, 10);
        let requests = self.runtime.block_on(requests).map_err(|error| error.to_string())?;
        requests.into_iter().next().ok_or_else(|| format!("there is no request for {of}"))
    }

    /// What a partner's mail program makes of a mail: its text, its one signer, its layers.
    fn read_as(&self, partner: &Partner, mail: &Delivered) -> Result<(Vec<u8>, Certificate, Vec<LayerReport>), String> {
        let keys = [partner.credential.clone()];
        let policy = self.policy()?;
        let verification = Verifier::new(&policy).with_keys(&keys).verify(&mail.bytes[..]);
        let mut content = verification
            .map_err(|error| format!("{}: {error}", mail.file.display()))?
            .accept(&Sender::VisibleFrom)
            .map_err(|rejected| format!("{} is refused: {rejected}", mail.file.display()))?;
        let mut text = Vec::new();
        content.reader().and_then(|mut reader| reader.read_to_end(&mut text)).map_err(|error| error.to_string())?;
        let signer = content.signers().next().filter(|signer| signer.address == Check::Pass);
        let signer = signer.and_then(|signer| signer.certificate.clone()).ok_or("nobody has signed it")?;
        Ok((text, signer, content.layers().to_vec()))
    }

    /// What Emma's mail program would say about a signed mail.
    fn judge(&self, mail: &[u8]) -> Told {
        let policy = self.policy()?;
        let verification = Verifier::new(&policy).verify(mail).map_err(|error| error.to_string())?;
        verification.accept(&Sender::VisibleFrom).map(drop).map_err(|rejected| rejected.to_string())
    }

    fn policy(&self) -> Result<Policy, String> {
        Ok(Policy::new(self.stage.anchors()?, files::now(), self.stage.limits()))
    }

    /// What somebody signs who had a certificate made in Nora's name.
    fn sign_as_stranger(&self, mail: &[u8]) -> Result<Vec<u8>, String> {
        let nora = &self.stage.nora;
        let made = Authority::new("Unbekannte Stelle", files::now())
            .and_then(|ca| ca.issue(Subject::named(nora.name), &nora.address, KeyKind::P256, files::now()));
        let (credential, _) = made.map_err(|stop| stop.what())?;
        sign(&credential, mail)
    }

    /// Nora's answer as her program sends it: signed, and encrypted to the certificate that it stored.
    fn answer_from_nora(&self, form: SignatureForm) -> Result<Vec<u8>, String> {
        let nora = &self.stage.nora;
        let emmas = self.emmas.as_ref().ok_or("Nora has no certificate of Emma's")?;
        let mail = letter(nora.name, &nora.address, EMMA.address, "Re: Ihr Angebot", ANSWER_SECRET).build();
        let signer = Signer::new(&nora.credential).map_err(|error| error.to_string())?;
        let signed = signer.at(files::now()).form(form).sign(&mail[..]).map_err(|error| error.to_string())?;
        let encryptor = Encryptor::to(emmas).map_err(|error| error.to_string())?;
        encryptor.encrypt(&signed[..]).map_err(|error| error.to_string())
    }
}

/// Says what holds, or ends the story.
fn check(what: &str, holds: bool) -> Told {
    if !holds {
        return Err(format!("this does not hold: {what}"));
    }
    say!("   ✓ {what}");
    Ok(())
}

fn address(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|error| error.to_string())
}

fn letter(name: &str, from: &EmailAddress, to: &str, subject: &str, text: &str) -> MessageBuilder {
    let now = files::now();
    let id = crypto::random_array::<8>().map(u64::from_be_bytes).unwrap_or_default();
    MessageBuilder::new()
        .mailbox("From", Some(name), &from.to_string())
        .field("To", to)
        .text_field("Subject", subject)
        .field("Date", &mime::date(now.to_unix()))
        .field("Message-ID", &format!("<{id:016x}@{}>", from.domain()))
        .text(text)
}

fn sign(credential: &Credential, mail: &[u8]) -> Result<Vec<u8>, String> {
    let signer = Signer::new(credential).map_err(|error| error.to_string())?;
    signer.at(files::now()).sign(mail).map_err(|error| error.to_string())
}

fn authentication_results(mail: &Delivered) -> Result<String, String> {
    let header = mail.header()?;
    let fields: Vec<String> = header.all("Authentication-Results").map(mime::Field::value).collect();
    if fields.is_empty() { Err(format!("{} has no verdict", mail.file.display())) } else { Ok(fields.join(" ")) }
}

fn replace(mail: &[u8], from: &[u8], to: &[u8]) -> Result<Vec<u8>, String> {
    let at = mail.windows(from.len()).position(|window| window == from).ok_or("the text is not there to be changed")?;
    let mut changed = mail.to_vec();
    changed.get_mut(at..at + from.len()).ok_or("the text is not there")?.copy_from_slice(to);
    Ok(changed)
}

/// Another base64 character near the end of the signature part: the last octets there are those of the signature.
fn flip_in_signature(mail: &[u8]) -> Result<Vec<u8>, String> {
    let end = mail.windows(4).rposition(|window| window == b"\r\n--").ok_or("there is no signature part")?;
    let letters = (0..end).rev().filter(|&at| mail.get(at).is_some_and(u8::is_ascii_alphanumeric));
    let at = letters.take(20).last().ok_or("there is nothing to change")?;
    let mut changed = mail.to_vec();
    let octet = changed.get_mut(at).ok_or("there is nothing to change")?;
    *octet = if *octet == b'A' { b'B' } else { b'A' };
    Ok(changed)
}

/// Another base64 character somewhere in the middle of the encrypted content.
fn flip_in_body(mail: &[u8]) -> Result<Vec<u8>, String> {
    let mut changed = mail.to_vec();
    let middle = mail.len() / 2 + mail.len() / 4;
    let at = (middle..mail.len()).find(|&at| mail.get(at).is_some_and(u8::is_ascii_alphanumeric));
    let octet = at.and_then(|at| changed.get_mut(at)).ok_or("there is nothing to change")?;
    *octet = if *octet == b'A' { b'B' } else { b'A' };
    Ok(changed)
}

fn brief(page: &Page) -> String {
    page.text().chars().take(200).collect()
}

const SECRET: &str = "Beitrag 1.234,56 Euro";
const OFFER: &str = "Guten Tag,\n\nunser Angebot: Beitrag 1.234,56 Euro im Jahr.\n\nEmma Sommer\n";
const ANSWER_SECRET: &str = "Wir nehmen das Angebot an.";
const HELD_SECRET: &str = "Das Gutachten liegt bei.\n";
