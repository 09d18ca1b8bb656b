//! The orchestrator with its feature `traces`, and a real receiver of its spans.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use asdlc_tests::example::{Example, command_with};
use asdlc_tests::wait::{DEADLINE, eventually};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request as Call, Response as Answer, Status};

use super::traffic::TASKS;

// X-15
#[test]
fn the_exemplar_of_a_sampled_request_is_the_span_that_the_receiver_has() {
    let receiver = Receiver::start();
    let orchestrator = start(&receiver);
    let (sampled, not_sampled) =
        ("4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c");
    // One of each: the second endpoint of the unsampled trace is of its own, so that its bucket has no other request.
    send(&orchestrator, "GET", TASKS, &format!("00-{sampled}-00f067aa0ba902b7-01"), "");
    send(&orchestrator, "GET", "/health", &format!("00-{not_sampled}-00f067aa0ba902b7-00"), "");

    let span = receiver.await_span(|span| span.name == format!("GET {TASKS}"));
    assert_eq!(hex(&span.trace_id), sampled);
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    let exemplars = exemplars(&orchestrator);
    for metric in [DURATION, REQUESTS] {
        let found = of(&exemplars, metric, &[&format!("endpoint=\"{TASKS}\"")]);
        assert_eq!(found, [(sampled.to_owned(), hex(&span.span_id))], "{exemplars:#?}");
    }
    assert_eq!(of(&exemplars, "", &["endpoint=\"/health\""]), []);
    orchestrator.terminate();
    let finished = orchestrator.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    // All spans have been exported now.
    let spans = receiver.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) != not_sampled), "{spans:#?}");
}

// X-15
#[test]
fn the_exemplar_of_a_task_is_its_own_span() {
    let receiver = Receiver::start();
    let orchestrator = start(&receiver);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let task = r#"{"kind":"word_count","input":"to be or not to be"}"#;
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    send(&orchestrator, "POST", TASKS, &traceparent, task);
    let span = receiver.await_span(|span| span.name == "task");
    let ids = (hex(&span.trace_id), hex(&span.span_id));
    let exemplars = exemplars(&orchestrator);
    for metric in ["asdlc_tasks_processed_total", "asdlc_task_duration_seconds_bucket"] {
        assert_eq!(of(&exemplars, metric, &[]), std::slice::from_ref(&ids), "{exemplars:#?}");
    }
}

// X-15
#[test]
fn without_a_receiver_the_feature_changes_nothing() {
    let mut command = command_with("orchestrator", "traces", "orchestrator-traces");
    command.env("LISTEN_ADDR", "127.0.0.1:0");
    let orchestrator = Example::spawn(command);
    send(
        &orchestrator,
        "GET",
        TASKS,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "",
    );
    let exemplars = exemplars(&orchestrator);
    // As without the feature: the span of the client.
    let expected = ("4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), "00f067aa0ba902b7".to_owned());
    assert_eq!(of(&exemplars, REQUESTS, &[]), [expected], "{exemplars:#?}");
}

fn start(receiver: &Receiver) -> Example {
    let mut command = command_with("orchestrator", "traces", "orchestrator-traces");
    command.env("LISTEN_ADDR", "127.0.0.1:0");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address));
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
    Example::spawn(command)
}

fn send(orchestrator: &Example, method: &str, path: &str, traceparent: &str, body: &'static str) {
    let request = Request::builder().method(method).uri(path).header("traceparent", traceparent);
    let request = request.header("content-type", "application/json").body(body);
    let response: Response<Bytes> = orchestrator.connect().send(request.expect("a request"));
    assert!(response.status().is_success(), "{response:?}");
}

/// The exemplars of a scrape: the ids of each, by the name and the labels of its series.
fn exemplars(orchestrator: &Example) -> BTreeMap<String, (String, String)> {
    let request =
        Request::get("/metrics").header("accept", "application/openmetrics-text").body("");
    let response = orchestrator.connect().send(request.expect("a request"));
    assert_eq!(response.status(), StatusCode::OK);
    let text = String::from_utf8(response.into_body().into()).expect("text");
    let exemplar = |line: &str| {
        let (sample, exemplar) = line.split_once(" # {trace_id=\"")?;
        let (trace, rest) = exemplar.split_once("\",span_id=\"")?;
        let (span, _) = rest.split_once('"')?;
        let (series, _) = sample.rsplit_once(' ')?;
        Some((series.to_owned(), (trace.to_owned(), span.to_owned())))
    };
    text.lines().filter_map(exemplar).collect()
}

/// The ids of the exemplars of series with this name and these labels.
fn of(
    exemplars: &BTreeMap<String, (String, String)>,
    name: &str,
    labels: &[&str],
) -> Vec<(String, String)> {
    let is_of = |series: &str| {
        series.starts_with(name) && labels.iter().all(|label| series.contains(label))
    };
    exemplars.iter().filter(|(series, _)| is_of(series)).map(|(_, ids)| ids.clone()).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Receives spans with OTLP over gRPC.
struct Receiver {
    address: SocketAddr,
    spans: Spans,
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

impl Receiver {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone());
        runtime.spawn(
            Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)),
        );
        Self { address, spans, _runtime: runtime }
    }

    /// The spans that have arrived.
    fn spans(&self) -> Vec<Span> {
        self.spans.0.lock().expect("no holder panics").clone()
    }

    /// Waits for a span.
    #[track_caller]
    fn await_span(&self, is_it: impl Fn(&Span) -> bool) -> Span {
        let find = || self.spans().into_iter().find(&is_it);
        assert!(eventually(DEADLINE, || find().is_some()), "{:#?}", self.spans());
        find().expect("it is there")
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Call<ExportTraceServiceRequest>,
    ) -> Result<Answer<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|it| it.scope_spans).flat_map(|it| it.spans);
        self.0.lock().expect("no holder panics").extend(spans);
        Ok(Answer::new(ExportTraceServiceResponse { partial_success: None }))
    }
}

const DURATION: &str = "asdlc_http_request_duration_seconds_bucket";
const REQUESTS: &str = "asdlc_http_requests_total";
