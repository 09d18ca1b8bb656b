//! A client that shares no code with the server, and checks of the metrics.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;

use asdlc_tests::example::Example;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};
use bytes::Bytes;
use http::uri::PathAndQuery;
use http_body::Body;
use prost::Message;
use tokio::runtime::Runtime;
use tonic::client::{Grpc, GrpcService};
use tonic::transport::Channel;
use tonic::{IntoStreamingRequest, Request, Status, Streaming};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reading {
    #[prost(string, tag = "1")]
    pub(crate) sensor: String,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
}

/// The request of `Last` and of `Watch`, which have the same fields.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OfSensor {
    #[prost(string, tag = "1")]
    sensor: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Recorded {
    #[prost(uint64, tag = "1")]
    pub(crate) readings: u64,
}

pub(crate) fn reading(sensor: &str, value: f64) -> Reading {
    Reading { sensor: sensor.to_owned(), value }
}

/// The running server, and the runtime for its clients.
pub(crate) struct Server {
    pub(crate) example: Example,
    pub(crate) runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime can be built");
        Self { example: Example::start("grpc"), runtime }
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.example.address()));
        endpoint.expect("a URI").connect().await.expect("the server listens")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::over(self.channel().await)
    }

    /// Scrapes, also from within the runtime.
    pub(crate) fn scrape(&self) -> Exposition {
        tokio::task::block_in_place(|| self.example.scrape())
    }

    pub(crate) fn in_flight(&self) -> f64 {
        self.scrape().sum("http_requests_in_flight")
    }

    /// Waits until one call is in flight.
    pub(crate) fn await_in_flight(&self) {
        assert!(eventually(DEADLINE, || self.in_flight() == 1.0), "{} in flight", self.in_flight());
    }

    /// Checks that exactly these calls, by method, gRPC status and HTTP status, were counted and timed, and none is in flight.
    #[track_caller]
    pub(crate) fn assert_counted(&self, calls: &[([&str; 3], f64)]) -> Exposition {
        let labels = ["endpoint", "grpc_status", "status"];
        let expected: BTreeMap<_, _> =
            calls.iter().map(|(labels, count)| (labels.map(str::to_owned), *count)).collect();
        let total = expected.values().sum::<f64>();
        let counted = || self.example.scrape().sum_by("http_requests_total", labels);
        let done = || {
            let scrape = self.example.scrape();
            scrape.sum_by("http_requests_total", labels) == expected
                && scrape.sum("http_request_duration_seconds_count") == total
                && scrape.sum("http_requests_in_flight") == 0.0
        };
        assert!(eventually(DEADLINE, done), "{:?}", counted());
        self.example.scrape()
    }
}

/// A client of the server through a channel, or through layers around one.
pub(crate) struct Client<S = Channel>(Grpc<S>);

impl<S> Client<S>
where
    S: GrpcService<
            tonic::body::Body,
            Error: Debug,
            ResponseBody: Body<Data = Bytes> + Send + 'static,
        >,
    <S::ResponseBody as Body>::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    pub(crate) fn over(service: S) -> Self {
        Self(Grpc::new(service))
    }

    pub(crate) async fn last(&mut self, sensor: &str) -> Result<Reading, Status> {
        self.unary(LAST, OfSensor { sensor: sensor.to_owned() }).await
    }

    /// A call of any method.
    pub(crate) async fn unary<A, B>(&mut self, method: &str, request: A) -> Result<B, Status>
    where
        A: Message + Send + Sync + 'static,
        B: Message + Default + Send + Sync + 'static,
    {
        self.0.ready().await.expect("it is connected");
        let codec = ProstCodec::<A, B>::default();
        Ok(self.0.unary(Request::new(request), path(method), codec).await?.into_inner())
    }

    pub(crate) async fn record(
        &mut self,
        readings: impl IntoStreamingRequest<Message = Reading>,
    ) -> Result<u64, Status> {
        self.0.ready().await.expect("it is connected");
        let codec = ProstCodec::<Reading, Recorded>::default();
        let recorded =
            self.0.client_streaming(readings.into_streaming_request(), path(RECORD), codec).await?;
        Ok(recorded.into_inner().readings)
    }

    pub(crate) async fn watch(&mut self, sensor: &str) -> Result<Streaming<Reading>, Status> {
        self.0.ready().await.expect("it is connected");
        let codec = ProstCodec::<OfSensor, Reading>::default();
        let request = Request::new(OfSensor { sensor: sensor.to_owned() });
        Ok(self.0.server_streaming(request, path(WATCH), codec).await?.into_inner())
    }

    pub(crate) async fn smooth(
        &mut self,
        readings: impl IntoStreamingRequest<Message = Reading>,
    ) -> Result<Streaming<Reading>, Status> {
        self.0.ready().await.expect("it is connected");
        let codec = ProstCodec::<Reading, Reading>::default();
        let request = readings.into_streaming_request();
        Ok(self.0.streaming(request, path(SMOOTH), codec).await?.into_inner())
    }
}

fn path(method: &str) -> PathAndQuery {
    method.parse().expect("a path")
}

pub(crate) const LAST: &str = "/telemetry.v1.Readings/Last";
pub(crate) const RECORD: &str = "/telemetry.v1.Readings/Record";
pub(crate) const WATCH: &str = "/telemetry.v1.Readings/Watch";
pub(crate) const SMOOTH: &str = "/telemetry.v1.Readings/Smooth";
