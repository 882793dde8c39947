//! One SQL text for two databases. A [`Row`] is read from left to right in the order of its SELECT.

mod readers;

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use asn1::Time;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow, Postgres};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Column, Row as _, Transaction, TypeInfo, ValueRef};

use self::readers::Readers;
use crate::{Error, statements as sql};

/// A value for a statement, or from a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

/// The values for `$1`, `$2`, …
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::database::Value::from($value)),*] };
}
pub(crate) use values;

/// One row, read column by column.
#[derive(Debug, Clone)]
pub(crate) struct Row(std::vec::IntoIter<Value>);

/// The pools.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// Many readers, one writer, as WAL has it.
    Sqlite {
        read: Readers,
        write: SqlitePool,
    },
    Postgres(PgPool),
}

/// A transaction that rolls back unless it is committed.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        if url.starts_with("sqlite:") {
            return Self::connect_sqlite(url).await;
        }
        if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            let because = "it begins neither with sqlite: nor with postgres:".into();
            return Err(Error::Malformed { what: "a database URL", because });
        }
        let options = PgConnectOptions::from_str(url)?.options([
            ("statement_timeout", "15s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(WAIT)
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(options);
        let database = Self::Postgres(pool);
        database.fetch("SELECT CAST(1 AS BIGINT)", vec![]).await?;
        Ok(database)
    }

    // CASES R-07: WAL with synchronous=FULL loses no commit. One writer in this process; others wait for the lock.
    async fn connect_sqlite(url: &str) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is erased is not to be found in the file either.
            .pragma("secure_delete", "ON")
            .busy_timeout(WAIT);
        // A transaction that fits in memory writes each page once. The pages are taken as they are needed.
        let writing = options.clone().pragma("cache_size", "-16384");
        create_privately(options.get_filename())?;
        // A file does not go away as a server does: it is not asked whether it is there before each transaction.
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAIT).idle_timeout(None);
        let write = pool.test_before_acquire(false).connect_with(writing).await?;
        Ok(Self::Sqlite { read: Readers::new(options), write })
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Reads rows outside a transaction.
    pub(crate) async fn fetch(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite { read, .. } => {
                in_time(read.fetch(bind_sqlite(sql, values))).await?.iter().map(Row::from_sqlite).collect()
            }
            Self::Postgres(pool) => {
                in_time(bind_postgres(sql, values).fetch_all(pool)).await?.iter().map(Row::from_postgres).collect()
            }
        }
    }

    /// Reads one row outside a transaction, if there is one.
    pub(crate) async fn fetch_one(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>, Error> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    /// A statement that is a transaction of its own.
    pub(crate) async fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, Error> {
        match self {
            Self::Sqlite { write, .. } => Ok(in_time(bind_sqlite(sql, values).execute(write)).await?.rows_affected()),
            Self::Postgres(pool) => Ok(in_time(bind_postgres(sql, values).execute(pool)).await?.rows_affected()),
        }
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        match self {
            Self::Sqlite { write, .. } => Ok(Tx::Sqlite(in_time(begin_sqlite(write)).await?)),
            Self::Postgres(pool) => Ok(Tx::Postgres(in_time(pool.begin()).await?)),
        }
    }

    /// Why a commit would not survive a power cut, as far as the database can tell.
    pub(crate) async fn durability(&self) -> Result<Option<String>, Error> {
        if let Self::Sqlite { write, .. } = self {
            let file = write.connect_options().get_filename().to_owned();
            return Ok(in_memory_file_system(&file).then(|| format!("{} is in memory, not on a disk", file.display())));
        }
        for (name, sql) in [
            ("fsync", sql::FSYNC),
            ("full_page_writes", sql::FULL_PAGE_WRITES),
            ("synchronous_commit", sql::SYNCHRONOUS_COMMIT),
        ] {
            let setting = match self.fetch_one(sql, vec![]).await? {
                Some(mut row) => row.text()?,
                None => return Err(Error::corrupt(format_args!("{name} has no value"))),
            };
            if setting == "off" {
                return Ok(Some(format!("the server is set to {name} = off")));
            }
        }
        Ok(None)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub(crate) async fn fetch(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(tx) => {
                in_time(bind_sqlite(sql, values).fetch_all(&mut **tx)).await?.iter().map(Row::from_sqlite).collect()
            }
            Self::Postgres(tx) => {
                in_time(bind_postgres(sql, values).fetch_all(&mut **tx)).await?.iter().map(Row::from_postgres).collect()
            }
        }
    }

    pub(crate) async fn fetch_one(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>, Error> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    pub(crate) async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Error> {
        match self {
            Self::Sqlite(tx) => Ok(in_time(bind_sqlite(sql, values).execute(&mut **tx)).await?.rows_affected()),
            Self::Postgres(tx) => Ok(in_time(bind_postgres(sql, values).execute(&mut **tx)).await?.rows_affected()),
        }
    }

    /// After an error here it is not known whether the transaction stands: ask for something that it wrote.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => in_time(tx.commit()).await,
            Self::Postgres(tx) => in_time(tx.commit()).await,
        }
    }
}

