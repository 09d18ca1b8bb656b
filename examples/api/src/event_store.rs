//! The event store: an HTTP service that stores each event.

use crate::event::Event;
use crate::unavailable::{Unavailable, with_timeout};
use asdlc_exporter::health::{Check, HttpCheck};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use std::error::Error;
use std::fmt;

#[derive(Clone)]
pub(crate) struct EventStore {
    client: Client<HttpConnector, Full<Bytes>>,
    events: Uri,
    check: HttpCheck,
}

impl EventStore {
    pub(crate) fn new(url: &str) -> Result<Self, Box<dyn Error>> {
        let url = url.trim_end_matches('/');
        let check = HttpCheck::new(&format!("{url}/health"))
            .map_err(|error| format!("EVENT_STORE_URL: {error}"))?;
        let events = format!("{url}/events").parse()?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), events, check })
    }

    /// Returns when the store has the event. The store must treat an event with the same id as the same event.
    pub(crate) async fn append(&self, event: &Event) -> Result<(), Unavailable> {
        let Event { id, source, kind, data, received_ms: _ } = event;
        let body = json!({ "id": id, "source": source, "type": kind, "data": data }).to_string();
        with_timeout("event store", async {
            let request = Request::post(&self.events)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::from(body))?;
            let response = self.client.request(request).await?;
            let status = response.status();
            // A connection can be reused only after the body has been read.
            response.into_body().collect().await?;
            if !status.is_success() {
                return Err(format!("the response was {status}").into());
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
        .await
    }

    pub(crate) fn check(&self) -> impl Check + use<> {
        self.check.clone()
    }
}

impl fmt::Display for EventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.fmt(f)
    }
}
