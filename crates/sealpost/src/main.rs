//! The program: command line, configuration, wiring, serve, demo.
//!
//! Exit status: 0 done and accepted, 1 understood and refused, 2 could not.

use std::ffi::OsString;
use std::process::ExitCode;

#[macro_use]
mod outcome;

mod acme;
mod cli;
mod commands;
mod config;
mod demo;
mod files;
mod house;
mod look_up;
mod serve;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let done = match cli::parse(&arguments) {
        Ok(cli) => {
            let (has_layers, says_content) = (cli.command.has_layers(), cli.command.says_content());
            commands::run(cli.command).map_err(|stop| (stop, has_layers, says_content))
        }
        // `--help` and `--version` are answers, everything else could not be done.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            Ok(())
        }
        Err(error) => Err((cli::misused(&error), false, false)),
    };
    match done {
        Ok(()) => outcome::end().map_or_else(|stop| stop.report(), |()| ExitCode::SUCCESS),
        Err((stop, has_layers, says_content)) => {
            // Programs get an object whatever the exit status is, where they look for it.
            if arguments.iter().any(|argument| argument == "--json") && !outcome::has_said() {
                outcome::tell(&stop.to_json(has_layers).to_string(), says_content);
                let _ = outcome::end();
            }
            stop.report()
        }
    }
}
