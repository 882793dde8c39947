use crate::Response;

/// A header field as it travels: lines of a folded value end with LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderField {
    /// Its name; empty for a line that is no field and is left alone.
    pub name: String,
    /// What stands behind the colon.
    pub value: Vec<u8>,
}

impl HeaderField {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What a server has to be asked so that the header `old` becomes `new`.
///
/// What is in both stays where it is; what stands in `new` before all of that is put on top, where trace fields go. A
/// field that is left over is changed into another of its name where there is one, else it goes, and what is new comes
/// to the end. Fields of a name are taken out from the last to the first: whether a server counts those that are gone
/// makes no difference then.
pub fn header_changes<'a>(old: &'a [HeaderField], new: &'a [HeaderField]) -> Vec<Response<'a>> {
    let mut places: Vec<Option<usize>> = vec![None; new.len()];
    let mut from = 0;
    let mut kept = vec![false; old.len()];
    for (field, place) in new.iter().zip(&mut places) {
        let rest = old.iter().enumerate().skip(from);
        if let Some((at, _)) = rest.into_iter().find(|(_, other)| *other == field) {
            *place = Some(at);
            from = at + 1;
            if let Some(kept) = kept.get_mut(at) {
                *kept = true;
            }
        }
    }
    let top = places.iter().position(Option::is_some).unwrap_or(0);
    let mut left: Vec<usize> = (0..old.len()).filter(|&at| kept.get(at) == Some(&false)).collect();
    let index = |at: usize| {
        let name = old.get(at).map(|field| field.name.as_str()).unwrap_or_default();
        let before = old.iter().take(at + 1).filter(|field| field.is(name)).count();
        u32::try_from(before).unwrap_or(u32::MAX)
    };
    let (mut changed, mut added) = (Vec::new(), Vec::new());
    for (field, _) in new.iter().zip(&places).skip(top).filter(|(_, place)| place.is_none()) {
        let (name, value) = (field.name.as_str(), field.value.clone());
        let same_name = left.iter().position(|&at| old.get(at).is_some_and(|other| other.is(name)));
        match same_name {
            // An empty value would take it out.
            Some(place) if !value.is_empty() => {
                let index = index(left.remove(place));
                changed.push(Response::ChangeHeader { index, name, value });
            }
            _ => added.push(Response::AddHeader { name, value }),
        }
    }
    let gone = left.iter().rev().filter_map(|&at| {
        let name = old.get(at).map(|field| field.name.as_str()).filter(|name| !name.is_empty())?;
        Some(Response::ChangeHeader { index: index(at), name, value: Vec::new() })
    });
    let on_top = new.iter().take(top).rev().map(|field| Response::InsertHeader {
        index: 0,
        name: &field.name,
        value: field.value.clone(),
    });
    changed.into_iter().chain(gone).chain(added).chain(on_top).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<HeaderField> {
        let one = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            HeaderField { name: name.to_owned(), value: value.as_bytes().to_vec() }
        };
        text.split_terminator('|').map(one).collect()
    }

    /// What Postfix does: it counts what is there.
    fn applied(old: &[HeaderField], changes: &[Response<'_>]) -> Vec<HeaderField> {
        let mut header = old.to_vec();
        for change in changes {
            match change {
                Response::ChangeHeader { index, name, value } => {
                    let which = usize::try_from(*index).unwrap() - 1;
                    let (at, _) = header.iter().enumerate().filter(|(_, field)| field.is(name)).nth(which).unwrap();
                    match value.is_empty() {
                        true => drop(header.remove(at)),
                        false => header[at] = HeaderField { name: (*name).to_owned(), value: value.clone() },
                    }
                }
                Response::AddHeader { name, value } => {
                    header.push(HeaderField { name: (*name).to_owned(), value: value.clone() });
                }
                Response::InsertHeader { index: 0, name, value } => {
                    header.insert(0, HeaderField { name: (*name).to_owned(), value: value.clone() });
                }
                other => panic!("{other:?}"),
            }
        }
        header
    }

    #[test]
    fn a_header_becomes_the_other() {
        for (old, new) in [
            ("A: 1|B: 2|", "A: 1|B: 2|"),
            ("A: 1|B: 2|", "A: 1|"),
            ("A: 1|", "Z: 0|Y: 0|A: 1|B: 2|C: 3|"),
            ("From: a|Subject: x|Content-Type: t|To: b|", "From: a|Subject: y|To: b|Content-Type: s|"),
            ("R: f|F: a|R: g|R: h|S: s|", "R: ours|F: a|S: [signed] s|"),
            ("X: 1|X: 2|X: 3|X: 4|", "X: 2|X: 5|"),
            ("A: 1|", ""),
            ("", "A: 1|B: 1|"),
            ("X: 1|a: 1|x: 2|", "A: 1|"),
            ("A: 1|B: 1|", "B: 1|A: 1|"),
        ] {
            let (old, new) = (fields(old), fields(new));
            let changes = header_changes(&old, &new);
            let mut got = applied(&old, &changes);
            let mut wanted = new.clone();
            if old.first() == Some(&fields("R: f|")[0]) {
                assert_eq!(got[0], new[0], "what is new on top is on top");
            }
            // A changed field stays where it was; otherwise the order is the same.
            let key = |field: &HeaderField| (field.name.to_ascii_lowercase(), field.value.clone());
            got.sort_by_key(key);
            wanted.sort_by_key(key);
            let lower = |all: Vec<HeaderField>| all.iter().map(key).collect::<Vec<_>>();
            assert_eq!(lower(got), lower(wanted));
        }
    }
}
