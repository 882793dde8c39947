use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Writes a line to standard output.
macro_rules! say {
    () => { $crate::outcome::say(format_args!("\n")) };
    ($($words:tt)*) => { $crate::outcome::say(format_args!("{}\n", format_args!($($words)*))) };
}

/// Writes text that brings its own line ends to standard output.
macro_rules! say_all {
    ($($words:tt)*) => { $crate::outcome::say(format_args!($($words)*)) };
}

/// Writes a line to standard error.
macro_rules! note {
    ($($words:tt)*) => { $crate::outcome::note(format_args!("{}\n", format_args!($($words)*))) };
}

/// What became of what was said on standard output.
struct Said {
    anything: bool,
    /// Why it cannot be written any more.
    lost: Option<String>,
}

static SAID: Mutex<Said> = Mutex::new(Said { anything: false, lost: None });

/// Behind `say!`: a reader that went away, or a full disk, ends nothing in the middle; [`end`] tells.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.anything = true;
    if said.lost.is_none() {
        said.lost = io::stdout().write_fmt(text).err().map(|error| plain(&error));
    }
}

/// Behind `note!`: when nobody hears it, nobody misses it.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}

/// The one line about a result: on standard error where content goes to standard output.
pub(crate) fn tell(line: &str, content_is_said: bool) {
    if content_is_said {
        SAID.lock().unwrap_or_else(PoisonError::into_inner).anything = true;
        note!("{line}");
    } else {
        say!("{line}");
    }
}

/// Whether something was said about the result already.
pub(crate) fn has_said() -> bool {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).anything
}

/// The end of a command: everything it said has arrived, or it could not be done.
pub(crate) fn end() -> Result<(), Stop> {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.lost.is_none() {
        said.lost = io::stdout().flush().err().map(|error| plain(&error));
    }
    match &said.lost {
        None => Ok(()),
        Some(why) => Err(Stop::failed(format_args!("cannot write to standard output: {why}"))),
    }
}

/// Why a command did not end with exit status 0.
///
/// "It was done and the answer is no" and "it could not be done" are kept apart through to the shell.
#[derive(Debug)]
pub(crate) struct Stop {
    kind: Kind,
    what: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Refused,
    Failed,
}

impl Stop {
    /// Understood and refused: exit status 1.
    pub(crate) fn refused(what: impl fmt::Display) -> Self {
        Self { kind: Kind::Refused, what: what.to_string(), hint: None }
    }

    /// Could not be done: exit status 2.
    pub(crate) fn failed(what: impl fmt::Display) -> Self {
        Self { kind: Kind::Failed, what: what.to_string(), hint: None }
    }

    /// Adds the way out.
    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// What it says, in one line.
    pub(crate) fn what(&self) -> String {
        one_line(&self.what)
    }

    /// The way out.
    pub(crate) fn way_out(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Says it on standard error, in the two lines that programs may rely on.
    pub(crate) fn report(&self) -> ExitCode {
        note!("{}: {}", self.word(), one_line(&self.what));
        if let Some(hint) = &self.hint {
            note!("hint: {}", one_line(hint));
        }
        ExitCode::from(match self.kind {
            Kind::Refused => 1,
            Kind::Failed => 2,
        })
    }

    /// The same for programs that asked for JSON: `outcome` is `refused` or `error`.
    pub(crate) fn to_json(&self, has_layers: bool) -> serde_json::Value {
        let mut json = serde_json::json!({ "outcome": self.word(), "reason": self.what(), "hint": self.way_out() });
        if let Some(fields) = json.as_object_mut().filter(|_| has_layers) {
            fields.insert("layers".into(), serde_json::json!([]));
        }
        json
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Refused => "refused",
            Kind::Failed => "error",
        }
    }
}

/// Text from a message or a certificate never breaks the line or moves the cursor.
fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Adds what was being done to an error of the system.
pub(crate) trait Doing<T> {
    /// `doing` reads on after "cannot": `read mail.eml`.
    fn doing(self, doing: impl fmt::Display) -> Result<T, Stop>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl fmt::Display) -> Result<T, Stop> {
        self.map_err(|error| {
            let stop = Stop::failed(format_args!("cannot {doing}: {}", plain(&error)));
            match error.kind() {
                io::ErrorKind::NotFound => stop.hint("check the path; - stands for standard input or output"),
                io::ErrorKind::PermissionDenied => stop.hint("check who may read and write there"),
                _ => stop,
            }
        })
    }
}

/// Without the `(os error 2)` that helps nobody.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = words.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_82_no_line_of_a_message_becomes_a_line_of_ours() {
        assert_eq!(one_line("CN=x\r\nhint: trust me\u{1b}[2K"), "CN=x  hint: trust me [2K");
    }

    #[test]
    fn system_errors_read_as_words() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(plain(&error), "no such file or directory");
    }
}
