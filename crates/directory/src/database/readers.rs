use std::sync::{Arc, Mutex, PoisonError};

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Error};
use tokio::sync::Semaphore;

/// Connections that only read. A pool of sqlx asks each connection before and after every statement whether it is
/// there, by way of the connection's thread: that is three turns for one, and a mail takes several statements.
#[derive(Debug, Clone)]
pub(crate) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SqliteConnectOptions,
    places: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self(Arc::new(Inner { options, places: Semaphore::new(MOST), idle: Mutex::default() }))
    }

    /// Reads rows. A connection whose statement failed, or was not waited for, is not used again.
    pub(super) async fn fetch(&self, query: Query<'static, Sqlite, SqliteArguments>) -> Result<Vec<SqliteRow>, Error> {
        let Inner { options, places, idle } = &*self.0;
        let _place = places.acquire().await.map_err(|_| Error::PoolClosed)?;
        let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match waiting {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(options).await?,
        };
        let rows = query.fetch_all(&mut connection).await?;
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(rows)
    }

    /// Lets what has begun end; nothing is read any more.
    pub(super) async fn close(&self) {
        let all = self.0.places.acquire_many(u32::try_from(MOST).unwrap_or(u32::MAX)).await;
        self.0.places.close();
        let idle = std::mem::take(&mut *self.0.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a connection to the database did not close");
            }
        }
        drop(all);
    }
}

/// Connections at the same time.
const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use sqlx::{AssertSqlSafe, query};

    use super::*;

    #[tokio::test]
    async fn what_failed_or_was_not_waited_for_leaves_the_others_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("x.db").display());
        let readers = Readers::new(SqliteConnectOptions::from_str(&url).unwrap().create_if_missing(true));
        let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100) SELECT x FROM n";
        for _ in 0..3 {
            assert_eq!(readers.fetch(query(many)).await.unwrap().len(), 100);
        }
        assert_eq!(readers.0.idle.lock().unwrap().len(), 1);
        readers.fetch(query("SELECT nothing")).await.unwrap_err();
        assert!(readers.0.idle.lock().unwrap().is_empty());
        // Begun, and dropped.
        let mut begun = Box::pin(readers.fetch(query(many)));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(begun.as_mut().poll(context))).await.is_pending()
        );
        drop(begun);
        let all = (0..20).map(|number| {
            let readers = readers.clone();
            let sql = format!("SELECT {number}");
            tokio::spawn(async move { readers.fetch(query(AssertSqlSafe(sql))).await.unwrap().len() })
        });
        for one in all.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), 1);
        }
        assert!(readers.0.idle.lock().unwrap().len() <= MOST);
        readers.close().await;
        assert!(matches!(readers.fetch(query(many)).await, Err(Error::PoolClosed)));
    }
}
