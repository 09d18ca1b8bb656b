//! The metrics of connection pools: of closures, and of real pools over a manager without a database.

use crate::{families, logged, values};
use asdlc_exporter::{
    Exporter,
    pools::{ConnectionPool, ConnectionPools, ConnectionStatistics},
};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn observed(pool: impl ConnectionPool) -> Result<Exporter> {
    let exporter = Exporter::builder("shop").build()?;
    ConnectionPools::new("orders", pool).register(&exporter)?;
    Ok(exporter)
}

/// All values of the pool `orders`, without the common beginning of the names: `count` and the state, or the family.
fn numbers(exporter: &Exporter) -> Vec<(String, f64)> {
    let mut numbers = Vec::new();
    for family in families(exporter) {
        let Some(short) = family.strip_prefix("db_client_connection") else { continue };
        let short = if short == "s" { "count" } else { &short[1..] };
        for (labels, value) in values(exporter, &family) {
            let rest = labels.strip_prefix("db_client_connection_pool_name=orders").expect(&labels);
            let state = rest.strip_prefix(",db_client_connection_state=").unwrap_or(rest);
            numbers.push((format!("{short} {state}").trim_end().to_owned(), value));
        }
    }
    numbers.sort_by(|a, b| a.0.cmp(&b.0));
    numbers
}

#[track_caller]
fn assert_numbers(exporter: &Exporter, expected: &[(&str, f64)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    assert_eq!(numbers(exporter), expected);
}

//
#[test]
fn a_pool_has_series_for_what_it_knows() -> Result {
    assert_numbers(&observed(ConnectionStatistics::default)?, &[]);
    let some = observed(|| ConnectionStatistics::default().with_used(2).with_timeouts(0))?;
    assert_numbers(&some, &[("count used", 2.0), ("timeouts_total", 0.0)]);

    let all = observed(|| {
        ConnectionStatistics::default()
            .with_idle(1)
            .with_used(2)
            .with_max(8)
            .with_pending_requests(3)
            .with_timeouts(4)
            .with_waits(5)
            .with_wait_time(Duration::from_millis(6_500))
    })?;
    assert_numbers(
        &all,
        &[
            ("count idle", 1.0),
            ("count used", 2.0),
            ("max", 8.0),
            ("pending_requests", 3.0),
            ("timeouts_total", 4.0),
            ("waited_seconds_total", 6.5),
            ("waits_total", 5.0),
        ],
    );
    let text = all.render()?;
    for line in [
        "# TYPE db_client_connections gauge\n",
        "# TYPE db_client_connection_pending_requests gauge\n",
        "# TYPE db_client_connection_timeouts_total counter\n",
        "# TYPE db_client_connection_waited_seconds_total counter\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    Ok(())
}

//
#[test]
fn each_pool_has_its_own_series_and_is_read_once_in_a_scrape() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let reads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&reads);
    ConnectionPools::new("orders", move || {
        let read = counted.fetch_add(1, Ordering::Relaxed) + 1;
        ConnectionStatistics::default()
            .with_idle(read)
            .with_used(read)
            .with_max(read)
            .with_waits(read)
    })
    .with_pool("reports", || ConnectionStatistics::default().with_idle(100))
    .register(&exporter)?;
    for scrape in 1..=3 {
        let text = exporter.render()?;
        let of_orders: Vec<_> = text.lines().filter(|line| line.contains("\"orders\"")).collect();
        assert_eq!(of_orders.len(), 4, "{text}");
        for line in of_orders {
            assert!(line.ends_with(&format!(" {scrape}")), "{line}");
        }
        let reports: Vec<_> = text.lines().filter(|line| line.contains("\"reports\"")).collect();
        assert!(matches!(*reports, [line] if line.ends_with(" 100")), "{reports:?}");
    }
    assert_eq!(reads.load(Ordering::Relaxed), 3);
    Ok(())
}

