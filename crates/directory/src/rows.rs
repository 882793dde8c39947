//! Rows that one change adds to several tables, written many at a time: a statement for each row of each table costs more
//! than all the cryptography of taking a certificate in.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::database::{Tx, Value};
use crate::{Address, Error, statements as sql};

/// Where a row goes. In this order every row finds the rows that it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Certificates,
    Requests,
    Tokens,
    Outbox,
    Audit,
    AuditDetails,
}

impl Table {
    const ALL: [Self; 6] =
        [Self::Certificates, Self::Requests, Self::Tokens, Self::Outbox, Self::Audit, Self::AuditDetails];

    fn statement(self) -> &'static str {
        match self {
            Self::Certificates => sql::ADD_CERTIFICATE,
            Self::Requests => sql::ADD_REQUEST,
            Self::Tokens => sql::ADD_TOKEN,
            Self::Outbox => sql::ADD_OUTBOX,
            Self::Audit => sql::ADD_AUDIT,
            Self::AuditDetails => sql::ADD_AUDIT_DETAIL,
        }
    }
}

/// Rows that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<(Table, Vec<Value>)>,
    mailboxes: HashSet<String>,
}

impl Rows {
    pub(crate) fn add(&mut self, table: Table, row: Vec<Value>) {
        self.rows.push((table, row));
    }

    /// Notes that some of them are about a mailbox.
    pub(crate) fn note(&mut self, address: &Address) {
        self.mailboxes.insert(address.key().to_owned());
    }

    pub(crate) fn are_about(&self, address: &Address) -> bool {
        self.mailboxes.contains(address.key())
    }

    /// Whether there are as many as are kept in memory.
    pub(crate) fn are_enough(&self) -> bool {
        self.rows.len() >= 4096
    }

    /// Writes all of them.
    pub(crate) async fn write(&mut self, tx: &mut Tx) -> Result<(), Error> {
        self.mailboxes.clear();
        let mut rows = std::mem::take(&mut self.rows);
        for (table, many) in Table::ALL.into_iter().zip(MANY.iter()) {
            let of_table: Vec<Vec<Value>> = rows.extract_if(.., |(of, _)| *of == table).map(|(_, row)| row).collect();
            let (full, rest) = of_table.split_at(of_table.len() - of_table.len() % TOGETHER);
            for block in full.chunks(TOGETHER) {
                write(tx, table, many, block.concat(), TOGETHER).await?;
            }
            for row in rest {
                write(tx, table, table.statement(), row.clone(), 1).await?;
            }
        }
        Ok(())
    }
}

/// Writes one row at once.
pub(crate) async fn write_one(tx: &mut Tx, table: Table, row: Vec<Value>) -> Result<(), Error> {
    write(tx, table, table.statement(), row, 1).await
}

async fn write(
    tx: &mut Tx,
    table: Table,
    statement: &'static str,
    values: Vec<Value>,
    rows: usize,
) -> Result<(), Error> {
    let written = tx.execute(statement, values).await?;
    // A certificate may be there already.
    if table != Table::Certificates && usize::try_from(written) != Ok(rows) {
        return Err(Error::corrupt(format_args!("of {rows} rows {written} were written")));
    }
    Ok(())
}

/// Rows in one statement: of the widest table they are some hundred values, far below what either database takes.
const TOGETHER: usize = 16;

static MANY: LazyLock<[String; 6]> = LazyLock::new(|| Table::ALL.map(|table| repeated(table.statement(), TOGETHER)));

