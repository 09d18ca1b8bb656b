//! Events from the Redis stream, as one consumer of the group: each is delivered until somebody acknowledges it, and an
//! event whose worker has died is taken over by another.

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
    /// Waits for events. It is not instrumented: how long nothing happened is no latency.
    waiting: ConnectionManager,
    commands: InstrumentedConnection<ConnectionManager>,
    consumer: String,
    /// An event whose worker was not heard of for so long is taken over.
    abandoned: Duration,
    in_progress: Arc<Mutex<BTreeSet<String>>>,
}

/// An event as it was delivered.
struct Delivery {
    id: String,
    /// The task whose state the outcome is.
    task: Option<u64>,
    /// Or why it cannot be carried out.
    work: Result<Work, String>,
}

impl Events {
    pub(crate) fn open(
        url: &str,
        metrics: &RedisMetrics,
        abandoned: Duration,
    ) -> RedisResult<Self> {
        Ok(Self {
            waiting: connect(url, PATIENCE)?,
            commands: metrics.instrument(connect(url, Duration::ZERO)?),
            // Each process has a name of its own: what is in progress is nobody else's.
            consumer: format!("{}-{:08x}", std::process::id(), fastrand::u32(..)),
            abandoned,
            in_progress: Arc::default(),
        })
    }

    /// Gives events to the pool until the program has to stop. While Redis cannot be reached it keeps trying.
    pub(crate) async fn run(&self, pool: &Pool, stop: Stop) {
        let heartbeat = tokio::spawn(self.clone().heartbeat());
        let mut stop = std::pin::pin!(stop.requested());
        let mut next_look = Instant::now();
        let mut is_down = false;
        loop {
            let room = tokio::select! {
                biased;
                () = &mut stop => break,
                room = pool.free() => room,
            };
            // Asked for one after the other, and never dropped while they wait: what Redis has delivered meanwhile would be
            // nobody's for a while.
            let is_look = next_look <= Instant::now();
            let deliveries =
                if is_look { self.abandoned(room).await } else { self.new_events(room).await };
            match deliveries {
                Ok(deliveries) => {
                    if is_down {
                        tracing::info!("events come from Redis again");
                    }
                    is_down = false;
                    // There may be more than there was room for.
                    if is_look && deliveries.len() < room {
                        next_look = Instant::now() + self.abandoned / 3;
                    }
                    for delivery in deliveries {
                        self.start(pool.worker().await, delivery);
                    }
                }
                // At the first start, and when Redis has lost its data.
                Err(error) if error.code() == Some("NOGROUP") => self.create_group().await,
                Err(error) => {
                    if !is_down {
                        tracing::warn!(%error, "no events from Redis; trying on");
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
        // From the beginning: what was published before there were workers is theirs too.
        if let Err(error) = commands.xgroup_create_mkstream::<_, _, _, ()>(STREAM, GROUP, "0").await
            && error.code() != Some("BUSYGROUP")
        {
            tracing::warn!(%error, "the consumer group cannot be created; trying on");
            sleep(PAUSE).await;
        }
    }

    /// Waits a moment for events that nobody has had.
    async fn new_events(&self, room: usize) -> RedisResult<Vec<Delivery>> {
        let options = StreamReadOptions::default()
            .group(GROUP, &self.consumer)
            .count(room)
            .block(PATIENCE.as_millis() as usize);
        let reply: Option<StreamReadReply> =
            self.waiting.clone().xread_options(&[STREAM], &[">"], &options).await?;
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        Ok(streams.flat_map(|stream| stream.ids).map(Delivery::new).collect())
    }

    /// Takes over events that are in nobody's hands any more.
    async fn abandoned(&self, room: usize) -> RedisResult<Vec<Delivery>> {
        let idle = self.abandoned.as_millis() as usize;
        let mut commands = self.commands.clone();
        let pending: StreamPendingCountReply = redis::cmd("XPENDING")
            .arg((STREAM, GROUP, "IDLE", idle, "-", "+", room))
            .query_async(&mut commands)
            .await?;
        if pending.ids.is_empty() {
            return Ok(Vec::new());
        }
        let deliveries: BTreeMap<_, _> =
            pending.ids.into_iter().map(|event| (event.id, event.times_delivered)).collect();
        let ids: Vec<_> = deliveries.keys().collect();
        // Of several workers that ask for the same event one gets it: it is idle no more.
        let claimed: StreamClaimReply =
            commands.xclaim(STREAM, GROUP, &self.consumer, idle, &ids).await?;
        let taken_over = claimed.ids.into_iter().map(|event| {
            let times = deliveries.get(&event.id).copied().unwrap_or_default();
            let mut delivery = Delivery::new(event);
            tracing::info!(event = delivery.id, times, "taken over from a worker that left it");
            if times >= MAX_DELIVERIES {
                // It may be what its workers die of.
                delivery.work = Err(format!("{times} workers left it unfinished"));
            }
            delivery
        });
        Ok(taken_over.collect())
    }

    /// Tells the others that what is in progress here is not abandoned.
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
                tracing::warn!(event = delivery.id, "somebody else has finished it");
            }
            this.in_progress().remove(&delivery.id);
        });
    }

    /// Takes the event out of the stream and tells the outcome, both or neither. Whether it was this worker's to do.
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
                // It was there the first time, but its answer was lost: the heartbeat keeps others away meanwhile.
                Ok((acknowledged,)) => return acknowledged == 1 || !is_first,
                Err(error) => {
                    tracing::debug!(event = id, %error, "not acknowledged; trying on");
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
            work: serde_json::from_str(&work).map_err(|error| format!("no work: {error}")),
            id: event.id,
        }
    }
}

/// How long to wait for an event before looking around.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between attempts, while Redis cannot be reached.
const PAUSE: Duration = Duration::from_millis(200);
/// An event that so many workers have left is not tried again.
const MAX_DELIVERIES: usize = 3;
/// How long the outcome of a task is kept.
const KEPT_SECONDS: i64 = 3_600;