//
#[test]
fn if_a_pool_panics_only_its_own_series_are_missing() -> Result {
    logged();
    let exporter = Exporter::builder("shop").build()?;
    let is_broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&is_broken);
    ConnectionPools::new("orders", || ConnectionStatistics::default().with_idle(1))
        .with_pool("broken", move || {
            assert!(!switch.load(Ordering::Relaxed), "the pool is broken");
            ConnectionStatistics::default().with_idle(2)
        })
        .register(&exporter)?;
    let idle = || -> Vec<_> {
        let values = values(&exporter, "db_client_connections");
        values.into_iter().map(|(_, value)| value).collect()
    };
    assert_eq!(idle(), [1.0]);
    // One for the scrape, not one for each family.
    let warning = "WARN reading the statistics of the connection pool `broken` panicked: its metrics are missing";
    assert_eq!(logged(), [warning]);
    is_broken.store(false, Ordering::Relaxed);
    assert_eq!(idle(), [2.0, 1.0]);
    assert_eq!(logged(), [""; 0]);
    Ok(())
}

//
#[test]
fn wrong_names_are_refused_and_create_nothing() -> Result {
    let new =
        |name: &str| ConnectionPools::new(name, || ConnectionStatistics::default().with_max(1));
    let rule = "must be 1 to 64 ASCII letters, digits, '_', '-', '.' and ':'";
    for (pools, message) in [
        (new(""), format!("invalid pool name \"\": {rule}")),
        (
            new("postgres://user@host/x"),
            format!("invalid pool name \"postgres://user@host/x\": {rule}"),
        ),
        (
            new("a")
                .with_pool("b", ConnectionStatistics::default)
                .with_pool("a", ConnectionStatistics::default),
            "duplicate pool name \"a\"".to_owned(),
        ),
    ] {
        let exporter = Exporter::builder("shop").build()?;
        let error = pools.register(&exporter).expect_err("it is refused");
        assert_eq!(error.to_string(), message);
        assert_eq!(format!("{error:?}"), format!("PoolSetupError({message})"));
        assert_eq!(families(&exporter), ["uptime_seconds"]);
    }
    Ok(())
}

/// Scrapes until the numbers are as expected, because a pool counts in tasks of its own.
#[cfg(feature = "bb8")]
async fn eventually(exporter: &Exporter, expected: &[(&str, f64)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let start = std::time::Instant::now();
    while numbers(exporter) != expected {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(60), "{:?}, not {expected:?}", numbers(exporter));
        tokio::task::yield_now().await;
    }
}

#[cfg(feature = "deadpool")]
mod of_deadpool {
    use super::{Result, assert_numbers, observed};
    use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
    use std::{
        convert::Infallible,
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };
    use tokio::sync::Semaphore;

    /// Opens a connection when the test allows it.
    struct Database(Semaphore);

    impl Manager for Database {
        type Type = ();
        type Error = Infallible;

        async fn create(&self) -> std::result::Result<(), Infallible> {
            self.0.acquire().await.expect("it is open").forget();
            Ok(())
        }

        async fn recycle(&self, (): &mut (), _: &Metrics) -> RecycleResult<Infallible> {
            Ok(())
        }
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    //
    #[tokio::test]
    async fn the_numbers_are_those_of_the_pool() -> Result {
        let pool = Pool::<Database>::builder(Database(Semaphore::new(2))).max_size(2).build()?;
        let exporter = observed(pool.clone())?;
        let expect = |idle, used, pending| {
            assert_numbers(
                &exporter,
                &[
                    ("count idle", idle),
                    ("count used", used),
                    ("max", 2.0),
                    ("pending_requests", pending),
                ],
            );
        };
        expect(0.0, 0.0, 0.0);
        let first = pool.get().await?;
        expect(0.0, 1.0, 0.0);
        let second = pool.get().await?;
        {
            let (mut third, mut fourth) = (pin!(pool.get()), pin!(pool.get()));
            assert!(poll(third.as_mut()).is_pending() && poll(fourth.as_mut()).is_pending());
            expect(0.0, 2.0, 2.0);
            drop(first);
            let third = third.await?;
            expect(0.0, 2.0, 1.0);
            // The fourth request is cancelled.
            drop(third);
        }
        expect(1.0, 1.0, 0.0);
        drop(second);
        expect(2.0, 0.0, 0.0);
        pool.close();
        assert_numbers(
            &exporter,
            &[("count idle", 0.0), ("count used", 0.0), ("max", 0.0), ("pending_requests", 0.0)],
        );
        Ok(())
    }

