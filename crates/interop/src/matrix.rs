use std::io::Read as _;
use std::path::Path;

use crate::cases::{self, Case, Layer, Work};
use crate::expectations::{self, Reason};
use crate::mail;
use crate::ours::Ours;
use crate::peer::{Peer, Pkcs12Content};
use crate::peers::{BouncyCastle, GpgSm, Nss, OpenSsl, Python};
use crate::program::Program;
use crate::scene::Scene;
use crate::task::{Encrypting, Form, PASSWORD, Signing};

/// Who writes, and who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// We write, the peer reads.
    TheyRead,
    /// The peer writes, we read.
    TheyWrite,
}

/// How a cell came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The content came through.
    Pass,
    /// The peer cannot, as listed; the number is the line of the list.
    PeerCannot(usize),
    /// It fails, and nothing says that it may.
    Fails(String),
}

/// One row and column of a table, with one peer and in one direction.
#[derive(Debug)]
pub struct Cell {
    /// The peer.
    pub peer: &'static str,
    /// Who writes.
    pub direction: Direction,
    /// The table.
    pub table: String,
    /// The row.
    pub row: String,
    /// The column.
    pub column: String,
    /// How it came out.
    pub outcome: Outcome,
}

/// Every cell.
#[derive(Debug)]
pub struct Matrix {
    /// The cells, by peer, in the order of the tables.
    pub cells: Vec<Cell>,
    /// Each peer's name and version.
    pub versions: Vec<(&'static str, String)>,
    pub(crate) reasons: Vec<Reason>,
    /// Reasons that are about no cell.
    pub unused: Vec<String>,
}

impl Matrix {
    /// What is not as listed.
    pub fn differences(&self) -> Vec<String> {
        let failed = self.cells.iter().filter_map(|cell| match &cell.outcome {
            Outcome::Fails(words) => {
                let does = if cell.direction == Direction::TheyRead { "reads" } else { "writes" };
                Some(format!("{}\t{does}\t{}\t{}\t{}\t{words}", cell.peer, cell.table, cell.row, cell.column))
            }
            _ => None,
        });
        failed.chain(self.unused.iter().map(|reason| format!("listed, but no cell is like that: {reason}"))).collect()
    }

    /// How many cells passed, are listed, and fail.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Outcome) -> bool| self.cells.iter().filter(|cell| is(&cell.outcome)).count();
        (
            count(|outcome| *outcome == Outcome::Pass),
            count(|outcome| matches!(outcome, Outcome::PeerCannot(_))),
            count(|outcome| matches!(outcome, Outcome::Fails(_))),
        )
    }
}

/// What went wrong, and on which side.
struct Failure {
    ours: bool,
    words: String,
}

