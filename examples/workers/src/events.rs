//! Reads events from the Redis stream as one consumer of the group. An event is pending until a consumer acknowledges it. If its
//! worker has died, another worker takes it over.

use crate::pool::{Pool, Worker};
use asdlc_exporter::redis::{InstrumentedConnection, RedisMetrics};
use redis::aio::ConnectionManager;
use redis::streams::{
    StreamClaimReply, StreamId, StreamPendingCountReply, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, RedisResult, pipe};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use support::stream::{GROUP, STREAM, connect, task_key};
use support::{Stop, Work};
use tokio::time::{Instant, sleep};

#[derive(Clone)]
pub(crate) struct Events {
    /// The connection that waits for events. It is not instrumented, because the time until an
    /// event arrives is not a latency of Redis.
    waiting: ConnectionManager,
    commands: InstrumentedConnection<ConnectionManager>,
    consumer: String,
    /// An event without a heartbeat for this long is taken over.
    abandoned: Duration,
    in_progress: Arc<Mutex<BTreeSet<String>>>,
}

/// A delivered event.
struct Delivery {
    id: String,
    /// The task to which the outcome is written.
    task: Option<u64>,
    /// The work, or why it is invalid.
    work: Result<Work, String>,
}

impl Events {
    pub(crate) fn open(
        url: &str,
        metrics: &RedisMetrics,
        abandoned: Duration,
    ) -> RedisResult<Self> {
        Ok(Self {
            waiting: connect(url, BLOCK)?,
            commands: metrics.instrument(connect(url, Duration::ZERO)?),
            // Unique, so that no two processes share the pending events of one consumer.
            consumer: format!("{}-{:08x}", std::process::id(), fastrand::u32(..)),
            abandoned,
            in_progress: Arc::default(),
        })
    }

    /// Passes events to the pool until the program stops. Retries while Redis is unavailable.
    pub(crate) async fn run(&self, pool: &Pool, stop: Stop) {
        let heartbeat = tokio::spawn(self.clone().heartbeat());
        let mut stop = std::pin::pin!(stop.requested());
        let mut next_check = Instant::now();
        let mut is_down = false;
        loop {
            let free = tokio::select! {
                biased;
                () = &mut stop => break,
                free = pool.free() => free,
            };
            // The two kinds of reads run one after the other and are never dropped while they wait. Otherwise Redis could deliver
            // events that this process does not receive, and they would stay pending.
            let checks_abandoned = next_check <= Instant::now();
            let deliveries = if checks_abandoned {
                self.abandoned(free).await
            } else {
                self.new_events(free).await
            };
            match deliveries {
                Ok(deliveries) => {
                    if is_down {
                        tracing::info!("Redis is available again");
                    }
                    is_down = false;
                    // If every free worker got an abandoned event, there may be more of them.
                    if checks_abandoned && deliveries.len() < free {
                        next_check = Instant::now() + self.abandoned / 3;
                    }
                    for delivery in deliveries {
                        self.start(pool.worker().await, delivery);
                    }
                }
                // The group does not exist at the first start, and after Redis has lost its data.
                Err(error) if error.code() == Some("NOGROUP") => self.create_group().await,
                Err(error) => {
                    if !is_down {
                        tracing::warn!(%error, "cannot read events from Redis; retrying");
                    }
                    is_down = true;
                    sleep(PAUSE).await;
                }
            }
        }
        pool.idle().await;
        heartbeat.abort();
    }

    async fn create_group(&self) {
        let mut commands = self.commands.clone();
        // From the start of the stream, so that events from before the first worker are processed too.
        if let Err(error) = commands.xgroup_create_mkstream::<_, _, _, ()>(STREAM, GROUP, "0").await
            && error.code() != Some("BUSYGROUP")
        {
            tracing::warn!(%error, "cannot create the consumer group; retrying");
            sleep(PAUSE).await;
        }
    }

    /// Waits for events that were not delivered yet, up to [`BLOCK`].
    async fn new_events(&self, free: usize) -> RedisResult<Vec<Delivery>> {
        let options = StreamReadOptions::default()
            .group(GROUP, &self.consumer)
            .count(free)
            .block(BLOCK.as_millis() as usize);
        let reply: Option<StreamReadReply> =
            self.waiting.clone().xread_options(&[STREAM], &[">"], &options).await?;
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        Ok(streams.flat_map(|stream| stream.ids).map(Delivery::new).collect())
    }

