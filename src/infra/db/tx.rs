//! Transactions as stores see them: a reader that cannot write, and a writer that can also read.

use super::DbError;
use rusqlite::{Connection, Params, Row};
use std::ops::Deref;

/// A snapshot to read from.
pub struct ReadTx<'c> {
    connection: &'c Connection,
}

impl<'c> ReadTx<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// The only row of a query, or none.
    pub fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, DbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        match rows.next()? {
            Some(row) => Ok(Some(map(row)?)),
            None => Ok(None),
        }
    }

    /// The first column of a query that always has a row.
    pub fn value<T: rusqlite::types::FromSql>(&self, sql: &str, params: impl Params) -> Result<T, DbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params, |row| row.get(0))?)
    }

    /// All rows of a query. The caller's SQL bounds their number.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, DbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, map)?;
        rows.collect::<Result<Vec<T>, _>>().map_err(DbError::from)
    }

    /// Calls `each` for every row, for what must not be held in memory whole.
    pub fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut each: impl FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }

    /// Whether a query has a row.
    pub fn exists(&self, sql: &str, params: impl Params) -> Result<bool, DbError> {
        Ok(self.connection.prepare_cached(sql)?.exists(params)?)
    }
}

/// A transaction of the writer. Reads see its own writes.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
}

impl<'c> WriteTx<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { read: ReadTx::new(connection) }
    }

    /// Runs one statement and gives the number of rows it changed.
    pub fn run(&self, sql: &str, params: impl Params) -> Result<usize, DbError> {
        Ok(self.read.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Inserts one row and gives its rowid.
    pub fn insert(&self, sql: &str, params: impl Params) -> Result<i64, DbError> {
        Ok(self.read.connection.prepare_cached(sql)?.insert(params)?)
    }

    /// Whether the transaction is gone: SQLite rolls all of it back on some errors (D7).
    pub(super) fn is_lost(&self) -> bool {
        self.read.connection.is_autocommit()
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;
    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}