impl Row {
    /// Passes over columns.
    pub(crate) fn skip(mut self, columns: usize) -> Self {
        self.0.by_ref().take(columns).for_each(drop);
        self
    }

    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        self.optional_int()?.ok_or_else(|| Error::corrupt("a number is missing"))
    }

    pub(crate) fn optional_int(&mut self) -> Result<Option<i64>, Error> {
        match self.0.next() {
            Some(Value::Int(value)) => Ok(value),
            other => unexpected("number", other),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        self.optional_text()?.ok_or_else(|| Error::corrupt("a text is missing"))
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, Error> {
        match self.0.next() {
            Some(Value::Text(value)) => Ok(value),
            Some(Value::Int(None) | Value::Blob(None)) => Ok(None),
            other => unexpected("text", other),
        }
    }

    pub(crate) fn blob(&mut self) -> Result<Vec<u8>, Error> {
        self.optional_blob()?.ok_or_else(|| Error::corrupt("octets are missing"))
    }

    pub(crate) fn optional_blob(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.0.next() {
            Some(Value::Blob(value)) => Ok(value),
            Some(Value::Int(None) | Value::Text(None)) => Ok(None),
            other => unexpected("octets", other),
        }
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        self.int().map(|value| value != 0)
    }

    pub(crate) fn time(&mut self) -> Result<Time, Error> {
        self.int().map(Time::from_unix)
    }

    pub(crate) fn optional_time(&mut self) -> Result<Option<Time>, Error> {
        Ok(self.optional_int()?.map(Time::from_unix))
    }

    // SQLite types values, not columns.
    fn from_sqlite(row: &SqliteRow) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(row.len());
        for index in 0..row.len() {
            let raw = row.try_get_raw(index)?;
            let value = if raw.is_null() {
                Value::Int(None)
            } else {
                match raw.type_info().name() {
                    "INTEGER" => Value::Int(Some(row.try_get_unchecked(index)?)),
                    "TEXT" => Value::Text(Some(row.try_get_unchecked(index)?)),
                    "BLOB" => Value::Blob(Some(row.try_get_unchecked(index)?)),
                    other => return Err(Error::corrupt(format_args!("a column of type {other}"))),
                }
            };
            values.push(value);
        }
        Ok(Self(values.into_iter()))
    }

    fn from_postgres(row: &PgRow) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(row.len());
        for (index, column) in row.columns().iter().enumerate() {
            values.push(match column.type_info().name() {
                "INT8" => Value::Int(row.try_get(index)?),
                "TEXT" => Value::Text(row.try_get(index)?),
                "BYTEA" => Value::Blob(row.try_get(index)?),
                other => return Err(Error::corrupt(format_args!("a column of type {other}"))),
            });
        }
        Ok(Self(values.into_iter()))
    }
}

fn unexpected<T>(what: &str, found: Option<Value>) -> Result<Option<T>, Error> {
    // NULL has no type in SQLite.
    match found {
        Some(Value::Int(None) | Value::Text(None) | Value::Blob(None)) => Ok(None),
        _ => Err(Error::corrupt(format_args!("a column is no {what}"))),
    }
}

fn bind_sqlite(
    sql: &'static str,
    values: Vec<Value>,
) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    })
}

fn bind_postgres(
    sql: &'static str,
    values: Vec<Value>,
) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    })
}

// Deferred would fail at the first write when another process wrote since the first read.
async fn begin_sqlite(write: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match write.begin_with(BEGIN).await {
        // CASES: after a disk that is full or broken SQLite has rolled back by itself, and a connection that
        // was told to do so again for ever believes itself to be inside of that transaction.
        Err(sqlx::Error::InvalidSavePointStatement) => {
            write.acquire().await?.close().await?;
            write.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

// A server that has gone silent must not hold a mail longer than its client waits (CASES R-06).
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(LONGEST, work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Unavailable { because: "it does not answer".into() }),
    }
}

// The database holds people's addresses and sealed keys.
fn create_privately(file: &std::path::Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop).map_err(|error| Error::Unavailable { because: error.to_string() })
}

/// Whether the file lies on a tmpfs or ramfs, by the longest mount point that leads to it.
fn in_memory_file_system(file: &std::path::Path) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let kinds = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        file.starts_with(point).then_some((point.len(), kind))
    });
    kinds.max_by_key(|(length, _)| *length).is_some_and(|(_, kind)| matches!(kind, "tmpfs" | "ramfs"))
}

const WAIT: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(20);

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some(value.into()))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(Into::into))
            }
        }
    )*};
}

from! { i64 => Int, u32 => Int, bool => Int, &str => Text, String => Text, &[u8] => Blob, Vec<u8> => Blob }

impl From<Time> for Value {
    fn from(value: Time) -> Self {
        Self::Int(Some(value.to_unix()))
    }
}

impl From<Option<Time>> for Value {
    fn from(value: Option<Time>) -> Self {
        Self::Int(value.map(Time::to_unix))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Executor as _, SqlSafeStr as _};

    use super::*;
    use crate::statements::ALL;

    #[tokio::test]
    async fn every_statement_is_understood_by_both_databases() {
        let server = testkit::Postgres::start();
        let folder = tempfile::tempdir().unwrap();
        for url in [server.url(), format!("sqlite:{}", folder.path().join("all.db").display())] {
            let database = Database::connect(&url).await.unwrap();
            crate::schema::migrate(&database, testkit::now()).await.unwrap();
            crate::schema::migrate(&database, testkit::now()).await.unwrap();
            for (name, statement) in ALL {
                let prepared = match &database {
                    Database::Sqlite { write, .. } if *name != "LEASE_OUTBOX_POSTGRES" => {
                        write.prepare(statement.into_sql_str()).await.map(drop)
                    }
                    Database::Sqlite { .. } => Ok(()),
                    Database::Postgres(pool) => pool.prepare(statement.into_sql_str()).await.map(drop),
                };
                assert!(prepared.is_ok(), "{name} on {url}: {prepared:?}");
            }
            database.close().await;
        }
    }
}