    /// Takes over events whose worker sends no heartbeat any more.
    async fn abandoned(&self, free: usize) -> RedisResult<Vec<Delivery>> {
        let idle = self.abandoned.as_millis() as usize;
        let mut commands = self.commands.clone();
        let pending: StreamPendingCountReply = redis::cmd("XPENDING")
            .arg((STREAM, GROUP, "IDLE", idle, "-", "+", free))
            .query_async(&mut commands)
            .await?;
        if pending.ids.is_empty() {
            return Ok(Vec::new());
        }
        let deliveries: BTreeMap<_, _> =
            pending.ids.into_iter().map(|event| (event.id, event.times_delivered)).collect();
        let ids: Vec<_> = deliveries.keys().collect();
        // If several workers claim the same event, only the first gets it, because its claim resets
        // the idle time of the event.
        let claimed: StreamClaimReply =
            commands.xclaim(STREAM, GROUP, &self.consumer, idle, &ids).await?;
        let taken_over = claimed.ids.into_iter().map(|event| {
            let times = deliveries.get(&event.id).copied().unwrap_or_default();
            let mut delivery = Delivery::new(event);
            tracing::info!(event = delivery.id, times, "taken over from a worker that stopped");
            if times >= MAX_DELIVERIES {
                // The event itself may make its workers crash.
                delivery.work = Err(format!("{times} workers did not finish it"));
            }
            delivery
        });
        Ok(taken_over.collect())
    }

    /// Resets the idle time of the events in progress, so that no other worker takes them over.
    async fn heartbeat(self) {
        let mut commands = self.commands.clone();
        loop {
            sleep(self.abandoned / 3).await;
            let ids: Vec<_> = self.in_progress().iter().cloned().collect();
            if !ids.is_empty() {
                let claimed: RedisResult<Vec<String>> = redis::cmd("XCLAIM")
                    .arg((STREAM, GROUP, &self.consumer, 0))
                    .arg(ids)
                    .arg("JUSTID")
                    .query_async(&mut commands)
                    .await;
                if let Err(error) = claimed {
                    tracing::debug!(%error, "no heartbeat");
                }
            }
        }
    }

    fn start(&self, worker: Worker, delivery: Delivery) {
        let this = self.clone();
        this.in_progress().insert(delivery.id.clone());
        tokio::spawn(async move {
            let result = match &delivery.work {
                Ok(work) => worker.carry_out(work).await,
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = &result {
                tracing::warn!(event = delivery.id, error, "an event failed");
            }
            if this.acknowledge(&delivery, &result).await {
                worker.finished(&result);
            } else {
                tracing::warn!(event = delivery.id, "another worker has finished the event");
            }
            this.in_progress().remove(&delivery.id);
        });
    }

    /// Removes the event from the stream and writes the outcome, in one transaction. Returns
    /// whether the event was still pending.
    async fn acknowledge(&self, delivery: &Delivery, result: &Result<String, String>) -> bool {
        let Delivery { id, task, work: _ } = delivery;
        let mut transaction = pipe();
        transaction.atomic().xack(STREAM, GROUP, &[id]).xdel(STREAM, &[id]).ignore();
        if let Some(task) = task {
            let (state, field, text) = match result {
                Ok(result) => ("succeeded", "result", result),
                Err(error) => ("failed", "error", error),
            };
            let key = task_key(*task);
            transaction.hset_multiple(&key, &[("state", state), (field, text)]).ignore();
            transaction.expire(&key, KEPT_SECONDS).ignore();
        }
        let mut is_first = true;
        loop {
            match transaction.query_async::<(usize,)>(&mut self.commands.clone()).await {
                // In a retry the event may already be acknowledged, because only the reply was
                // lost. No other worker has taken it over, because of the heartbeat.
                Ok((acknowledged,)) => return acknowledged == 1 || !is_first,
                Err(error) => {
                    tracing::debug!(event = id, %error, "not acknowledged; retrying");
                    is_first = false;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn in_progress(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    fn new(event: StreamId) -> Self {
        let work = event.get("work").unwrap_or_else(|| String::from("null"));
        Self {
            task: event.get("task"),
            work: serde_json::from_str(&work).map_err(|error| format!("invalid work: {error}")),
            id: event.id,
        }
    }
}

/// How long one read waits for new events.
const BLOCK: Duration = Duration::from_millis(500);
/// The pause between attempts while Redis is unavailable.
const PAUSE: Duration = Duration::from_millis(200);
/// An event that this many workers did not finish is not tried again.
const MAX_DELIVERIES: usize = 3;
/// How long the outcome of a task is kept.
const KEPT_SECONDS: i64 = 3_600;
