//! Artifacts of tasks, in files of this process or in an HTTP store.

mod in_files;
mod over_http;

use axum::body::Bytes;
use axum::http::StatusCode;

pub(crate) use in_files::InFiles;
pub(crate) use over_http::OverHttp;

#[derive(Clone)]
pub(crate) enum Artifacts {
    /// Temporary files, which are removed when the program ends.
    InFiles(InFiles),
    /// Another server stores them.
    OverHttp(OverHttp),
}

/// Why the store has failed. Only the log has the details.
pub(crate) enum StoreFailure {
    Unavailable,
    TimedOut,
    /// The HTTP store responded with a status that is not expected.
    Responded(StatusCode),
}

impl Artifacts {
    /// Stores an artifact. It replaces one of the same name.
    pub(crate) async fn put(&self, name: String, artifact: Bytes) -> Result<(), StoreFailure> {
        match self {
            Self::InFiles(artifacts) => artifacts.put(name, artifact).await,
            Self::OverHttp(artifacts) => artifacts.put(&name, artifact).await,
        }
    }

    /// Reads an artifact. `None` if there is none of this name.
    pub(crate) async fn get(&self, name: String) -> Result<Option<Bytes>, StoreFailure> {
        match self {
            Self::InFiles(artifacts) => artifacts.get(name).await,
            Self::OverHttp(artifacts) => artifacts.get(&name).await,
        }
    }
}

/// The largest artifact, in bytes.
pub(crate) const LARGEST_ARTIFACT: usize = 1024 * 1024;
