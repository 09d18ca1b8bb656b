//! The labels of gRPC and gRPC-Web calls, for all kinds of responses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Script, Step};
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::future::ready;
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

const OK: &[u8] = b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n";
const NOT_FOUND: &[u8] = b"\x80\x00\x00\x00\x0fgrpc-status:5\r\n";
const MESSAGE: &[u8] = b"\x00\x00\x00\x00\x03abc";
const COMPRESSED: &[u8] = b"\x81\x00\x00\x00\x0fgrpc-status:5\r\n";

/// A call and its response.
struct Call {
    request: &'static str,
    version: Version,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<Step>,
    /// Whether the client reads the body to its end.
    is_read: bool,
}

impl Call {
    fn new(content_type: &'static str, body: &[&[u8]]) -> Self {
        Self {
            request: content_type,
            version: Version::HTTP_11,
            headers: vec![("content-type", content_type)],
            body: body.iter().map(|data| Step::Bytes(data.to_vec())).collect(),
            is_read: true,
        }
    }

    fn web(body: &[&[u8]]) -> Self {
        Self::new("application/grpc-web+proto", body)
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    fn with_trailers(mut self, status: &str) -> Self {
        let status = ("grpc-status".parse().unwrap(), status.parse().unwrap());
        self.body.push(Step::Trailers(HeaderMap::from_iter([status])));
        self
    }

    fn aborted(self) -> Self {
        Self { is_read: false, ..self }
    }

    /// Compares the labels `grpc_status` and `error_type`. An empty string means that there is no label.
    #[track_caller]
    fn assert(self, grpc_status: &str, error_type: &str) {
        let Self { request, version, headers, body, is_read } = self;
        let metrics = Metrics::new();
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&metrics.meter());
        let frames = body.len();
        let mut response = Response::new(Script::new(body));
        for (name, value) in headers {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        let response = std::sync::Arc::new(std::sync::Mutex::new(Some(response)));
        let mut service = layer.unwrap().layer(service_fn(move |_: Request<()>| {
            ready(Ok::<_, Infallible>(response.lock().unwrap().take().unwrap()))
        }));
        let request = Request::post("/x").version(version).header("content-type", request);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut body = service.call(request.body(()).unwrap()).await.unwrap().into_body();
            let mut read = 0;
            while let Some(frame) = {
                let is_left = !is_read && read == frames;
                if is_left { None } else { body.frame().await }
            } {
                frame.unwrap();
                read += 1;
            }
        });
        let label = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!("{name}={value},"),
        };
        let (status, error) = (label("grpc_status", grpc_status), label("error_type", error_type));
        let of = |name| metrics.sums(name).into_keys().collect::<Vec<_>>();
        assert_eq!(of("http_requests"), [format!("endpoint=/x,{status}method=POST,status=200")]);
        let failed = format!("endpoint=/x,{error}{status}method=POST,status=200");
        let failed = if error_type.is_empty() { vec![] } else { vec![failed] };
        assert_eq!(of("http_requests_failed"), failed);
    }
}

// F-01
#[test]
fn the_trailer_frame_in_the_body_is_the_status_of_a_grpc_web_call() {
    Call::web(&[MESSAGE, OK]).assert("OK", "");
    Call::web(&[&[MESSAGE, MESSAGE, NOT_FOUND].concat()]).assert("NOT_FOUND", "client_error");
    Call::new("application/grpc-web-text", &[b"AAAAAANhYmM=", b"gAAAAA9ncnBjLXN0YXR1czowDQo="])
        .assert("OK", "");
    // A response without a body, and one whose body is only the trailer frame.
    Call::web(&[]).with("grpc-status", "5").assert("NOT_FOUND", "client_error");
    Call::web(&[OK]).assert("OK", "");
}

// F-01
#[test]
fn a_call_whose_status_cannot_be_read_has_no_status_label() {
    Call::web(&[MESSAGE, COMPRESSED]).assert("", "");
    Call::web(&[MESSAGE, &OK[..10]]).assert("", "");
    Call::web(&[MESSAGE]).assert("", "");
    Call::web(&[b"<html>"]).assert("", "");
    Call::web(&[]).assert("", "");
}

// F-01, a neighbour: the whole body is compressed, so that it has no readable frames.
#[test]
fn a_body_with_a_content_encoding_is_not_read_as_frames() {
    Call::web(&[NOT_FOUND]).with("content-encoding", "gzip").assert("", "");
    Call::web(&[NOT_FOUND])
        .with("content-encoding", "identity")
        .assert("NOT_FOUND", "client_error");
    Call::web(&[NOT_FOUND])
        .with("content-encoding", "gzip")
        .with("grpc-status", "0")
        .assert("OK", "");
}

// F-01, a neighbour: the response to a gRPC-Web request may be plain gRPC, or no gRPC.
#[test]
fn the_content_type_of_the_response_decides_how_its_body_is_read() {
    let response = |content_type| {
        let mut call = Call::web(&[MESSAGE, NOT_FOUND]);
        call.headers = vec![("content-type", content_type)];
        call
    };
    response("application/grpc").with_trailers("0").assert("OK", "");
    response("application/grpc").assert("UNKNOWN", "server_error");
    response("text/html").assert("UNKNOWN", "server_error");
    response("Application/gRPC-Web+proto").assert("NOT_FOUND", "client_error");
    let mut upper_case = Call::web(&[MESSAGE, NOT_FOUND]);
    upper_case.request = "Application/GRPC-Web";
    upper_case.assert("NOT_FOUND", "client_error");
}

// F-01, a neighbour: the trailer frame is the end, even if the body is not polled again.
#[test]
fn a_body_dropped_after_its_trailer_frame_is_complete_and_before_it_aborted() {
    Call::web(&[MESSAGE, OK]).aborted().assert("OK", "");
    Call::web(&[MESSAGE, NOT_FOUND]).aborted().assert("NOT_FOUND", "client_error");
    Call::web(&[MESSAGE, &OK[..19]]).aborted().assert("CANCELLED", "aborted");
    Call::web(&[MESSAGE]).aborted().assert("CANCELLED", "aborted");
    // HTTP/1 servers drop a body once its declared length is written.
    Call::web(&[MESSAGE, OK]).with("content-length", "28").aborted().assert("OK", "");
}

// F-03
#[test]
fn the_length_of_a_grpc_response_is_checked_like_any_other() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let call = |length| {
            Call::new("application/grpc", &[MESSAGE])
                .version(version)
                .with("content-length", length)
        };
        call("8").with_trailers("0").assert("OK", "");
        call("9").with_trailers("0").assert("OK", "content_length_mismatch");
        call("7").with_trailers("0").assert("UNKNOWN", "content_length_mismatch");
        // The last byte is not the end, because the client has no status yet.
        call("8").aborted().assert("CANCELLED", "aborted");
        let web =
            |length| Call::web(&[MESSAGE, OK]).version(version).with("content-length", length);
        web("28").assert("OK", "");
        web("29").assert("OK", "content_length_mismatch");
        web("27").assert("OK", "content_length_mismatch");
    }
}
