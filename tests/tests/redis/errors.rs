//! Commands that fail, and commands that are dropped.

use std::pin::pin;

use asdlc_exporter::Exporter;
use asdlc_exporter::redis::{InstrumentedConnection, RedisMetrics};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncCommands, RedisResult, Value};

use crate::{begin, connect, exporter, scrape};

async fn instrumented(redis: &Redis) -> (Exporter, InstrumentedConnection<MultiplexedConnection>) {
    let exporter = exporter();
    let connection = RedisMetrics::new(&exporter.meter()).instrument(connect(redis).await);
    (exporter, connection)
}

#[track_caller]
fn assert_errors(seen: &Exposition, expected: &[(&str, &str, u32)]) {
    for (operation, error_type, count) in expected {
        let labels = [("operation", *operation), ("error_type", *error_type)];
        let counted = seen.value("redis_errors_total", &labels);
        assert_eq!(counted, Some((*count).into()), "{operation} {error_type}");
    }
    let sum: u32 = expected.iter().map(|(_, _, count)| count).sum();
    assert_eq!(seen.sum("redis_errors_total"), f64::from(sum), "there are other errors");
}

fn count(seen: &Exposition, operation: &str) -> Option<f64> {
    seen.value("redis_latency_seconds_count", &[("operation", operation)])
}

// O-06
#[tokio::test]
async fn an_error_inside_a_response_counts_at_any_depth() {
    let redis = Redis::start();
    let (exporter, mut connection) = instrumented(&redis).await;
    let _: () = connection.set("text", "secret-value").await.expect("Redis responds");

    // As the whole response: `Ok(Value::ServerError)`, which `query_async` makes an `Err`.
    let response = connection.req_packed_command(redis::cmd("LPUSH").arg("text").arg(1)).await;
    assert!(matches!(response, Ok(Value::ServerError(_))), "{response:?}");
    // In a list that a script returns, and in a nested list.
    let script = "return {1, {redis.error_reply('OOM secret-value')}}";
    let response = connection.req_packed_command(redis::cmd("EVAL").arg(script).arg(0)).await;
    assert!(matches!(response, Ok(Value::Array(_))), "{response:?}");
    // In a pipeline, also when its caller wants all responses: two errors, one command.
    let mut pipeline = redis::pipe();
    pipeline.get("text").lpush("text", 1).lpush("text", 2).ignore_errors();
    let responses: Vec<RedisResult<Value>> =
        pipeline.query_async(&mut connection).await.expect("responses");
    assert_eq!(responses.iter().filter(|response| response.is_err()).count(), 2);
    // In a transaction that runs, and in one that the server discards.
    let failed: RedisResult<Value> = pipeline.atomic().query_async(&mut connection).await;
    assert!(failed.is_ok(), "{failed:?}");
    let mut discarded = redis::pipe();
    discarded.atomic().cmd("NOSUCH").arg("secret-key").get("text");
    discarded.query_async::<Value>(&mut connection).await.expect_err("discarded");
    // An unknown command.
    redis::cmd("NOSUCH").arg("secret-key").exec_async(&mut connection).await.expect_err("unknown");

    let seen = scrape(&exporter);
    assert_errors(
        &seen,
        &[
            ("LPUSH", "wrong_type", 1),
            ("EVAL", "out_of_memory", 1),
            ("PIPELINE", "wrong_type", 1),
            ("MULTI", "wrong_type", 1),
            ("MULTI", "transaction", 1),
            ("_OTHER", "server", 1),
        ],
    );
    assert_eq!([count(&seen, "MULTI"), count(&seen, "_OTHER")], [Some(2.0), Some(1.0)]);
    let text = exporter.render().expect("it renders");
    assert!(!text.contains("secret") && !text.contains("NOSUCH"), "{text}");
}

// O-06
#[tokio::test]
async fn a_transaction_that_a_watched_key_aborts_is_not_an_error() {
    let redis = Redis::start();
    let (exporter, mut connection) = instrumented(&redis).await;
    redis::cmd("WATCH").arg("key").exec_async(&mut connection).await.expect("Redis responds");
    let _: () = connect(&redis).await.set("key", 1).await.expect("Redis responds");
    let mut transaction = redis::pipe();
    let stopped: Option<(u64,)> =
        transaction.atomic().incr("key", 1).query_async(&mut connection).await.expect("a response");
    assert_eq!(stopped, None);
    assert_errors(&scrape(&exporter), &[]);
}

// O-06
#[tokio::test]
async fn a_killed_server_is_a_connection_error() {
    let mut redis = Redis::start();
    let (exporter, mut connection) = instrumented(&redis).await;
    redis.kill();
    connection.get::<_, Value>("key").await.expect_err("no response");
    redis::pipe().get("key").exec_async(&mut connection).await.expect_err("no response");
    assert_errors(&scrape(&exporter), &[("GET", "connection", 1), ("PIPELINE", "connection", 1)]);
}

// O-06
#[tokio::test]
async fn a_server_that_hangs_is_a_timeout() {
    let redis = Redis::start();
    let (exporter, mut connection) = instrumented(&redis).await;
    connection.get_mut().set_response_timeout(std::time::Duration::from_millis(100));
    redis.process().freeze();
    connection.get::<_, Value>("key").await.expect_err("no response");
    assert_errors(&scrape(&exporter), &[("GET", "timeout", 1)]);
    redis.process().thaw();
}

// O-06, X-01
#[tokio::test]
async fn a_dropped_command_is_recorded_once_and_one_that_never_started_is_not() {
    let redis = Redis::start();
    let (exporter, mut connection) = instrumented(&redis).await;
    let mut blocking = redis::cmd("BLPOP");
    blocking.arg("nothing").arg(0);
    drop(connection.req_packed_command(&blocking));
    assert_eq!(
        count(&scrape(&exporter), "BLPOP"),
        None,
        "a future that is not polled sends nothing"
    );

    {
        let mut waiting = pin!(connection.req_packed_command(&blocking));
        begin(waiting.as_mut());
        assert_eq!(count(&scrape(&exporter), "BLPOP"), None, "it has not ended");
    }
    let mut pipeline = redis::pipe();
    pipeline.cmd("BLPOP").arg("nothing").arg(0);
    {
        let mut waiting = pin!(pipeline.exec_async(&mut connection));
        begin(waiting.as_mut());
    }
    let seen = scrape(&exporter);
    assert_errors(&seen, &[("BLPOP", "cancelled", 1), ("PIPELINE", "cancelled", 1)]);
    assert_eq!([count(&seen, "BLPOP"), count(&seen, "PIPELINE")], [Some(1.0); 2]);
}
