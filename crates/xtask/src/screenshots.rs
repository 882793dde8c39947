//! The pictures in the documentation: `cargo xtask screenshots` plays the demonstration and the portal's sample, and
//! photographs their pages in Chromium.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::process::{cargo, root};

/// Who logs in, which page, how wide and high, which theme, and the name of the picture.
type Picture = (Option<Who>, &'static str, (u32, u32), Theme, &'static str);

/// What is photographed. The officer's are the sample's: in the demonstration everything has been decided by then.
const PICTURES: &[Picture] = &[
    (None, "/?lang=de", (1280, 900), Theme::Light, "how-to"),
    (None, "/?lang=en", (390, 900), Theme::Dark, "how-to-phone"),
    (Some(Who::Partner), "/keys?what=smime", (1280, 900), Theme::Light, "keys"),
    (Some(Who::Partner), "/keys?what=smime", (390, 900), Theme::Light, "keys-phone"),
    (Some(Who::Officer), "/board", (1280, 1380), Theme::Light, "board"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Partner,
    Officer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theme {
    Light,
    Dark,
}

/// Writes `docs/images/*.png`.
pub(crate) fn run() -> Result<(), String> {
    cargo(&["build", "--quiet", "--package", "sealpost"], &[])?;
    cargo(&["build", "--quiet", "--package", "portal", "--example", "sample"], &[])?;
    let (demo, sample) = (Demo::start()?, Sample::start()?);
    let driver = Driver::start()?;
    let folder = root().join("docs/images");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (who, path, size, theme, name) in PICTURES {
        let window = driver.window(*size, *theme)?;
        let url = if *who == Some(Who::Officer) { &sample.url } else { &demo.url };
        if let Some(who) = who {
            let (address, password) = match who {
                Who::Partner => demo.partner()?,
                Who::Officer => ("otto@muster.example", sample.password.as_str()),
            };
            window.open(&format!("{url}/login?lang=de"))?;
            window.fill("input[name=address]", address)?;
            window.fill("input[name=password]", password)?;
            window.click("form[action='/login'] button[type=submit], main form button")?;
        }
        window.open(&format!("{url}{path}"))?;
        let file = folder.join(format!("{name}.png"));
        let picture = window.picture()?;
        std::fs::write(&file, picture).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("wrote docs/images/{name}.png");
    }
    Ok(())
}

/// The demonstration, staying up after its story.
struct Demo {
    child: Child,
    url: String,
    lines: Vec<String>,
}

impl Demo {
    fn start() -> Result<Self, String> {
        let mut child = Command::new(root().join("target/debug/sealpost"))
            .args(["demo", "--smtp-port", "0", "--http-port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the demonstration does not start: {error}"))?;
        let out = child.stdout.take().ok_or("the demonstration has no output")?;
        let mut lines = Vec::new();
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|error| error.to_string())?;
            let last = line.starts_with("Ctrl-C");
            lines.push(line);
            if last {
                break;
            }
        }
        let url = lines.iter().find_map(|line| line.trim().strip_prefix("pages").map(|url| url.trim().to_owned()));
        let url = url.ok_or_else(|| format!("the demonstration broke off:\n{}", lines.join("\n")))?;
        Ok(Self { child, url, lines })
    }

    /// Address and password of the partner, as the demonstration prints them.
    fn partner(&self) -> Result<(&str, &str), String> {
        let line = self.lines.iter().find_map(|line| line.trim().strip_prefix("partner "));
        let (address, password) = line.and_then(|line| line.split_once("password")).ok_or("nobody can log in")?;
        Ok((address.trim(), password.trim()))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The portal's sample: certificates in every state.
struct Sample {
    child: Child,
    url: String,
    password: String,
}

impl Sample {
    fn start() -> Result<Self, String> {
        let mut child = Command::new(root().join("target/debug/examples/sample"))
            .arg("0")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the sample does not start: {error}"))?;
        let out = child.stdout.take().ok_or("the sample has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).map_err(|error| error.to_string())?;
        let said = line.trim().split_once("  password for everybody: ");
        let (url, password) = said.ok_or_else(|| format!("the sample broke off: {line}"))?;
        Ok(Self { url: url.to_owned(), password: password.to_owned(), child })
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// chromedriver, spoken to as WebDriver has it.
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    fn start() -> Result<Self, String> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("chromedriver is needed (Debian: chromium-driver): {error}"))?;
        let out = child.stdout.take().ok_or("chromedriver has no output")?;
        let port = BufReader::new(out).lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.ok_or("chromedriver does not say its port")?;
        Ok(Self { child, url: format!("http://127.0.0.1:{port}") })
    }

    fn window(&self, (width, height): (u32, u32), theme: Theme) -> Result<Window, String> {
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
        ]
        .map(str::to_owned)
        .to_vec();
        if theme == Theme::Dark {
            arguments.push("--force-dark-mode".into());
        }
        // Narrower windows than 500 are not made without this.
        let mobile =
            json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "mobile": false } });
        let options = json!({ "args": arguments, "mobileEmulation": mobile });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let made = post(&format!("{}/session", self.url), &wanted)?;
        let id = made["sessionId"].as_str().ok_or_else(|| format!("no session: {made}"))?;
        Ok(Window { url: format!("{}/session/{id}", self.url) })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Window {
    url: String,
}

impl Window {
    fn open(&self, page: &str) -> Result<(), String> {
        post(&format!("{}/url", self.url), &json!({ "url": page })).map(drop)
    }

    fn fill(&self, selector: &str, text: &str) -> Result<(), String> {
        let element = self.find(selector)?;
        post(&format!("{}/element/{element}/value", self.url), &json!({ "text": text })).map(drop)
    }

    fn click(&self, selector: &str) -> Result<(), String> {
        let element = self.find(selector)?;
        post(&format!("{}/element/{element}/click", self.url), &json!({})).map(drop)
    }

    fn find(&self, selector: &str) -> Result<String, String> {
        let found = post(&format!("{}/element", self.url), &json!({ "using": "css selector", "value": selector }))?;
        let id = found.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| format!("{selector} is not on the page"))
    }

    fn picture(&self) -> Result<Vec<u8>, String> {
        let answer = ureq::get(format!("{}/screenshot", self.url)).call().map_err(|error| error.to_string())?;
        let answer: Value = answer.into_body().read_json().map_err(|error| error.to_string())?;
        let text = answer["value"].as_str().ok_or("there is no picture")?;
        base64_simd::STANDARD.decode_to_vec(text).map_err(|_| "the picture is no base64".into())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.url).call();
    }
}

fn post(url: &str, body: &Value) -> Result<Value, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.post(url).send_json(body).map_err(|error| format!("{url}: {error}"))?;
    let answer: Value = answer.into_body().read_json().map_err(|error| format!("{url}: {error}"))?;
    match answer["value"]["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
        None => Ok(answer["value"].clone()),
    }
}
