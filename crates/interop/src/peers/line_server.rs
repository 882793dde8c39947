use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A peer's library behind a small program that reads one command a line and answers with one.
#[derive(Debug)]
pub(crate) struct LineServer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl LineServer {
    pub(crate) fn start(program: &str, arguments: &[&str], folder: PathBuf) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("{program}: no pipes");
        };
        Self { child, input: Some(input), output: BufReader::new(output), folder }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Sends a command with its arguments.
    pub(crate) fn ask(&mut self, command: &str, arguments: &[(&str, &str)]) -> Result<String, String> {
        let mut line = command.to_owned();
        for (name, value) in arguments {
            line.push_str(&format!("\t{name}={value}"));
        }
        let Some(input) = &mut self.input else { panic!("the peer's input is closed") };
        let sent = writeln!(input, "{line}").and_then(|()| input.flush());
        let mut answer = String::new();
        let read = sent.and_then(|()| self.output.read_line(&mut answer));
        if read.is_err() || answer.is_empty() {
            panic!("the peer ended at {line}");
        }
        match answer.trim_end_matches('\n').split_once('\t') {
            Some(("ok", value)) => Ok(value.to_owned()),
            Some((_, words)) => Err(words.to_owned()),
            None => panic!("the peer answered {answer} to {line}"),
        }
    }
}

impl Drop for LineServer {
    fn drop(&mut self) {
        // The end of its input is the end of the program.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
