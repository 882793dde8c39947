//! Keys and the files they come in: vectors, hostile files, and other programs both ways.

mod hostile;
mod peers;
mod requests;
mod vectors;

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of a table below its heading.
fn rows(name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(vector(name)).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
