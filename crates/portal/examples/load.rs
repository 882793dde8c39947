//! Parallel sessions that read and upload, and how long the portal takes to answer them:
//! `cargo run --release -p portal --example load -- [SESSIONS] [ROUNDS] [PARTNERS]`, by default 200, 10 and 0 more.
//!
//! Portal and callers share this machine, so what is printed is an upper bound. It ends by itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crypto::KeyKind;
use directory::{
    Actor, Address, Directory, Folder, Language, ManualClock, MessageStore, NewMessage, NewPerson, PersonId, Role,
    Roles, Settings, StoreKey,
};
use testkit::TestPki;

const PASSWORD: &str = "vier Worte ohne Sinn";

/// By page: how long each answer took, how many were wrong, and how large the largest was.
type Figures = BTreeMap<&'static str, (Vec<Duration>, u32, usize)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut next = |usual| numbers.next().unwrap_or(Ok(usual));
    let (sessions, rounds, partners) = (next(200)?.min(1000), next(10)?.min(100), next(0)?.min(200_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let (portal, base) = runtime.block_on(house(folder.path(), sessions, partners))?;
    let figures = Mutex::new(Figures::new());
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..sessions {
            let (base, figures) = (base.as_str(), &figures);
            scope.spawn(move || {
                let mut own = Figures::new();
                if visit(base, number, rounds, &mut own).is_err() {
                    own.entry("session").or_default().1 += 1;
                }
                let Ok(mut figures) = figures.lock() else { return };
                for (name, (times, wrong, largest)) in own {
                    let all = figures.entry(name).or_default();
                    all.0.extend(times);
                    all.1 += wrong;
                    all.2 = all.2.max(largest);
                }
            });
        }
    });
    let seconds = begin.elapsed().as_secs_f32();
    // What grows with the number of partners, one page after the other.
    let mut own = Figures::new();
    for (at, name, path) in [
        ("emma@muster.example", "partners", "/partners"),
        ("otto@muster.example", "board", "/board"),
        ("otto@muster.example", "figures", "/numbers"),
        ("oskar@muster.example", "people", "/people?role=partner"),
    ] {
        let agent = log_in(&base, at, &mut Figures::new())?;
        for _ in 0..10 {
            let begin = Instant::now();
            take(name, begin, 200, agent.get(format!("{base}{path}")).call()?, &mut own)?;
        }
    }
    figures.lock().map_err(|_| "a session broke off")?.extend(own);
    let mut out = std::io::stdout();
    writeln!(out, "{sessions} sessions, {rounds} rounds, {partners} partners more, {seconds:.1} s")?;
    writeln!(
        out,
        "{:<10} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}",
        "what", "count", "wrong", "p50 ms", "p99 ms", "max ms", "bytes"
    )?;
    for (name, (mut times, wrong, largest)) in figures.into_inner().unwrap_or_default() {
        times.sort();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        let (half, most, last) = (ms(at(50)), ms(at(99)), ms(times.last()));
        writeln!(out, "{name:<10} {:>7} {wrong:>7} {half:>9.1} {most:>9.1} {last:>9.1} {largest:>9}", times.len())?;
    }
    runtime.block_on(portal.shutdown());
    Ok(())
}

fn log_in(base: &str, at: &str, figures: &mut Figures) -> Result<ureq::Agent, Box<dyn Error>> {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(300))).build().into();
    let begin = Instant::now();
    let form = take("form", begin, 200, agent.get(format!("{base}/login")).call()?, figures)?;
    let begin = Instant::now();
    let fields = [("csrf", csrf(&form)), ("address", at), ("password", PASSWORD)];
    take("log-in", begin, 303, agent.post(format!("{base}/login")).send_form(fields)?, figures)?;
    Ok(agent)
}

