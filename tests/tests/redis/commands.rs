//! What an instrumented connection records, and that it behaves like a bare one.

use std::collections::BTreeMap;

use asdlc_exporter::redis::RedisMetrics;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use redis::aio::ConnectionLike;
use redis::{AsyncCommands, Cmd, Pipeline, RedisFuture, RedisResult, Script, Value};

use crate::{connect, exporter, scrape};

/// Commands by operation, from the histogram.
fn commands(seen: &Exposition) -> BTreeMap<String, u64> {
    let counts = seen.samples("redis_latency_seconds_count");
    let label = |sample: &asdlc_tests::exposition::Sample| {
        sample.label("operation").expect("an operation").to_owned()
    };
    counts.map(|sample| (label(sample), sample.value as u64)).collect()
}

fn expected(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(operation, count)| ((*operation).to_owned(), *count)).collect()
}

/// All kinds of commands on a connection, and their responses.
async fn work(connection: &mut (impl ConnectionLike + Send + Sync)) -> RedisResult<Vec<Value>> {
    let mut responses = Vec::new();
    let _: () = connection.set("secret-key", "secret-value").await?;
    responses.push(connection.get("secret-key").await?);
    responses.push(redis::cmd("get").arg("secret-key").query_async(connection).await?);
    responses.push(redis::cmd("ECHO").arg("secret-value").query_async(connection).await?);
    responses.push(redis::cmd("COMMAND").arg("COUNT").query_async(connection).await?);
    let mut pipeline = redis::pipe();
    pipeline.incr("counter", 1).incr("counter", 2).ignore().get("counter");
    responses.push(pipeline.query_async(connection).await?);
    responses.push(pipeline.atomic().query_async(connection).await?);
    let script = Script::new("return {KEYS[1], ARGV[1], redis.call('INCR', 'counter')}");
    responses.push(script.key("secret-key").arg("secret-value").invoke_async(connection).await?);
    for at in 0..20 {
        let _: () = connection.sadd("set", at).await?;
    }
    let scanned: Vec<u64> = {
        let mut scan = connection.sscan::<_, u64>("set").await?;
        let mut all = Vec::new();
        while let Some(item) = scan.next_item().await {
            all.push(item?);
        }
        all
    };
    responses.push(Value::Int(scanned.len() as i64));
    Ok(responses)
}

// O-06
#[tokio::test]
async fn every_kind_of_command_has_the_same_response_and_is_counted_by_its_name() {
    let (redis, twin) = (Redis::start(), Redis::start());
    let exporter = exporter();
    let metrics = RedisMetrics::new(&exporter.meter());
    let mut connection = metrics.instrument(connect(&redis).await);
    let responses = work(&mut connection).await.expect("Redis responds");
    assert_eq!(responses, work(&mut connect(&twin).await).await.expect("Redis responds"));
    assert_eq!(connection.get_db(), connection.get_ref().get_db());

    let seen = scrape(&exporter);
    assert_eq!(
        commands(&seen),
        expected(&[
            ("COMMAND", 1),
            ("ECHO", 1),
            // The first one fails, because the server does not have the script.
            ("EVALSHA", 2),
            ("GET", 2),
            ("MULTI", 1),
            ("PIPELINE", 1),
            ("SADD", 20),
            ("SCRIPT", 1),
            ("SET", 1),
            ("SSCAN", 1),
        ])
    );
    let no_script = [("operation", "EVALSHA"), ("error_type", "no_script")];
    assert_eq!(seen.value("redis_errors_total", &no_script), Some(1.0));
    assert_eq!(seen.sum("redis_errors_total"), 1.0);
    let text = exporter.render().expect("it renders");
    assert!(!text.contains("secret") && !text.contains("counter\""), "{text}");
}

