//! The HTTP API: plain axum without metrics code.

use crate::tasks::{Refused, Task, Tasks};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use support::Work;

pub(crate) fn routes(tasks: Tasks) -> Router {
    Router::new()
        .route("/api/v1/tasks", post(submit).get(list))
        .route("/api/v1/tasks/{id}", get(read))
        .route("/api/v1/tasks/{id}/wait", get(wait))
        .route("/api/v1/tasks/{id}/artifact", get(artifact))
        .with_state(tasks)
}

async fn submit(
    State(tasks): State<Tasks>,
    Json(work): Json<Work>,
) -> Result<impl IntoResponse, Failure> {
    let task = tasks.submit(work).await?;
    Ok((StatusCode::ACCEPTED, Json(task)))
}

async fn list(State(tasks): State<Tasks>) -> Result<Json<Vec<Task>>, Failure> {
    Ok(Json(tasks.list().await?))
}

async fn read(State(tasks): State<Tasks>, Path(id): Path<u64>) -> Result<Json<Task>, Failure> {
    tasks.get(id).await?.map(Json).ok_or(Failure::Unknown(id))
}

/// Responds when the task has finished.
async fn wait(State(tasks): State<Tasks>, Path(id): Path<u64>) -> Result<Json<Task>, Failure> {
    tasks.finished(id).await?.map(Json).ok_or(Failure::Unknown(id))
}

/// Always fails, because there is no store of artifacts.
async fn artifact(State(tasks): State<Tasks>, Path(id): Path<u64>) -> Result<(), Failure> {
    Err(match tasks.get(id).await? {
        Some(_) => Failure::NoArtifactStore,
        None => Failure::Unknown(id),
    })
}

enum Failure {
    Unknown(u64),
    Refused(Refused),
    NoArtifactStore,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Unknown(id) => (StatusCode::NOT_FOUND, format!("no task {id}")),
            Self::Refused(Refused::Input(why)) => (StatusCode::BAD_REQUEST, why),
            Self::Refused(Refused::Full) => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many tasks are waiting".to_owned())
            }
            Self::Refused(Refused::Unavailable) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Redis, which stores the tasks, does not respond".to_owned(),
            ),
            Self::NoArtifactStore => {
                (StatusCode::SERVICE_UNAVAILABLE, "no artifact store is configured".to_owned())
            }
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}
