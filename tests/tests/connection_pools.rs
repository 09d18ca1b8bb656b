//! The pool of sqlx over a real SQLite database, as the exporter serves it.

use std::time::{Duration, Instant};

use asdlc_exporter::Exporter;
use asdlc_exporter::pools::ConnectionPools;
use asdlc_tests::exposition::Exposition;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

/// The idle connections, the used ones, and the maximum.
fn numbers(exporter: &Exporter) -> [Option<f64>; 3] {
    let text = exporter.render().expect("it renders");
    let scrape = Exposition::parse(text.as_bytes()).expect("it is valid");
    let pool = ("db_client_connection_pool_name", "orders");
    let count = |state| {
        let labels = [pool, ("db_client_connection_state", state)];
        scrape.value("db_client_connections", &labels)
    };
    [count("idle"), count("used"), scrape.value("db_client_connection_max", &[pool])]
}

/// sqlx takes connections back in tasks of its own.
async fn await_numbers(exporter: &Exporter, expected: [f64; 3]) {
    let start = Instant::now();
    while numbers(exporter) != expected.map(Some) {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(60), "{:?}, not {expected:?}", numbers(exporter));
        tokio::task::yield_now().await;
    }
}

//
#[tokio::test]
async fn the_numbers_are_those_of_the_pool() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("orders.db"))
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(3).connect_lazy_with(options);
    let exporter = Exporter::builder("shop").build().expect("valid settings");
    ConnectionPools::new("orders", pool.clone()).register(&exporter).expect("a valid name");
    assert_eq!(numbers(&exporter), [0.0, 0.0, 3.0].map(Some), "before the first query");

    let first = pool.acquire().await.expect("a connection");
    assert_eq!(numbers(&exporter), [0.0, 1.0, 3.0].map(Some));
    let second = pool.acquire().await.expect("a connection");
    let third = pool.acquire().await.expect("a connection");
    assert_eq!(numbers(&exporter), [0.0, 3.0, 3.0].map(Some));
    drop((first, second));
    await_numbers(&exporter, [2.0, 1.0, 3.0]).await;
    drop(third);
    await_numbers(&exporter, [3.0, 0.0, 3.0]).await;
    pool.close().await;
    assert_eq!(numbers(&exporter), [0.0, 0.0, 3.0].map(Some), "after it is closed");
}

// the numbers of sqlx are read one after the other while they change.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_no_number_is_beyond_the_size_of_the_pool() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("orders.db"))
        .create_if_missing(true);
    let pool: SqlitePool = SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options);
    let exporter = Exporter::builder("shop").build().expect("valid settings");
    ConnectionPools::new("orders", pool.clone()).register(&exporter).expect("a valid name");
    let users: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    drop(pool.acquire().await.expect("a connection"));
                }
            })
        })
        .collect();
    while !users.iter().all(tokio::task::JoinHandle::is_finished) {
        let [Some(idle), Some(used), _] = numbers(&exporter) else { panic!("a number is missing") };
        assert!(idle >= 0.0 && used >= 0.0 && idle + used <= 4.0, "{idle} idle, {used} used");
        tokio::task::yield_now().await;
    }
    for user in users {
        user.await.expect("no panic");
    }
}
