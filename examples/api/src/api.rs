//! The HTTP API: plain axum without metrics code.

use crate::event::{Event, Submission};
use crate::events::{Events, Failure, Recorded};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

pub(crate) fn routes(events: Events) -> Router {
    Router::new()
        .route("/v1/events", post(record).get(list))
        .route("/v1/events/{id}", get(read))
        .with_state(events)
}

/// 201 for a new event. 200 with the stored event if its id exists, so that a client that got no
/// response can send the event again.
async fn record(
    State(events): State<Events>,
    Json(submission): Json<Submission>,
) -> Result<(StatusCode, Json<Event>), Failure> {
    Ok(match events.record(submission).await? {
        Recorded::New(event) => (StatusCode::CREATED, Json(event)),
        Recorded::Known(event) => (StatusCode::OK, Json(event)),
    })
}

#[derive(Deserialize)]
struct Page {
    #[serde(default = "Page::default_limit")]
    limit: u16,
}

impl Page {
    const LARGEST: u16 = 1_000;

    fn default_limit() -> u16 {
        100
    }
}

/// Lists the newest events first.
async fn list(
    State(events): State<Events>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Event>>, Failure> {
    if !(1..=Page::LARGEST).contains(&page.limit) {
        let problem = format!("invalid limit {}: must be 1 to {}", page.limit, Page::LARGEST);
        return Err(Failure::Invalid(problem));
    }
    Ok(Json(events.newest(page.limit).await?))
}

async fn read(
    State(events): State<Events>,
    Path(id): Path<String>,
) -> Result<Json<Event>, Failure> {
    events.get(&id).await.map(Json)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::OverQuota => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}
