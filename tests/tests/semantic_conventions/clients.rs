//! What the clients send: each ending of an HTTP request and of a gRPC call, through the layer.

use std::io;
use std::net::SocketAddr;

use asdlc_tests::servers::free_address;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_asdlc_metrics::{
    Endpoint, HttpClientMetricsLayer, RequestBody, TonicMethod, endpoint_fn,
};

use super::Setup;
use super::servers::{ITEM, Servers};

/// Sends all requests. Returns an address without a server, to which a request was sent too.
pub(crate) async fn send_all(
    provider: &SdkMeterProvider,
    setup: Setup,
    servers: &Servers,
) -> SocketAddr {
    let metrics = layer(provider, setup, servers);
    let client = |is_http2| {
        let mut client = Client::builder(TokioExecutor::new());
        client.http2_only(is_http2).retry_canceled_requests(false).pool_max_idle_per_host(0);
        let layers = ServiceBuilder::new().layer(metrics.clone());
        layers.layer(metrics.request_body_layer()).service(client.build_http())
    };
    let (http_1, http_2) = (client(false), client(true));
    let request = |method: &str, path: &str| {
        let request = Request::builder().method(method);
        let request = request.uri(format!("http://{}{path}", servers.http));
        request.body(Full::from("hello")).expect("a request")
    };
    let get = |path| send(&http_1, request("GET", path));

    for method in ["GET", "QUERY", "BREW"] {
        read(send(&http_1, request(method, "/items/7")).await.expect("a response")).await;
    }
    read(send(&http_1, request("POST", "/upload")).await.expect("a response")).await;
    read(send(&http_2, request("GET", "/items/7")).await.expect("a response")).await;
    for path in ["/nowhere", "/unavailable"] {
        read(get(path).await.expect("a response")).await;
    }
    get("/panic").await.expect_err("the connection is closed");
    tokio::select! {
        _ = get("/held") => panic!("there is no response"),
        held = servers.held.acquire() => held.expect("it is open").forget(),
    }
    let mut stream = get("/stream").await.expect("a response");
    stream.frame().await.expect("a frame").expect("it arrives");
    drop(stream);
    let mut broken = get("/broken").await.expect("a response");
    broken.frame().await.expect("a frame").expect("it arrives");
    let error = Err(io::Error::other("on purpose"));
    servers.broken.send(error).await.expect("the response is open");
    broken.collect().await.expect_err("the body is not complete");
    let closed = free_address();
    let refused = Request::get(format!("http://{closed}/items/7")).body(Full::from("hello"));
    send(&http_1, refused.expect("a request")).await.expect_err("no server listens");

    call_all(&metrics, servers.grpc).await;
    closed
}

async fn call_all(metrics: &HttpClientMetricsLayer, server: SocketAddr) {
    let channel = Channel::from_shared(format!("http://{server}")).expect("a URI");
    let channel = channel.connect().await.expect("the server listens");
    let service = ServiceBuilder::new()
        .layer(metrics.clone())
        .layer(metrics.request_body_layer())
        .map_request(|request: Request<RequestBody<tonic::body::Body>>| {
            request.map(tonic::body::Body::new)
        })
        .service(channel);

    let mut health = HealthClient::new(service.clone());
    let of = |service: &str| HealthCheckRequest { service: service.to_owned() };
    health.check(of("known")).await.expect("it is known");
    let unknown = health.check(of("unknown")).await.expect_err("it is not known");
    assert_eq!(unknown.code(), Code::NotFound);

    let mut watch = health.watch(of("known")).await.expect("it is known").into_inner();
    watch.message().await.expect("the stream continues").expect("the first status");
    drop(watch);

    let mut reflection = ServerReflectionClient::new(service.clone());
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection.server_reflection_info(tokio_stream::iter([list])).await;
    let mut answers = answers.expect("a response").into_inner();
    while answers.message().await.expect("the stream continues").is_some() {}

    let mut other = tonic::client::Grpc::new(service);
    other.ready().await.expect("it is connected");
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ()>::default();
    let path = PathAndQuery::from_static("/other.Service/Call");
    let status = other.unary(tonic::Request::new(of("")), path, codec).await;
    assert_eq!(status.expect_err("there is no such method").code(), Code::Unimplemented);
}

fn layer(provider: &SdkMeterProvider, setup: Setup, servers: &Servers) -> HttpClientMetricsLayer {
    let mut builder = HttpClientMetricsLayer::builder()
        .with_conventions(setup.conventions)
        .with_default_host(servers.grpc.to_string())
        .with_endpoint(TonicMethod)
        .with_tonic_errors();
    if setup.has_opt_in {
        let endpoint = TonicMethod.or(endpoint_fn(|head| match head.uri().path() {
            "/nowhere" => None,
            "/items/7" => Some(ITEM),
            path => path.split('/').count().eq(&2).then_some(path),
        }));
        builder = builder.with_active_requests().with_body_sizes().with_endpoint(endpoint);
        builder = builder.with_hosts([servers.http, servers.grpc].map(|host| host.to_string()));
    }
    builder.build(provider).expect("the settings are valid")
}

async fn send<S, B>(client: &S, request: Request<Full<Bytes>>) -> Result<Response<B>, S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
{
    client.clone().oneshot(request).await
}

async fn read<B: http_body::Body<Error: std::fmt::Debug>>(response: Response<B>) {
    response.collect().await.expect("the body ends");
}