    // what the documentation says in note 1.
    #[tokio::test]
    async fn a_request_waits_while_its_connection_is_opened() -> Result {
        let pool = Pool::<Database>::builder(Database(Semaphore::new(0))).max_size(2).build()?;
        let exporter = observed(pool.clone())?;
        let mut request = pin!(pool.get());
        assert!(poll(request.as_mut()).is_pending());
        let expect = |used, pending| {
            assert_numbers(
                &exporter,
                &[
                    ("count idle", 0.0),
                    ("count used", used),
                    ("max", 2.0),
                    ("pending_requests", pending),
                ],
            );
        };
        expect(0.0, 1.0);
        pool.manager().0.add_permits(1);
        let _connection = request.await?;
        expect(1.0, 0.0);
        Ok(())
    }
}

#[cfg(feature = "bb8")]
mod of_bb8 {
    use super::{Result, assert_numbers, eventually, observed};
    use bb8::{ManageConnection, Pool, RunError};
    use std::{convert::Infallible, time::Duration};

    struct Database;

    impl ManageConnection for Database {
        type Connection = ();
        type Error = Infallible;

        async fn connect(&self) -> std::result::Result<(), Infallible> {
            Ok(())
        }

        async fn is_valid(&self, (): &mut ()) -> std::result::Result<(), Infallible> {
            Ok(())
        }

        fn has_broken(&self, (): &mut ()) -> bool {
            false
        }
    }

    //
    #[tokio::test]
    async fn the_numbers_are_those_of_the_pool() -> Result {
        let pool = Pool::builder()
            .max_size(2)
            .min_idle(1)
            .connection_timeout(Duration::from_millis(20))
            .build(Database)
            .await?;
        let exporter = observed(pool.clone())?;
        let numbers = |idle, used, timeouts, waits| {
            [
                ("count idle", idle),
                ("count used", used),
                ("max", 2.0),
                ("timeouts_total", timeouts),
                ("waits_total", waits),
            ]
        };
        assert_numbers(&exporter, &numbers(1.0, 0.0, 0.0, 0.0));
        let first = pool.get().await?;
        // It opens another one, to have an idle one.
        eventually(&exporter, &numbers(1.0, 1.0, 0.0, 0.0)).await;
        let second = pool.get().await?;
        assert_numbers(&exporter, &numbers(0.0, 2.0, 0.0, 0.0));

        assert!(matches!(pool.get().await, Err(RunError::TimedOut)));
        assert_numbers(&exporter, &numbers(0.0, 2.0, 1.0, 0.0));
        let (third, ()) = tokio::join!(pool.get(), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        let third = third?;
        assert_numbers(&exporter, &numbers(0.0, 2.0, 1.0, 1.0));
        drop((second, third));
        assert_numbers(&exporter, &numbers(2.0, 0.0, 1.0, 1.0));
        Ok(())
    }

    // what the documentation says in note 2. When this fails, the pending requests can be served.
    #[tokio::test]
    async fn a_cancelled_request_is_pending_for_ever_in_bb8() -> Result {
        let pool = Pool::builder().max_size(1).build(Database).await?;
        let connection = pool.get().await?;
        let cancelled = tokio::time::timeout(Duration::from_millis(1), pool.get()).await;
        assert!(cancelled.is_err());
        drop(connection);
        drop(pool.get().await?);
        assert_eq!(pool.state().statistics.pending_gets(), 1);
        Ok(())
    }
}
