//! A schema of a PostgreSQL database that is made for a while, and goes with everything in it.

use std::str::FromStr as _;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::store::Error;

/// Makes the schema `yinxin_bench`; gives a URL whose tables stand in it.
///
/// # Errors
/// [`Error::UnknownDatabase`] for another kind of URL; the database's, also when the schema is there already.
pub async fn make(url: &str) -> Result<String, Error> {
    if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
        return Err(Error::UnknownDatabase);
    }
    let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(url)?).await?;
    sqlx::query("CREATE SCHEMA yinxin_bench").execute(&mut connection).await?;
    connection.close().await?;
    let more = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{more}options=-c%20search_path%3Dyinxin_bench"))
}

/// Drops what [`make`] made.
///
/// # Errors
/// The database's.
pub async fn drop_all(url: &str) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(url)?).await?;
    sqlx::query("DROP SCHEMA yinxin_bench CASCADE").execute(&mut connection).await?;
    Ok(connection.close().await?)
}
