//! The service: plain tonic without metrics code.

use proto::{LastRequest, Reading, Recorded, WatchRequest, readings_server};
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use support::Stop;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

#[expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    reason = "tonic-prost-build wrote it"
)]
pub(crate) mod proto {
    tonic::include_proto!("telemetry.v1");

    pub(crate) const DESCRIPTORS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

pub(crate) struct Readings {
    last: Mutex<HashMap<String, Reading>>,
    news: broadcast::Sender<Reading>,
    stop: Stop,
}

impl Readings {
    pub(crate) fn new(stop: Stop) -> Self {
        Self { last: Mutex::default(), news: broadcast::Sender::new(MAX_LAG), stop }
    }

    fn keep(&self, reading: Reading) -> Result<(), Status> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= SENSORS && !last.contains_key(&reading.sensor) {
            return Err(Status::resource_exhausted(format!("{SENSORS} sensors are known already")));
        }
        last.insert(reading.sensor.clone(), reading.clone());
        // An error means that nobody is watching.
        let _ = self.news.send(reading);
        Ok(())
    }
}

#[tonic::async_trait]
impl readings_server::Readings for Readings {
    type WatchStream = ReceiverStream<Result<Reading, Status>>;
    type SmoothStream = Pin<Box<dyn Stream<Item = Result<Reading, Status>> + Send>>;

    async fn last(&self, request: Request<LastRequest>) -> Result<Response<Reading>, Status> {
        let LastRequest { sensor } = request.into_inner();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = last.get(&sensor).cloned();
        reading.map(Response::new).ok_or_else(|| Status::not_found("this sensor has no reading"))
    }

    async fn record(
        &self,
        request: Request<Streaming<Reading>>,
    ) -> Result<Response<Recorded>, Status> {
        let mut stream = request.into_inner();
        let mut readings = 0;
        while let Some(reading) = stream.message().await? {
            self.keep(checked(reading)?)?;
            readings += 1;
        }
        Ok(Response::new(Recorded { readings }))
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { sensor } = request.into_inner();
        let (watcher, stream) = mpsc::channel(1);
        tokio::spawn(watch(sensor, self.news.subscribe(), watcher, self.stop.clone()));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn smooth(
        &self,
        request: Request<Streaming<Reading>>,
    ) -> Result<Response<Self::SmoothStream>, Status> {
        let (mut sum, mut count) = (0.0, 0.0);
        let smoothed = request.into_inner().map(move |reading| {
            let Reading { sensor, value } = checked(reading?)?;
            sum += value;
            count += 1.0;
            Ok(Reading { sensor, value: sum / count })
        });
        Ok(Response::new(Box::pin(smoothed)))
    }
}

async fn watch(
    sensor: String,
    mut news: broadcast::Receiver<Reading>,
    watcher: mpsc::Sender<Result<Reading, Status>>,
    stop: Stop,
) {
    let mut stop = pin!(stop.requested());
    loop {
        let reading = tokio::select! {
            reading = news.recv() => reading.map_err(|error| match error {
                RecvError::Lagged(_) => Status::data_loss("readings arrived faster than they were read"),
                RecvError::Closed => Status::unavailable("the server is stopping"),
            }),
            // A watch never ends by itself. Without this, the server would wait for it forever.
            () = &mut stop => Err(Status::unavailable("the server is stopping")),
            () = watcher.closed() => return,
        };
        if reading.as_ref().is_ok_and(|reading| reading.sensor != sensor) {
            continue;
        }
        let ends = reading.is_err();
        if watcher.send(reading).await.is_err() || ends {
            return;
        }
    }
}

fn checked(reading: Reading) -> Result<Reading, Status> {
    if reading.sensor.is_empty() || reading.sensor.len() > LONGEST_NAME {
        return Err(Status::invalid_argument("invalid sensor: must be 1 to 100 bytes"));
    }
    if !reading.value.is_finite() {
        return Err(Status::invalid_argument("invalid value: must be a finite number"));
    }
    Ok(reading)
}

const SENSORS: usize = 10_000;
const LONGEST_NAME: usize = 100;
/// How many readings a watcher may lag behind.
const MAX_LAG: usize = 1_000;