// O-06
#[tokio::test]
async fn a_connection_manager_is_instrumented_with_its_clones() {
    let (redis, exporter) = (Redis::start(), exporter());
    let client = redis::Client::open(redis.url()).expect("the URL is valid");
    let manager = client.get_connection_manager().await.expect("Redis accepts connections");
    let connection = RedisMetrics::new(&exporter.meter()).instrument(manager);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = connection.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let _: u64 = connection.incr("counter", 1).await.expect("Redis responds");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    assert_eq!(commands(&scrape(&exporter)), expected(&[("INCRBY", 400)]));
    let mut bare = connection.into_inner();
    assert_eq!(bare.get::<_, u64>("counter").await.expect("Redis responds"), 400);
    assert_eq!(
        commands(&scrape(&exporter)),
        expected(&[("INCRBY", 400)]),
        "the unwrapped connection is not recorded"
    );
}

/// Responds at once, so that a test can send commands that it would not send to a server.
struct Nowhere;

impl ConnectionLike for Nowhere {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async { Ok(Value::Okay) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

// O-06, X-03
#[tokio::test]
async fn all_commands_of_the_server_have_a_name_and_unknown_commands_are_other() {
    let (redis, exporter) = (Redis::start(), exporter());
    let mut names: Vec<String> = redis::cmd("COMMAND")
        .arg("LIST")
        .query_async(&mut connect(&redis).await)
        .await
        .expect("the server lists its commands");
    // `CLIENT|LIST` is sent as `CLIENT` with an argument.
    names.retain(|name| !name.contains('|'));
    let mut connection = RedisMetrics::new(&exporter.meter()).instrument(Nowhere);
    for name in &names {
        redis::cmd(name)
            .exec_async(&mut connection)
            .await
            .expect("this connection accepts everything");
    }
    let seen = commands(&scrape(&exporter));
    let known: BTreeMap<_, _> = names.iter().map(|name| (name.to_uppercase(), 1)).collect();
    assert!(known.len() > 200, "the list is complete");
    assert_eq!(seen, known);

    for at in 0..1_000 {
        let hostile = format!("user:{at}");
        redis::cmd(&hostile)
            .exec_async(&mut connection)
            .await
            .expect("this connection accepts everything");
    }
    let seen = commands(&scrape(&exporter));
    assert_eq!(seen.len(), known.len() + 1);
    assert_eq!(seen["_OTHER"], 1_000);
}

// O-06
#[tokio::test]
async fn the_boundaries_are_the_recommended_or_the_given_ones() {
    let boundaries = |seen: &Exposition| -> Vec<String> {
        let buckets = seen.samples("redis_latency_seconds_bucket");
        buckets.filter_map(|bucket| Some(bucket.label("le")?.to_owned())).collect()
    };
    let exporters = (exporter(), exporter());
    let default = RedisMetrics::new(&exporters.0.meter());
    let given = RedisMetrics::with_boundaries(&exporters.1.meter(), &[0.25, 2.0]).expect("valid");
    for metrics in [default, given] {
        let mut connection = metrics.instrument(Nowhere);
        redis::cmd("PING")
            .exec_async(&mut connection)
            .await
            .expect("this connection accepts everything");
    }
    let expected = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "+Inf"];
    assert_eq!(boundaries(&scrape(&exporters.0)), expected);
    assert_eq!(boundaries(&scrape(&exporters.1)), ["0.25", "2", "+Inf"]);
    for (bad, expected) in [
        (&[][..], "invalid boundaries []: must have at least one"),
        (&[1.0, 0.5], "invalid boundary 0.5: must be greater than the boundary before it, 1"),
        (&[1.0, 1.0], "invalid boundary 1: must be greater than the boundary before it, 1"),
        (&[f64::NAN], "invalid boundary NaN: must be finite"),
        (&[1.0, f64::INFINITY], "invalid boundary inf: must be finite"),
    ] {
        let error = RedisMetrics::with_boundaries(&exporters.0.meter(), bad).expect_err("bad");
        assert_eq!(error.to_string(), expected);
    }
}
