//! An OTLP receiver for metrics and spans.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics, metric::Data};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

pub(crate) struct Receiver {
    address: SocketAddr,
    requests: Requests,
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Requests {
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    spans: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

/// What a service pushed, without what differs from run to run: times and ids.
#[derive(Default)]
pub(crate) struct Received {
    /// The encoded metrics of the service itself, with its resource.
    pub(crate) metrics: Vec<u8>,
    pub(crate) metric_names: Vec<String>,
    /// The names of the metrics of our layers.
    pub(crate) our_metric_names: Vec<String>,
    /// The encoded spans, with their resource.
    pub(crate) spans: Vec<u8>,
    pub(crate) span_names: Vec<String>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let requests = Requests::default();
        runtime.spawn(
            Server::builder()
                .add_service(MetricsServiceServer::new(requests.clone()))
                .add_service(TraceServiceServer::new(requests.clone()))
                .serve_with_incoming(TcpIncoming::from(listener)),
        );
        Self { address, requests, _runtime: runtime }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn has_both(&self) -> bool {
        let Requests { metrics, spans } = &self.requests;
        let are_there = !metrics.lock().expect("no holder panics").is_empty();
        are_there && !spans.lock().expect("no holder panics").is_empty()
    }

    /// What arrived. The service has ended, so nothing more arrives.
    pub(crate) fn received(&self) -> Received {
        let Requests { metrics, spans } = &self.requests;
        let mut received = Received::default();
        let metrics = metrics.lock().expect("no holder panics");
        let [push] = &metrics[..] else { panic!("one push at the end: {metrics:?}") };
        for resource in &push.resource_metrics {
            let mut resource = resource.clone();
            let is_ours = |name: &str| name.ends_with("-asdlc-metrics");
            let scope_name = |scope: &ScopeMetrics| scope.scope.clone().map(|scope| scope.name);
            resource.scope_metrics.sort_by_key(scope_name);
            resource.scope_metrics.retain_mut(|scope| {
                let is_ours = scope.scope.as_ref().is_some_and(|scope| is_ours(&scope.name));
                scope.metrics.sort_by(|a, b| a.name.cmp(&b.name));
                let names = scope.metrics.iter().map(|metric| metric.name.clone());
                let known = if is_ours {
                    &mut received.our_metric_names
                } else {
                    &mut received.metric_names
                };
                known.extend(names);
                !is_ours
            });
            without_times(&mut resource);
            received.metrics.extend(resource.encode_to_vec());
        }
        let mut all = Vec::new();
        for push in &*spans.lock().expect("no holder panics") {
            for resource in &push.resource_spans {
                let mut about = resource.clone();
                about.scope_spans.clear();
                sort_attributes(&mut about.resource);
                for scope in &resource.scope_spans {
                    for span in &scope.spans {
                        let mut span = span.clone();
                        received.span_names.push(span.name.clone());
                        (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 0);
                        (span.trace_id, span.span_id) = (Vec::new(), Vec::new());
                        let mut bytes = about.encode_to_vec();
                        bytes.extend(scope.scope.iter().flat_map(prost::Message::encode_to_vec));
                        bytes.extend(span.encode_to_vec());
                        all.push(bytes);
                    }
                }
            }
        }
        all.sort();
        received.spans = all.concat();
        received
    }
}

/// Takes the times out, and sorts what the SDK returns in the order of its hash maps.
fn without_times(resource: &mut ResourceMetrics) {
    sort_attributes(&mut resource.resource);
    for metric in resource.scope_metrics.iter_mut().flat_map(|scope| &mut scope.metrics) {
        match metric.data.as_mut().expect("a metric has data") {
            Data::Sum(sum) => {
                for point in &mut sum.data_points {
                    (point.start_time_unix_nano, point.time_unix_nano) = (0, 0);
                    point.attributes.sort_by(|a, b| a.key.cmp(&b.key));
                }
                sum.data_points.sort_by_key(prost::Message::encode_to_vec);
            }
            Data::Histogram(histogram) => {
                for point in &mut histogram.data_points {
                    (point.start_time_unix_nano, point.time_unix_nano) = (0, 0);
                }
                histogram.data_points.sort_by_key(prost::Message::encode_to_vec);
            }
            other => panic!("the service has no {other:?}"),
        }
    }
}

fn sort_attributes(resource: &mut Option<opentelemetry_proto::tonic::resource::v1::Resource>) {
    let resource = resource.as_mut().expect("the service has a resource");
    resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
}

#[tonic::async_trait]
impl MetricsService for Requests {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().expect("no holder panics").push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse { partial_success: None }))
    }
}

#[tonic::async_trait]
impl TraceService for Requests {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.spans.lock().expect("no holder panics").push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
    }
}
