//! The HTTP API: plain axum without metrics code.

use crate::artifacts::{Artifacts, LARGEST_ARTIFACT, StoreFailure};
use crate::tasks::{Refused, Task, Tasks};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use support::Work;

pub(crate) fn routes(tasks: Tasks, artifacts: Artifacts) -> Router {
    let artifact = get(artifact).put(put_artifact).layer(DefaultBodyLimit::max(LARGEST_ARTIFACT));
    let artifacts = Router::new()
        .route("/api/v1/tasks/{id}/artifact", artifact)
        .with_state((tasks.clone(), artifacts));
    Router::new()
        .route("/api/v1/tasks", post(submit).get(list))
        .route("/api/v1/tasks/{id}", get(read))
        .route("/api/v1/tasks/{id}/wait", get(wait))
        .with_state(tasks)
        .merge(artifacts)
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

/// The file that belongs to a task, as it was uploaded.
async fn artifact(
    State((tasks, artifacts)): State<(Tasks, Artifacts)>,
    Path(id): Path<u64>,
) -> Result<Bytes, Failure> {
    tasks.get(id).await?.ok_or(Failure::Unknown(id))?;
    artifacts.get(tasks.artifact_name(id)).await?.ok_or(Failure::NoArtifact(id))
}

async fn put_artifact(
    State((tasks, artifacts)): State<(Tasks, Artifacts)>,
    Path(id): Path<u64>,
    artifact: Bytes,
) -> Result<StatusCode, Failure> {
    tasks.get(id).await?.ok_or(Failure::Unknown(id))?;
    artifacts.put(tasks.artifact_name(id), artifact).await?;
    Ok(StatusCode::NO_CONTENT)
}

enum Failure {
    Unknown(u64),
    Refused(Refused),
    NoArtifact(u64),
    Store(StoreFailure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreFailure> for Failure {
    fn from(failure: StoreFailure) -> Self {
        Self::Store(failure)
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
            Self::NoArtifact(id) => (StatusCode::NOT_FOUND, format!("task {id} has no artifact")),
            Self::Store(StoreFailure::Unavailable) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the artifact store cannot be used".to_owned())
            }
            Self::Store(StoreFailure::TimedOut) => (
                StatusCode::GATEWAY_TIMEOUT,
                "the artifact store did not respond in time".to_owned(),
            ),
            Self::Store(StoreFailure::Responded(status)) => {
                (StatusCode::BAD_GATEWAY, format!("the artifact store responded with {status}"))
            }
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}
