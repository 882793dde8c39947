use milter::{Command, Decoder, HeaderField, Response, header_changes};

pub(crate) fn commands(bytes: &[u8]) {
    // Packets are the same however they come, and none is larger than was said.
    let (whole, failed) = decode(bytes, bytes.len().max(1));
    for piece in [1, 7] {
        assert_eq!(decode(bytes, piece), (whole.clone(), failed));
    }
    for command in whole {
        if let Command::Body(piece) | Command::EndOfBody(piece) = command {
            assert!(piece.len() < LARGEST);
        }
    }
}

fn decode(bytes: &[u8], piece: usize) -> (Vec<Command>, bool) {
    let (mut decoder, mut commands) = (Decoder::new(LARGEST), Vec::new());
    for piece in bytes.chunks(piece) {
        decoder.feed(piece);
        loop {
            match decoder.next_command() {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => break,
                Err(_) => return (commands, true),
            }
        }
    }
    (commands, false)
}

const LARGEST: usize = 4_096;

pub(crate) fn changes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (old, new) = text.split_once("\n\n").unwrap_or((&text, ""));
    let (old, new) = (fields(old), fields(new));
    // What a mail server makes of the changes is the new header, whatever its order.
    let mut header = old.clone();
    for change in header_changes(&old, &new) {
        let _ = change.encode(&mut Vec::new());
        let field = |name: &str, value: Vec<u8>| HeaderField { name: name.to_owned(), value };
        match change {
            Response::ChangeHeader { index, name, value } => {
                let same = |field: &&mut HeaderField| field.name.eq_ignore_ascii_case(name);
                let place = header.iter_mut().filter(same).nth(usize::try_from(index).unwrap() - 1).unwrap();
                *place = field(name, value);
                header.retain(|field| field.name.is_empty() || !field.value.is_empty());
            }
            Response::AddHeader { name, value } => header.push(field(name, value)),
            Response::InsertHeader { name, value, .. } => header.insert(0, field(name, value)),
            other => panic!("{other:?} changes no header"),
        }
    }
    let sorted = |mut all: Vec<HeaderField>| {
        all.sort_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
        all
    };
    assert_eq!(sorted(header), sorted(new));
}

/// Fields with a name and a value: others a mail server has none of.
fn fields(text: &str) -> Vec<HeaderField> {
    let parts = text.lines().filter_map(|line| line.split_once(':'));
    let parts = parts.filter(|(name, value)| !name.is_empty() && !value.is_empty()).take(100);
    parts.map(|(name, value)| HeaderField { name: name.to_owned(), value: value.as_bytes().to_vec() }).collect()
}
