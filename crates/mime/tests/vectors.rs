//! Messages of other MIME parsers' tests, with the structure that those found (CASES T-55).

use std::fs;
use std::path::{Path, PathBuf};

use mime::{Entity, Limits};

fn files(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/mime").join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

/// `(` and `)` around a multipart's parts, `[` and `]` around a message inside, `.` for anything else.
fn theirs(xml: &str) -> String {
    let mut shape = String::new();
    for line in xml.lines() {
        match line.trim() {
            "<multipart>" => shape.push('('),
            "</multipart>" => shape.push(')'),
            "<message>" => shape.push('['),
            "</message>" => shape.push(']'),
            line if line.starts_with("<text-body") || line.starts_with("<binary-body") => shape.push('.'),
            _ => {}
        }
    }
    shape
}

fn ours(entity: &Entity) -> String {
    let essence = entity.essence();
    if essence.starts_with("multipart/") {
        return format!("({})", entity.parts().iter().map(ours).collect::<String>());
    }
    if essence == "message/rfc822" {
        let inner = Entity::parse(&entity.decoded_body(), &Limits::default());
        return format!("[{}]", inner.map_or_else(|error| error.to_string(), |inner| ours(&inner)));
    }
    ".".into()
}

#[test]
#[allow(clippy::print_stdout, reason = "the line that `cargo xtask vectors` collects")]
fn t_55_vectors_of_mime4j_and_mime_tools() {
    let (mut passed, mut listed, mut failed) = (0, 0, Vec::new());
    for path in files("mime4j-testmsgs", ".msg").into_iter().chain(files("mime-tools", ".msg")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let message = fs::read(&path).unwrap();
        let expected = String::from_utf8_lossy(&fs::read(path.with_file_name(format!("{name}_decoded.xml"))).unwrap())
            .into_owned();
        let found = Entity::parse(&message, &Limits::default())
            .map_or_else(|error| error.to_string(), |entity| format!("[{}]", ours(&entity)));
        let (expected, reason) = (theirs(&expected), DIVERGENCES.iter().find(|(listed, _)| *listed == name));
        match (found == expected, reason) {
            (true, None) => passed += 1,
            (false, Some(_)) => listed += 1,
            (true, Some((_, reason))) => failed.push(format!("{name}: listed ({reason}), but it passes")),
            (false, None) => failed.push(format!("{name}: {found}, not {expected}")),
        }
    }
    println!("vectors: mime4j and MIME-tools: {passed} passed, {} failed, {listed} listed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Where we read another structure, and why.
const DIVERGENCES: [(&str, &str); 6] = [
    (
        "ending-boundaries",
        "text behind a boundary on its line makes it no delimiter: what is signed must not be a guess",
    ),
    ("multi-bad", "two Content-Type fields: ambiguous (CASES T-54)"),
    ("multi-digest", "the default type of a digest's parts is not applied (RFC 2046 §5.1.5)"),
    ("multipartdigestnestedemptyparts", "the default type of a digest's parts is not applied (RFC 2046 §5.1.5)"),
    ("very-long-boundary", "a boundary has at most 70 octets (RFC 2046 §5.1.1), 200 are read"),
    ("very-very-long-boundary", "a boundary has at most 70 octets (RFC 2046 §5.1.1), 200 are read"),
];

#[test]
#[allow(clippy::print_stdout, reason = "the line that `cargo xtask vectors` collects")]
fn t_55_vectors_of_python() {
    let mut passed = 0;
    for path in files("python-email", ".txt") {
        let message = fs::read(&path).unwrap();
        let entity = Entity::parse(&message, &Limits::default()).unwrap();
        // Byte for byte: header, empty line and body are the message (CASES S-08).
        assert!(message.ends_with(entity.body()), "{}", path.display());
        assert!(message.starts_with(entity.header_bytes()), "{}", path.display());
        assert_eq!(entity.header_bytes().len() + entity.body().len(), message.len(), "{}", path.display());
        passed += 1;
    }
    println!("vectors: python-email: {passed} passed, 0 failed, 0 listed");
}
