use std::fmt;
use std::io;
use std::process::ExitCode;

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
        let (word, status) = match self.kind {
            Kind::Refused => ("refused", 1),
            Kind::Failed => ("error", 2),
        };
        eprintln!("{word}: {}", one_line(&self.what));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", one_line(hint));
        }
        ExitCode::from(status)
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