/// Runs every case with every peer, both ways; `program` is our own command line.
pub fn run(program: &Path) -> Matrix {
    let scene = Scene::new();
    let cases = cases::all();
    let reasons = expectations::parse(include_str!("../../../tests/interop/cannot.tsv"));
    // The slowest to start first; each peer has a thread, since it mostly waits for its processes.
    let results: Vec<(Vec<Cell>, (&'static str, String))> = std::thread::scope(|threads| {
        let (scene, cases, reasons) = (&scene, &cases, &reasons);
        let start: [Box<dyn Fn() -> Box<dyn Peer> + Send>; 5] = [
            Box::new(|| Box::new(OpenSsl::new(scene))),
            Box::new(|| Box::new(GpgSm::new(scene))),
            Box::new(|| Box::new(Nss::new(scene))),
            Box::new(|| Box::new(BouncyCastle::new(scene))),
            Box::new(|| Box::new(Python::new(scene))),
        ];
        let running: Vec<_> = start
            .into_iter()
            .enumerate()
            .map(|(index, start)| {
                let command = Program::new(scene, program.to_owned(), &format!("program-{index}"));
                threads.spawn(move || {
                    let mut peer = start();
                    with_peer(&mut *peer, scene, command, cases, reasons)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let (cells, versions): (Vec<Vec<Cell>>, Vec<_>) = results.into_iter().unzip();
    let cells: Vec<Cell> = cells.into_iter().flatten().collect();
    let used: Vec<usize> = cells
        .iter()
        .filter_map(|cell| match cell.outcome {
            Outcome::PeerCannot(index) => Some(index),
            _ => None,
        })
        .collect();
    let unused = reasons
        .iter()
        .enumerate()
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, reason)| reason.describe())
        .collect();
    Matrix { cells, versions, reasons, unused }
}

fn with_peer(
    peer: &mut dyn Peer,
    scene: &Scene,
    mut program: Program,
    cases: &[Case],
    reasons: &[Reason],
) -> (Vec<Cell>, (&'static str, String)) {
    let mut ours = Ours::new(scene);
    let name = peer.name();
    let mut cells = Vec::new();
    let mut add = |direction, table: String, case: &Case, result: Result<(), Failure>| {
        let (row, column) = (case.row.clone(), case.column.clone());
        let outcome = judge(reasons, name, direction, &table, &row, &column, result);
        cells.push(Cell { peer: name, direction, table, row, column, outcome });
    };
    for case in cases {
        if case.ours && peer.takes_part(&case.work, true) {
            let result = attempt(scene, &case.work, &mut ours, peer, true);
            add(Direction::TheyRead, case.table.to_owned(), case, result);
        }
        if case.theirs && peer.takes_part(&case.work, false) {
            let result = attempt(scene, &case.work, peer, &mut ours, false);
            add(Direction::TheyWrite, case.table.to_owned(), case, result);
        }
    }
    for case in cases.iter().filter(|case| case.prompt) {
        let table = format!("At the prompt: {}", case.table);
        if peer.takes_part(&case.work, true) {
            let result = attempt(scene, &case.work, &mut program, peer, true);
            add(Direction::TheyRead, table.clone(), case, result);
        }
        if peer.takes_part(&case.work, false) {
            let result = attempt(scene, &case.work, peer, &mut program, false);
            add(Direction::TheyWrite, table, case, result);
        }
    }
    (cells, (name, peer.version()))
}

fn judge(
    reasons: &[Reason],
    peer: &str,
    direction: Direction,
    table: &str,
    row: &str,
    column: &str,
    result: Result<(), Failure>,
) -> Outcome {
    let mut about =
        reasons.iter().enumerate().filter(|(_, reason)| reason.is_about(peer, direction, table, row, column));
    match result {
        Ok(()) => Outcome::Pass,
        Err(Failure { ours: true, words }) => Outcome::Fails(format!("we: {}", one_line(&words))),
        Err(Failure { ours: false, words }) => {
            match about.find(|(_, reason)| reason.says.split('|').any(|piece| words.contains(piece))) {
                Some((index, _)) => Outcome::PeerCannot(index),
                None => Outcome::Fails(format!("{peer}: {}", one_line(&words))),
            }
        }
    }
}

fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lets `writer` write and `reader` read.
fn attempt(
    scene: &Scene,
    work: &Work,
    writer: &mut dyn Peer,
    reader: &mut dyn Peer,
    we_write: bool,
) -> Result<(), Failure> {
    let writing = |words| Failure { ours: we_write, words };
    let reading = |words| Failure { ours: !we_write, words };
    let same = |got: &[u8], expected: &[u8]| {
        if got == expected {
            return Ok(());
        }
        let text = String::from_utf8_lossy(got.get(..got.len().min(300)).unwrap_or_default()).into_owned();
        Err(reading(format!("other content came out: {text:?}")))
    };
    match work {
        Work::Sign(task) => {
            let content = content_for(task.form);
            let message = sign(writer, task, &content).map_err(writing)?;
            let got = reader.verify(task, &message, &content).map_err(reading)?;
            same(&got, &content)
        }
        Work::ChangedSignature(task) => {
            let mut content = content_for(task.form);
            let mut message = sign(writer, task, &content).map_err(writing)?;
            let changed = match task.form {
                Form::Detached => change(&mut content, b"Hallo"),
                Form::Mail => change_inside_base64(&mut message),
                _ => change(&mut message, b"Hallo"),
            };
            changed.ok_or_else(|| writing("nothing to change".into()))?;
            match reader.verify(task, &message, &content) {
                Ok(_) => Err(reading("it accepts a changed message".into())),
                Err(_) => Ok(()),
            }
        }
        Work::Encrypt(task) => {
            let content = content_for(task.form);
            let message = encrypt(writer, task, &content).map_err(writing)?;
            for whom in &task.to {
                let got = reader.decrypt(task, whom, &message).map_err(reading)?;
                same(&got, &content)?;
            }
            Ok(())
        }
        Work::ChangedCiphertext(task) => {
            let content = content_for(task.form);
            let mut message = encrypt(writer, task, &content).map_err(writing)?;
            let whom = task.to.first().ok_or_else(|| writing("to nobody".into()))?;
            // As it was, it is read; so what refuses it afterwards is the change.
            reader.decrypt(task, whom, &message).map_err(reading)?;
            if let Some(last) = message.last_mut() {
                *last ^= 1;
            }
            match reader.decrypt(task, whom, &message) {
                Ok(_) => Err(reading("it accepts a changed message".into())),
                Err(_) => Ok(()),
            }
        }
        Work::Compress(form) => {
            let content = content_for(*form);
            let message = writer.compress(*form, &content).map_err(writing)?;
            same(&reader.decompress(*form, &message).map_err(reading)?, &content)
        }
        Work::Certificates(form) => {
            let people = ["rsa", "p256"];
            let message = writer.write_certificates(*form, &people).map_err(writing)?;
            let mut got: Vec<String> = reader
                .read_certificates(*form, &message)
                .map_err(reading)?
                .iter()
                .flat_map(pki::Certificate::email_addresses)
                .map(|address| address.to_string())
                .collect();
            got.sort();
            if got == ["p256@example.org", "rsa@example.org"] {
                return Ok(());
            }
            Err(reading(format!("certificates for {got:?}")))
        }
        Work::Layers(layers) => {
            let mut entity = mail::ENTITY.to_vec();
            for layer in layers {
                entity = write_layer(writer, layer, &entity).map_err(writing)?;
            }
            let message = mail::around("alice@example.org", &entity);
            if let Some(result) = reader.open(&message, layers) {
                return same(&result.map_err(reading)?, mail::ENTITY);
            }
            let mut message = message;
            for layer in layers.iter().rev() {
                message = read_layer(reader, layer, &message).map_err(reading)?;
            }
            same(&message, mail::ENTITY)
        }
        Work::Pkcs12 { people, legacy } => {
            // With one salt in 64 gpgsm derives another key than the writer did.
            let files = if reader.name() == "gpgsm" { crate::peers::gpgsm::FILES } else { 1 };
            let mut file = writer.write_pkcs12(people, *legacy).map_err(writing)?;
            let mut got = reader.read_pkcs12(&file, PASSWORD);
            for _ in 1..files {
                if got.is_err() {
                    file = writer.write_pkcs12(people, *legacy).map_err(writing)?;
                    got = reader.read_pkcs12(&file, PASSWORD);
                }
            }
            let got = got.map_err(reading)?;
            let owners = people.iter().map(|name| scene.certificate(name).sha256().to_hex()).collect();
            let expected = Pkcs12Content::new(owners, got.issuer.and(Some(writer.writes_issuer())));
            if got != expected {
                return Err(reading(format!("other keys came out: {got:?}, not {expected:?}")));
            }
            match reader.read_pkcs12(&file, "y") {
                Ok(_) => Err(reading("it takes a wrong password".into())),
                Err(words) if !we_write && !words.contains("password is wrong") => {
                    Err(reading(format!("a wrong password is not said as such: {words}")))
                }
                Err(_) => Ok(()),
            }
        }
        Work::ProtectedHeaders { signing, encrypting } => {
            let mut mail = writer.sign_protected(signing, encrypting.is_some()).map_err(writing)?;
            let mut layers = vec![Layer::Sign(signing.clone())];
            if let Some(task) = encrypting {
                mail = writer.encrypt(task, &mail::entity_of(&mail)).map_err(writing)?;
                layers.push(Layer::Encrypt(task.clone()));
            }
            if let Some(subject) = reader.protected_subject(&mail, &layers) {
                return same(subject.map_err(reading)?.as_bytes(), PROTECTED_SUBJECT.as_bytes());
            }
            for layer in layers.iter().rev() {
                mail = read_layer(reader, layer, &mail).map_err(reading)?;
            }
            // The peer does not know what the fields mean; they are in what it verified.
            let found = mail::find(&mail, format!("Subject: {PROTECTED_SUBJECT}").as_bytes());
            found.map(|_| ()).ok_or_else(|| reading("the protected subject did not come out".into()))
        }
    }
}

/// What stands under the signature.
pub(crate) const PROTECTED_SUBJECT: &str = "Angebot 4711";

/// A mail whose fields stand in the entity, too (RFC 9788 §2.1), for peers that sign what they are given.
pub(crate) fn protected_entity(from: &str, encrypted: bool) -> Vec<u8> {
    let (hp, outer) = if encrypted {
        ("cipher", format!("HP-Outer: From: {from}\r\nHP-Outer: To: bob@example.org\r\nHP-Outer: Subject: [...]\r\n"))
    } else {
        ("clear", String::new())
    };
    format!(
        "From: {from}\r\nTo: bob@example.org\r\nSubject: {PROTECTED_SUBJECT}\r\n{outer}\
         Content-Type: text/plain; charset=utf-8; hp={hp}\r\n\r\nHallo Bob\r\n"
    )
    .into_bytes()
}

fn content_for(form: Form) -> Vec<u8> {
    if form == Form::Ber { mail::long_entity() } else { mail::ENTITY.to_vec() }
}

fn sign(writer: &mut dyn Peer, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String> {
    match task.form {
        Form::Base64 => Ok(odd_base64(&writer.sign(&task.in_form(Form::Der), content)?)),
        _ => writer.sign(task, content),
    }
}

fn encrypt(writer: &mut dyn Peer, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
    match task.form {
        Form::Base64 => Ok(odd_base64(&writer.encrypt(&task.in_form(Form::Der), content)?)),
        _ => writer.encrypt(task, content),
    }
}

fn odd_base64(der: &[u8]) -> Vec<u8> {
    mail::base64(der, &[64, 76, 1, 75, 19], "\r\n").replacen("\r\n", "\n", 2).replacen("\r\n", "\r", 1).into_bytes()
}

fn change(message: &mut [u8], what: &[u8]) -> Option<()> {
    let at = mail::find(message, what)?;
    *message.get_mut(at + 1)? = b'e';
    Some(())
}

/// Changes an octet of the content inside a base64 body.
fn change_inside_base64(message: &mut Vec<u8>) -> Option<()> {
    let at = mail::find(message, b"\r\n\r\n").or_else(|| mail::find(message, b"\n\n"))?;
    let mut der = mail::unwrap(message).ok()?;
    change(&mut der, b"Hallo")?;
    message.truncate(at);
    message.extend_from_slice(b"\r\n\r\n");
    message.extend_from_slice(mail::base64(&der, &[64], "\r\n").as_bytes());
    Some(())
}

fn write_layer(writer: &mut dyn Peer, layer: &Layer, entity: &[u8]) -> Result<Vec<u8>, String> {
    let message = match layer {
        Layer::Sign(task) => writer.sign(task, entity)?,
        Layer::Encrypt(task) => writer.encrypt(task, entity)?,
        Layer::Compress => writer.compress(Form::Mail, entity)?,
    };
    Ok(mail::entity_of(&mail::with_crlf(&message)))
}

fn read_layer(reader: &mut dyn Peer, layer: &Layer, message: &[u8]) -> Result<Vec<u8>, String> {
    match layer {
        Layer::Sign(task) => reader.verify(task, message, &[]),
        Layer::Encrypt(task) => reader.decrypt(task, task.to.first().ok_or("to nobody")?, message),
        Layer::Compress => reader.decompress(Form::Mail, message),
    }
}

/// Everything that a reader gives.
pub(crate) fn read_to_end(content: &mut smime::VerifiedContent) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut reader = content.reader().map_err(|error| error.to_string())?;
    reader.read_to_end(&mut out).map_err(|error| error.to_string())?;
    Ok(out)
}
