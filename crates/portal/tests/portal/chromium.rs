//! A real browser, driven as W3C WebDriver has it: Debian's chromium and chromium-driver.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A window of a browser of its own.
pub(crate) struct Chromium {
    agent: ureq::Agent,
    driver: Child,
    session: String,
    base: String,
    _profile: tempfile::TempDir,
    // Last, so that the next browser starts when this one is gone: two at a time are slow on a small machine.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

/// How long something may take on a busy machine before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SPACE: &str = " ";
pub(crate) const DOWN: &str = "\u{e015}";
pub(crate) const UP: &str = "\u{e013}";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Chromium {
    pub(crate) fn open(base: &str) -> Self {
        Self::open_with(base, &[])
    }

    /// At a name that leads to the portal at `base` in this browser: passkeys want one.
    pub(crate) fn open_at(name: &str, base: &str) -> Self {
        let portal = base.trim_start_matches("http://");
        Self::open_with(&format!("http://{name}"), &[format!("--host-resolver-rules=MAP {name}:80 {portal}")])
    }

    fn open_with(base: &str, more: &[String]) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed (Debian: chromium-driver)");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver does not say its port");
        // Somebody has to read what it says, or it waits for that one day.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(300)))
            .build();
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let mut arguments = ARGUMENTS.to_vec();
        arguments.push(&folder);
        arguments.extend(more.iter().map(String::as_str));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": 240_000, "pageLoad": 240_000 },
        } } });
        let mut browser = Self {
            agent: config.into(),
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            base: base.to_owned(),
            _profile: profile,
            _alone: alone,
        };
        // A browser that is slow to start on a busy machine is started again.
        let made = (0..3).find_map(|_| browser.send("POST", "", &wanted).ok());
        let made = made.unwrap_or_else(|| browser.send("POST", "", &wanted).unwrap());
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        browser.show(Theme::Light, 1280);
        browser
    }

    pub(crate) fn get(&self, path: &str) {
        self.send("POST", "/url", &json!({ "url": format!("{}{path}", self.base) })).unwrap();
    }

    /// Plugs an authenticator in that knows its user and is touched at once.
    pub(crate) fn plug_authenticator(&self) {
        let authenticator = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.send("POST", "/webauthn/authenticator", &authenticator).unwrap();
    }

    /// What people see, in which theme and how wide. Nothing moves, so that colours are what they will be.
    pub(crate) fn show(&self, theme: Theme, width: u32) {
        let theme = if theme == Theme::Dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    fn devtools(&self, command: &str, parameters: Value) {
        self.send("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).unwrap();
    }

    /// The value of a script's `return`.
    pub(crate) fn script(&self, script: &str, arguments: Value) -> Value {
        self.send("POST", "/execute/sync", &json!({ "script": script, "args": arguments })).unwrap()
    }

    /// What a script hands to its last argument, a function.
    pub(crate) fn script_later(&self, script: &str, arguments: Value) -> Value {
        self.send("POST", "/execute/async", &json!({ "script": script, "args": arguments })).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        let text = self.glance("return document.body.innerText");
        text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A script's value, or nothing: between two pages there is none.
    fn glance(&self, script: &str) -> Value {
        self.send("POST", "/execute/sync", &json!({ "script": script, "args": [] })).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> String {
        self.glance("return location.pathname").as_str().unwrap_or_default().to_owned()
    }

    /// The status with which the page was answered.
    pub(crate) fn status(&self) -> u64 {
        let script = "return performance.getEntriesByType('navigation')[0].responseStatus";
        self.glance(script).as_u64().unwrap_or_default()
    }

    pub(crate) fn click(&self, selector: &str) {
        self.on(selector, "click", &json!({}));
    }

    /// Types into a field, or names the file of one; what was in it goes.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.script(
            "const e = document.querySelector(arguments[0]); if (e && e.type !== 'file') e.value = ''",
            json!([selector]),
        );
        self.on(selector, "value", &json!({ "text": text }));
    }

    pub(crate) fn has(&self, selector: &str) -> bool {
        self.find(selector).is_ok()
    }

    pub(crate) fn words(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.script(script, json!([selector])).as_str().unwrap_or_default().to_owned()
    }

    /// Presses keys where the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let mut strokes = Vec::new();
        for key in keys.chars() {
            strokes.push(json!({ "type": "keyDown", "value": key.to_string() }));
            strokes.push(json!({ "type": "keyUp", "value": key.to_string() }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.send("POST", "/actions", &json!({ "actions": [keyboard] })).unwrap();
    }

    /// Goes there with the tab key alone.
    pub(crate) fn tab_to(&self, selector: &str) {
        for _ in 0..120 {
            if self.script("return document.activeElement.matches(arguments[0])", json!([selector])) == json!(true) {
                return;
            }
            self.press(TAB);
        }
        panic!("the tab key does not lead to {selector} on {}", self.path());
    }

    pub(crate) fn wait_for(&self, what: &str) {
        let end = Instant::now() + PATIENCE;
        let mut text = String::new();
        while Instant::now() < end {
            text = self.text();
            if text.contains(what) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{what} is not on {}: {text}", self.path());
    }

    /// What stood on the page before does not any more; an empty page between two does not count.
    pub(crate) fn wait_until_gone(&self, what: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if !text.is_empty() && !text.contains(what) {
                return;
            }
            assert!(Instant::now() < end, "{what} stays on {}: {text}", self.path());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn wait_for_path(&self, path: &str) {
        let end = Instant::now() + PATIENCE;
        while self.path() != path {
            assert!(Instant::now() < end, "{path} does not come; this is {}: {}", self.path(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn wait_for_status(&self, status: u64) {
        let end = Instant::now() + PATIENCE;
        while self.status() != status {
            assert!(Instant::now() < end, "{status} does not come, but {}: {}", self.status(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn wait_for_selector(&self, selector: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.has(selector) {
            assert!(Instant::now() < end, "{selector} does not come on {}: {}", self.path(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The session's cookies, for fetching a file as this visitor.
    pub(crate) fn cookies(&self) -> String {
        let all = self.send("GET", "/cookie", &Value::Null).unwrap();
        let pair = |one: &Value| format!("{}={}", one["name"].as_str().unwrap(), one["value"].as_str().unwrap());
        all.as_array().unwrap().iter().map(pair).collect::<Vec<_>>().join("; ")
    }

    /// As somebody else, with nothing left of the one before.
    pub(crate) fn forget(&self) {
        self.send("DELETE", "/cookie", &Value::Null).unwrap();
    }

    fn on(&self, selector: &str, action: &str, body: &Value) {
        let end = Instant::now() + PATIENCE;
        loop {
            let done = self
                .find(selector)
                .and_then(|element| self.send("POST", &format!("/element/{element}/{action}"), body));
            match done {
                Ok(_) => return,
                Err(error) => assert!(Instant::now() < end, "{action} on {selector} at {}: {error}", self.path()),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn find(&self, selector: &str) -> Result<String, String> {
        let found = self.send("POST", "/element", &json!({ "using": "css selector", "value": selector }))?;
        Ok(id(&found))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let answer = match method {
            "GET" => self.agent.get(&url).call(),
            "DELETE" => self.agent.delete(&url).call(),
            _ => self.agent.post(&url).header("Content-Type", "application/json").send(&body.to_string()),
        };
        let text = answer.and_then(|answer| answer.into_body().with_config().limit(64 << 20).read_to_string());
        let text = text.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.send("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn id(element: &Value) -> String {
    let id = element.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];
