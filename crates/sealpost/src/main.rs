//! The program: command line, configuration, wiring, serve, demo.
//!
//! Exit status: 0 done and accepted, 1 understood and refused, 2 could not.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks")]

use std::process::ExitCode;

mod acme;
mod cli;
mod commands;
mod config;
mod demo;
mod files;
mod house;
mod look_up;
mod outcome;
mod serve;

fn main() -> ExitCode {
    let cli = match cli::parse(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // `--help` and `--version` are answers, everything else could not be done.
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}