/// The statement for so many rows, out of the one for one row: its list of values is repeated, with the numbers going on.
fn repeated(statement: &str, rows: usize) -> String {
    const VALUES: &str = "VALUES (";
    let Some((before, list, behind)) = statement.split_once(VALUES).and_then(|(before, rest)| {
        let (list, behind) = rest.split_once(')')?;
        Some((before, list, behind))
    }) else {
        return statement.to_owned();
    };
    let items: Vec<&str> = list.split(',').map(str::trim).collect();
    let number = |item: &str| item.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
    let width = items.iter().filter_map(|item| number(item)).max().unwrap_or(0);
    let row = |row: usize| {
        let items = items.iter().map(|item| match number(item) {
            Some(number) => format!("${}", number + row * width),
            None => (*item).to_owned(),
        });
        format!("({})", items.collect::<Vec<_>>().join(", "))
    };
    format!("{before}VALUES {}{behind}", (0..rows).map(row).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Database, values};

    #[test]
    fn numbers_go_on_from_row_to_row() {
        let one = "INSERT INTO t (a, b, c, d) VALUES ($1, $2, $2, 'x') ON CONFLICT DO NOTHING";
        let two = "INSERT INTO t (a, b, c, d) VALUES ($1, $2, $2, 'x'), ($3, $4, $4, 'x') ON CONFLICT DO NOTHING";
        assert_eq!(repeated(one, 2), two);
        assert_eq!(repeated(one, 1), one);
    }

    #[tokio::test]
    async fn rows_arrive_however_many_there_are_on_both_databases() {
        let server = testkit::Postgres::start();
        let folder = tempfile::tempdir().unwrap();
        for url in [server.url(), format!("sqlite:{}", folder.path().join("rows.db").display())] {
            let database = Database::connect(&url).await.unwrap();
            crate::schema::migrate(&database, testkit::now()).await.unwrap();
            for (count, before) in
                [(0, 0), (1, 0), (TOGETHER - 1, 1), (TOGETHER, TOGETHER), (3 * TOGETHER + 2, 2 * TOGETHER)]
            {
                let mut tx = database.begin().await.unwrap();
                let mut rows = Rows::default();
                for number in before..before + count {
                    let id = i64::try_from(number).unwrap();
                    let name = format!("{number:064x}");
                    rows.add(
                        Table::AuditDetails,
                        values![id, "salt", "actor", "subject", None::<&str>, None::<&str>, "why"],
                    );
                    rows.add(Table::Audit, values![id, id, "action", "digest", name.as_str()]);
                    rows.add(
                        Table::Outbox,
                        values![
                            id,
                            None::<&str>,
                            "reply",
                            None::<&str>,
                            "a@b.example",
                            "a@b.example",
                            &b"x"[..],
                            id,
                            id
                        ],
                    );
                    rows.add(Table::Tokens, values![name.as_str(), "purpose", id, "a@b.example", id, id]);
                    rows.add(
                        Table::Requests,
                        values![
                            id,
                            "a@b.example",
                            "a@b.example",
                            name.as_str(),
                            &b""[..],
                            "refused",
                            None::<&str>,
                            None::<&str>,
                            "api",
                            "system",
                            "de",
                            id,
                            id,
                            id,
                            id,
                            None::<i64>,
                            false,
                            None::<&str>
                        ],
                    );
                    rows.add(Table::Certificates, values![name, &b"der"[..], id, id]);
                }
                rows.write(&mut tx).await.unwrap();
                tx.commit().await.unwrap();
            }
            let expected = i64::try_from(5 * TOGETHER + 2).unwrap();
            for statement in [
                "SELECT COUNT(*) FROM audit a JOIN audit_details d ON d.sequence = a.sequence",
                "SELECT COUNT(*) FROM requests r JOIN certificates c ON c.fingerprint = r.fingerprint",
                "SELECT COUNT(*) FROM tokens",
                "SELECT COUNT(*) FROM outbox",
            ] {
                let found = database.fetch_one(statement, vec![]).await.unwrap().unwrap().int().unwrap();
                assert_eq!(found, expected, "{statement} on {url}");
            }
            // What is there already is no row that was written.
            let mut tx = database.begin().await.unwrap();
            let again =
                values![0i64, None::<&str>, "reply", None::<&str>, "a@b.example", "a@b.example", &b"x"[..], 0i64, 0i64];
            assert!(matches!(write_one(&mut tx, Table::Outbox, again).await, Err(Error::Corrupt { .. })));
            drop(tx);
            database.close().await;
        }
    }
}
