//! Without Redis: events from `POST /events` wait in memory.

use crate::pool::Pool;
use support::{Stop, Work};
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(crate) fn queue() -> (Sender<Work>, Receiver<Work>) {
    channel(MAX_WAITING)
}

/// Passes the events to the pool. When the program stops, the waiting events are still carried out, because they exist only here.
pub(crate) async fn run(pool: &Pool, mut queue: Receiver<Work>, stop: Stop) {
    let mut stop = std::pin::pin!(stop.requested());
    loop {
        tokio::select! {
            work = queue.recv() => match work {
                Some(work) => start(pool, work).await,
                None => return,
            },
            () = &mut stop => break,
        }
    }
    queue.close();
    while let Some(work) = queue.recv().await {
        start(pool, work).await;
    }
}

async fn start(pool: &Pool, work: Work) {
    let worker = pool.worker().await;
    tokio::spawn(async move {
        let result = worker.carry_out(&work).await;
        if let Err(error) = &result {
            tracing::warn!(error, "an event failed");
        }
        worker.finished(&result);
    });
}

const MAX_WAITING: usize = 1_000;
