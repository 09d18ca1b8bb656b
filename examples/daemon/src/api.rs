//! The HTTP API: plain axum without metrics code.

use crate::watch::{self, Order, Status, Watch};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

pub(crate) fn routes(watch: Watch) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/status/{state}", get(reached))
        .route("/api/v1/pause", post(pause))
        .route("/api/v1/resume", post(resume))
        .with_state(watch)
}

async fn status(State(watch): State<Watch>) -> Json<Status> {
    Json(watch.status())
}

/// Responds when the daemon is in this state.
async fn reached(
    State(watch): State<Watch>,
    Path(state): Path<watch::State>,
) -> Result<Json<Status>, StatusCode> {
    watch.reached(state).await.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

async fn pause(State(watch): State<Watch>) -> Result<Json<Status>, StatusCode> {
    ordered(&watch, Order::Pause).await
}

async fn resume(State(watch): State<Watch>) -> Result<Json<Status>, StatusCode> {
    ordered(&watch, Order::Resume).await
}

async fn ordered(watch: &Watch, order: Order) -> Result<Json<Status>, StatusCode> {
    watch.order(order).await.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}
