//! A minimal OTLP receiver for metrics, over gRPC.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue as Attribute, any_value};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ScopeMetrics, metric::Data};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::servers::free_address;

/// A receiver on a loopback port that stays reserved while the receiver is down.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    pushes: Pushes,
    /// Set while the receiver is up. Dropping it ends the server and its connections.
    runtime: Option<Runtime>,
}

/// The pushes that arrived, in order.
#[derive(Clone, Debug, Default)]
struct Pushes(Arc<Mutex<Vec<Push>>>);

/// One request of a client.
#[derive(Clone, Debug)]
pub struct Push(ExportMetricsServiceRequest);

impl Receiver {
    /// Starts a receiver on a free port.
    #[must_use]
    pub fn start() -> Self {
        let mut this = Self { address: free_address(), pushes: Pushes::default(), runtime: None };
        this.restart();
        this
    }

    /// The URL for exporters.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the receiver without notice to its clients.
    pub fn stop(&mut self) {
        self.runtime = None;
    }

    /// Starts the receiver on its port. It keeps the earlier pushes.
    pub fn restart(&mut self) {
        let runtime = Runtime::new().expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind(self.address));
        let listener = listener.expect("the reserved port is free");
        let service = MetricsServiceServer::new(self.pushes.clone());
        runtime.spawn(
            Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)),
        );
        self.runtime = Some(runtime);
    }

    /// The number of pushes that arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pushes.lock().len()
    }

    /// All pushes, in the order of their arrival.
    #[must_use]
    pub fn all(&self) -> Vec<Push> {
        self.pushes.lock().clone()
    }

    /// The push that arrived last.
    #[must_use]
    pub fn last(&self) -> Option<Push> {
        self.pushes.lock().last().cloned()
    }
}

impl Pushes {
    fn lock(&self) -> MutexGuard<'_, Vec<Push>> {
        self.0.lock().expect("no holder panics")
    }
}

#[tonic::async_trait]
impl MetricsService for Pushes {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.lock().push(Push(request.into_inner()));
        Ok(Response::new(ExportMetricsServiceResponse { partial_success: None }))
    }
}

impl Push {
    /// An attribute of the resource.
    #[must_use]
    pub fn resource(&self, key: &str) -> Option<String> {
        let [resource] = &self.0.resource_metrics[..] else { panic!("one provider, one resource") };
        let attributes = &resource.resource.as_ref()?.attributes;
        let found = attributes.iter().find(|attribute| attribute.key == key)?;
        Some(text(found))
    }

    /// The scopes, with their metrics.
    pub fn scopes(&self) -> impl Iterator<Item = &ScopeMetrics> {
        self.0.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics)
    }

    /// The metrics of all scopes.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.scopes().flat_map(|scope| &scope.metrics)
    }

    /// The sum of all points of this counter, and the earliest start time.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<(i64, u64)> {
        let Data::Sum(sum) = self.metrics().find(|metric| metric.name == name)?.data.as_ref()?
        else {
            return None;
        };
        let values = sum.data_points.iter().map(|point| match point.value {
            Some(Value::AsInt(value)) => value,
            _ => panic!("{name} counts in integers"),
        });
        let start = sum.data_points.iter().map(|point| point.start_time_unix_nano).min()?;
        Some((values.sum(), start))
    }
}

/// The value of an attribute, as a label value.
#[must_use]
pub fn text(attribute: &Attribute) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::BoolValue(value)) => value.to_string(),
        Some(any_value::Value::IntValue(value)) => value.to_string(),
        other => panic!("no test records {other:?}"),
    }
}
