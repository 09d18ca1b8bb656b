//! What recording a warm command allocates.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::{AllocationInfo, measure};
use asdlc_exporter::redis::RedisMetrics;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use crate::{exporter, scrape};

const WARM_UP: u64 = 10;
const MEASURED: u64 = 100;

/// Responds at once, and allocates what its trait requires: a box for the future.
struct AtOnce;

impl ConnectionLike for AtOnce {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { Ok(Value::Int(cmd.in_scan_mode().into())) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        // No values: they would be allocated.
        Box::pin(async move { Ok(if cmd.is_empty() { vec![Value::Nil] } else { vec![] }) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

//
#[test]
fn a_warm_command_allocates_only_the_box_that_the_trait_requires() {
    let exporter = exporter();
    let metrics = RedisMetrics::new(&exporter.meter());
    let bare = allocations(&mut AtOnce);
    let recorded = allocations(&mut metrics.instrument(AtOnce));
    assert_eq!(bare.count_total, 2 * MEASURED);
    assert_eq!(recorded.count_total, bare.count_total + 2 * MEASURED);
    // Otherwise a command that is not recorded would also pass.
    let counted = scrape(&exporter).sum("redis_latency_seconds_count");
    assert_eq!(counted, (2 * (WARM_UP + MEASURED)) as f64);
}

fn allocations(connection: &mut impl ConnectionLike) -> AllocationInfo {
    let command = redis::cmd("GET");
    let mut pipeline = redis::pipe();
    pipeline.cmd("GET");
    let mut send = |times| {
        for _ in 0..times {
            let context = &mut Context::from_waker(Waker::noop());
            let answer = pin!(connection.req_packed_command(&command)).poll(context);
            assert!(matches!(answer, Poll::Ready(Ok(_))));
            let answers = pin!(connection.req_packed_commands(&pipeline, 0, 1)).poll(context);
            assert!(matches!(answers, Poll::Ready(Ok(_))));
        }
    };
    send(WARM_UP);
    measure(|| send(MEASURED))
}
