//! The program: command line, configuration, wiring, serve, demo.
fn main() {}
