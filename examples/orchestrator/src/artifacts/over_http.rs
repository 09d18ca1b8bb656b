//! Artifacts in an HTTP store: `PUT` and `GET` of `URL/NAME`.

use super::{LARGEST_ARTIFACT, StoreFailure};
use asdlc_exporter::Exporter;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::uri::Scheme;
use axum::http::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_asdlc_metrics::HttpClientMetricsLayer;

#[derive(Clone)]
pub(crate) struct OverHttp {
    /// Without a slash at the end.
    url: String,
    client: BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>,
}

impl OverHttp {
    /// Does not connect yet; the first request does.
    pub(crate) fn open(url: &str, exporter: &Exporter) -> Result<Self, Box<dyn Error>> {
        if !is_valid(url) {
            // The value is not repeated, because its path may contain a token.
            return Err("invalid ARTIFACT_STORE_URL: must be http://HOST:PORT/PATH".into());
        }
        let metrics = HttpClientMetricsLayer::builder().with_hyper_util_errors().build(exporter)?;
        let client = ServiceBuilder::new()
            .boxed_clone_sync()
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(metrics)
            // Inside of the metrics layer. Outside of it, the layer would only see that the request was dropped: `cancelled`.
            .timeout(TIMEOUT)
            .service(Client::builder(TokioExecutor::new()).build_http());
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client })
    }

    pub(crate) async fn put(&self, name: &str, artifact: Bytes) -> Result<(), StoreFailure> {
        match self.send(Method::PUT, name, artifact).await? {
            (status, _) if status.is_success() => Ok(()),
            (status, _) => Err(StoreFailure::Responded(status)),
        }
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreFailure> {
        match self.send(Method::GET, name, Bytes::new()).await? {
            (StatusCode::OK, artifact) => Ok(Some(artifact)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, _) => Err(StoreFailure::Responded(status)),
        }
    }

    /// Sends a request and reads the whole response.
    async fn send(
        &self,
        method: Method,
        name: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), StoreFailure> {
        let exchange = async {
            let request = Request::builder().method(method).uri(format!("{}/{name}", self.url));
            let response = self.client.clone().oneshot(request.body(body.into())?).await?;
            let status = response.status();
            let body = to_bytes(response.into_body(), LARGEST_ARTIFACT);
            // The timeout of the client covers only the time to the head of the response.
            Ok((status, tokio::time::timeout(TIMEOUT, body).await??))
        };
        exchange.await.map_err(|error: BoxError| {
            tracing::warn!(error = &*error, "the artifact store cannot be used");
            if error.is::<tower::timeout::error::Elapsed>()
                || error.is::<tokio::time::error::Elapsed>()
            {
                StoreFailure::TimedOut
            } else {
                StoreFailure::Unavailable
            }
        })
    }
}

/// Whether it is `http://HOST:PORT/PATH`. The port may be missing, and the path too.
fn is_valid(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    // `port_u16` is `None` without a port, and also if the port is not a number.
    let has_port = authority.port_u16().is_some_and(|port| port > 0);
    uri.scheme() == Some(&Scheme::HTTP)
        && !authority.host().is_empty()
        && (has_port || authority.as_str() == authority.host())
        && !url.contains(['@', '?', '#'])
}

/// How long the store may take to begin its response, and then to send it.
const TIMEOUT: Duration = Duration::from_secs(2);
