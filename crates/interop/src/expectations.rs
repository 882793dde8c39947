use crate::matrix::Direction;

/// What a peer cannot do, with a piece of its own words and the reason.
#[derive(Debug)]
pub(crate) struct Reason {
    peer: String,
    direction: Option<Direction>,
    table: String,
    row: String,
    column: String,
    pub(crate) says: String,
    pub(crate) because: String,
}

impl Reason {
    pub(crate) fn is_about(&self, peer: &str, direction: Direction, table: &str, row: &str, column: &str) -> bool {
        self.peer == peer
            && self.direction.is_none_or(|only| only == direction)
            && matches(&self.table, table)
            && matches(&self.row, row)
            && matches(&self.column, column)
    }

    /// As the table has it.
    pub(crate) fn describe(&self) -> String {
        let does = match self.direction {
            Some(Direction::TheyRead) => "reads",
            Some(Direction::TheyWrite) => "writes",
            None => "*",
        };
        format!("{}, {does}: {} / {} / {}", self.peer, self.table, self.row, self.column)
    }
}

/// Reads the table: peer, `reads`, `writes` or `*`, table, row, column, the peer's words, the reason; `*` in a name
/// stands for anything, `|` separates alternatives, in the words too.
pub(crate) fn parse(text: &str) -> Vec<Reason> {
    text.lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [peer, does, table, row, column, says, because] = columns[..] else {
                panic!("not seven columns: {line}");
            };
            let direction = match does {
                "reads" => Some(Direction::TheyRead),
                "writes" => Some(Direction::TheyWrite),
                "*" => None,
                _ => panic!("neither reads, writes nor *: {line}"),
            };
            let [peer, table, row, column, says, because] =
                [peer, table, row, column, says, because].map(str::to_owned);
            Reason { peer, direction, table, row, column, says, because }
        })
        .collect()
}

pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|one| glob(one, name))
}

fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_bars() {
        assert!(matches("ML-*", "ML-KEM-512"));
        assert!(matches("*GCM", "AES-256-GCM"));
        assert!(matches("RSA|*P-256*", "ECDH P-256, SHA-1 KDF"));
        assert!(!matches("RSA|P-256", "RSA-3072"));
        assert!(matches("*", ""));
    }
}
