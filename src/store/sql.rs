//! The one place that knows there are two databases: each macro writes the statement once and runs it on either.

/// Runs a statement; gives the number of rows that it touched.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {{
        let tx: &mut crate::store::Tx<'_> = $tx;
        tx.count();
        let done = match &mut tx.backend {
            crate::store::Backend::Sqlite(on) => sqlx::query::<sqlx::Sqlite>($sql)
                $(.bind($value))*.execute(&mut **on).await.map(|done| done.rows_affected()),
            crate::store::Backend::Postgres(on) => sqlx::query::<sqlx::Postgres>($sql)
                $(.bind($value))*.execute(&mut **on).await.map(|done| done.rows_affected()),
        };
        done.map_err(|error| tx.fault(error))
    }};
}

macro_rules! fetch {
    ($how:ident, $tx:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {{
        let tx: &mut crate::store::Tx<'_> = $tx;
        tx.count();
        let found = match &mut tx.backend {
            crate::store::Backend::Sqlite(on) => sqlx::query_as::<sqlx::Sqlite, $row>($sql)
                $(.bind($value))*.$how(&mut **on).await,
            crate::store::Backend::Postgres(on) => sqlx::query_as::<sqlx::Postgres, $row>($sql)
                $(.bind($value))*.$how(&mut **on).await,
        };
        found.map_err(|error| tx.fault(error))
    }};
}

/// The one row, as a tuple.
macro_rules! fetch_one {
    ($($all:tt)*) => { crate::store::sql::fetch!(fetch_one, $($all)*) };
}

/// The row, if there is one.
macro_rules! fetch_optional {
    ($($all:tt)*) => { crate::store::sql::fetch!(fetch_optional, $($all)*) };
}

/// All rows.
macro_rules! fetch_all {
    ($($all:tt)*) => { crate::store::sql::fetch!(fetch_all, $($all)*) };
}

/// Inserts many rows by one statement: `|bound, row| { bound.push_bind(…); … }` binds the columns of one row. Gives the
/// number of rows. SQLite takes 32 766 values in a statement.
macro_rules! insert_many {
    ($tx:expr, $into:expr, $rows:expr, |$bound:ident, $row:pat_param| $bind:block) => {{
        let tx: &mut crate::store::Tx<'_> = $tx;
        tx.count();
        let done = match &mut tx.backend {
            crate::store::Backend::Sqlite(on) => {
                let mut statement = sqlx::QueryBuilder::<sqlx::Sqlite>::new($into);
                statement.push_values($rows, |mut $bound, $row| $bind);
                statement.build().execute(&mut **on).await.map(|done| done.rows_affected())
            }
            crate::store::Backend::Postgres(on) => {
                let mut statement = sqlx::QueryBuilder::<sqlx::Postgres>::new($into);
                statement.push_values($rows, |mut $bound, $row| $bind);
                statement.build().execute(&mut **on).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(|error| tx.fault(error))
    }};
}

/// A statement with a list of rows in its middle (`VALUES (…), (…)`): `|bound, row| { … }` binds one. Gives what it returns, as tuples.
macro_rules! fetch_listed {
    ($tx:expr, $returned:ty, $before:expr, $rows:expr, |$bound:ident, $row:pat_param| $bind:block, $behind:expr) => {{
        let tx: &mut crate::store::Tx<'_> = $tx;
        tx.count();
        let found = match &mut tx.backend {
            crate::store::Backend::Sqlite(on) => {
                let mut statement = sqlx::QueryBuilder::<sqlx::Sqlite>::new($before);
                statement.push_values($rows, |mut $bound, $row| $bind).push($behind);
                statement.build_query_as::<$returned>().fetch_all(&mut **on).await
            }
            crate::store::Backend::Postgres(on) => {
                let mut statement = sqlx::QueryBuilder::<sqlx::Postgres>::new($before);
                statement.push_values($rows, |mut $bound, $row| $bind).push($behind);
                statement.build_query_as::<$returned>().fetch_all(&mut **on).await
            }
        };
        found.map_err(|error| tx.fault(error))
    }};
}

pub(in crate::store) use {execute, fetch, fetch_all, fetch_listed, fetch_one, fetch_optional, insert_many};
