//! Stores events in a database. SQLite and PostgreSQL accept the same queries.

use crate::event::Event;
use crate::unavailable::{Unavailable, with_timeout};
use asdlc_exporter::health::{Check, CheckError};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, Executor};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

#[derive(Clone)]
pub(crate) struct Database {
    pool: AnyPool,
    location: Location,
    /// Set once the table exists.
    created: Arc<OnceCell<()>>,
}

#[derive(Clone)]
enum Location {
    /// SQLite.
    File(PathBuf),
    /// PostgreSQL.
    Server(String),
}

impl Database {
    /// Opens an SQLite file immediately. Connects to PostgreSQL at the first query, because
    /// PostgreSQL may be down when this program starts. Readiness reports that.
    pub(crate) async fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        sqlx::any::install_default_drivers();
        if url.starts_with("sqlite:") {
            return Self::sqlite(url)
                .await
                .map_err(|error| format!("DATABASE_URL: {error}").into());
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Self::postgres(url).map_err(|error| format!("DATABASE_URL: {error}").into());
        }
        // The value is not repeated, because it may contain a password.
        Err("invalid DATABASE_URL: must be sqlite:FILE?mode=rwc or postgres://USER:PASSWORD@HOST/DATABASE"
            .into())
    }

    async fn sqlite(url: &str) -> Result<Self, Box<dyn Error>> {
        let file = url.parse::<SqliteConnectOptions>()?.get_filename().to_owned();
        if url.contains(":memory:") {
            return Err("invalid SQLite database \":memory:\": must be a file".into());
        }
        // SQLite writes one transaction at a time, and each is short. So one connection is enough, open until the program ends.
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(url.parse::<AnyConnectOptions>()?);
        pool.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            .await
            .map_err(|error| format!("cannot open {}: {error}", file.display()))?;
        Ok(Self { pool, location: Location::File(file), created: Arc::default() })
    }

    fn postgres(url: &str) -> Result<Self, Box<dyn Error>> {
        let options: PgConnectOptions = url.parse()?;
        let location = Location::Server(format!("{}:{}", options.get_host(), options.get_port()));
        let pool = AnyPoolOptions::new()
            .max_connections(10)
            .connect_lazy_with(url.parse::<AnyConnectOptions>()?);
        Ok(Self { pool, location, created: Arc::default() })
    }

    /// The SQLite file, if it is SQLite.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.location {
            Location::File(file) => Some(file),
            Location::Server(_) => None,
        }
    }

    /// The connections.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Inserts the event. Returns `false` if an event with this id exists.
    pub(crate) async fn insert(&self, event: &Event) -> Result<bool, Unavailable> {
        let Event { id, source, kind, data, received_ms } = event;
        with_timeout(NAME, async {
            let inserted = sqlx::query(
                "INSERT INTO events (id, source, type, data, received_ms) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(id)
            .bind(source)
            .bind(kind)
            .bind(data.to_string())
            .bind(received_ms)
            .execute(self.ready().await?)
            .await?;
            Ok::<_, sqlx::Error>(inserted.rows_affected() == 1)
        })
        .await
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Event>, Unavailable> {
        with_timeout(NAME, async {
            let row: Option<Row> = sqlx::query_as(
                "SELECT id, source, type, data, received_ms FROM events WHERE id = $1",
            )
            .bind(id)
            .fetch_optional(self.ready().await?)
            .await?;
            row.map(event).transpose()
        })
        .await
    }

    pub(crate) async fn newest(&self, limit: u16) -> Result<Vec<Event>, Unavailable> {
        with_timeout(NAME, async {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT id, source, type, data, received_ms FROM events \
                 ORDER BY received_ms DESC, id DESC LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(self.ready().await?)
            .await?;
            rows.into_iter().map(event).collect()
        })
        .await
    }

    /// Checks whether the database responds.
    pub(crate) fn check(&self) -> impl Check + use<> {
        let this = self.clone();
        move || {
            let Self { pool, location, created: _ } = this.clone();
            async move {
                // `SELECT 1` does not read the file. A deleted file keeps working while it is open, so its path is checked too.
                let query = match location {
                    Location::File(file) => {
                        std::fs::metadata(file)?;
                        "PRAGMA schema_version"
                    }
                    Location::Server(_) => "SELECT 1",
                };
                pool.execute(query).await?;
                Ok::<_, CheckError>(())
            }
        }
    }

    /// Checks whether the events can be read.
    pub(crate) fn check_events(&self) -> impl Check + use<> {
        let this = self.clone();
        move || {
            let this = this.clone();
            async move { this.ready().await?.execute("SELECT id FROM events LIMIT 1").await.map(drop) }
        }
    }

    /// Creates the table at the first call, and returns the connections.
    async fn ready(&self) -> Result<&AnyPool, sqlx::Error> {
        let create = || async { self.pool.execute(SCHEMA).await.map(drop) };
        self.created.get_or_try_init(create).await?;
        Ok(&self.pool)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::File(file) => write!(f, "the SQLite file {}", file.display()),
            Location::Server(address) => write!(f, "PostgreSQL at {address}"),
        }
    }
}

type Row = (String, String, String, String, i64);

fn event((id, source, kind, data, received_ms): Row) -> Result<Event, sqlx::Error> {
    let data = serde_json::from_str(&data).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Event { id, source, kind, data, received_ms })
}

const NAME: &str = "database";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        type TEXT NOT NULL,
        data TEXT NOT NULL,
        received_ms BIGINT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS events_by_time ON events (received_ms, id)";