/// One partner: logs in, reads, and sends a certificate in.
fn visit(base: &str, number: usize, rounds: usize, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let at = address(number);
    let agent = log_in(base, &at, figures)?;
    let get = |name: &'static str, path: &str, expected: u16, figures: &mut Figures| {
        let begin = Instant::now();
        let answer = agent.get(format!("{base}{path}")).call()?;
        take(name, begin, expected, answer, figures)
    };
    for _ in 0..rounds {
        let inbox = get("inbox", "/inbox", 200, figures)?;
        if let Some((_, rest)) = inbox.split_once("href=\"/messages/") {
            let id = rest.split('"').next().unwrap_or_default();
            get("message", &format!("/messages/{id}"), 200, figures)?;
        }
        get("keys", "/keys", 200, figures)?;
    }
    let keys = get("keys", "/keys", 200, figures)?;
    let pem = TestPki::shared().person(&at, KeyKind::P256).certificate().to_pem();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; \
         name=\"certificate\"; filename=\"c.pem\"\r\nContent-Type: application/octet-stream\r\n\r\n{pem}\r\n--b--\r\n",
        csrf(&keys)
    );
    let begin = Instant::now();
    let upload = agent.post(format!("{base}/keys/upload")).header("Content-Type", "multipart/form-data; boundary=b");
    take("upload", begin, 303, upload.send(&body)?, figures)?;
    Ok(())
}

fn take(
    name: &'static str,
    begin: Instant,
    expected: u16,
    answer: ureq::http::Response<ureq::Body>,
    figures: &mut Figures,
) -> Result<String, Box<dyn Error>> {
    let status = answer.status().as_u16();
    let mut text = String::new();
    answer.into_body().into_reader().read_to_string(&mut text)?;
    let (times, wrong, largest) = figures.entry(name).or_default();
    times.push(begin.elapsed());
    *wrong += u32::from(status != expected);
    *largest = (*largest).max(text.len());
    Ok(text)
}

fn csrf(page: &str) -> &str {
    let rest = page.rsplit_once("name=\"csrf\" value=\"").map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default()
}

fn address(number: usize) -> String {
    format!("p{number}@partner.example")
}

/// A portal with so many partners, of whom the first can log in and have a message.
async fn house(
    folder: &std::path::Path,
    sessions: usize,
    partners: usize,
) -> Result<(portal::Portal, String), Box<dyn Error>> {
    let intake = Address::parse("emailzertifikat@muster.example")?;
    let mut settings =
        Settings::new("Muster GmbH", ["muster.example"], intake, "http://127.0.0.1", StoreKey::generate()?);
    settings.trust = TestPki::shared().anchors();
    let clock = Arc::new(ManualClock::at(testkit::now()));
    let url = format!("sqlite:{}", folder.join("load.db").display());
    let directory = Directory::open(&url, settings, clock).await?;
    let settings = portal::Settings::new("127.0.0.1:0".parse()?, folder.join("messages"));
    let store = MessageStore::at(&settings.messages, directory.settings().store_key.clone())?;
    let hash = portal::hash_password(PASSWORD)?;
    let emma = add(&directory, "emma@muster.example", Role::Employee, None).await?;
    let otto = add(&directory, "otto@muster.example", Role::Officer, None).await?;
    let oskar = add(&directory, "oskar@muster.example", Role::Operator, None).await?;
    for inside in [emma, otto, oskar] {
        directory.set_password(inside, &hash, false, &Actor::System).await?;
    }
    for number in 0..sessions + partners {
        let id = add(&directory, &address(number), Role::Partner, Some(emma)).await?;
        if number >= sessions {
            continue;
        }
        directory.set_password(id, &hash, false, &Actor::System).await?;
        let content = b"From: emma@muster.example\r\nContent-Type: text/plain\r\n\r\nAnbei der Entwurf.\r\n";
        let new = NewMessage {
            partner: Address::parse(&address(number))?,
            folder: Folder::Inbox,
            correspondent: Address::parse("emma@muster.example")?,
            subject: "Entwurf".into(),
            bytes: u64::try_from(content.len())?,
            body: store.put(content).await?,
        };
        directory.add_message(&new).await?;
    }
    let portal = portal::Portal::start(settings, directory).await?;
    let base = format!("http://{}", portal.address());
    Ok((portal, base))
}

async fn add(
    directory: &Directory,
    at: &str,
    role: Role,
    contact: Option<PersonId>,
) -> Result<PersonId, Box<dyn Error>> {
    let new = NewPerson {
        address: Address::parse(at)?,
        name: at.into(),
        company: None,
        language: Language::German,
        roles: Roles::of([role]),
        contact,
    };
    Ok(directory.add_person(new, &Actor::System).await?.id)
}
