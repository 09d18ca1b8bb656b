//! Artifacts in a temporary directory of this process.

use super::StoreFailure;
use axum::body::Bytes;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, io};
use tokio::task::spawn_blocking;

#[derive(Clone, Default)]
pub(crate) struct InFiles(Arc<Directory>);

/// Created for the first artifact, so that the program also starts on a read-only file system. Removed when the program ends.
struct Directory {
    path: PathBuf,
    /// Oldest first.
    names: Mutex<VecDeque<String>>,
}

impl InFiles {
    pub(crate) async fn put(&self, name: String, artifact: Bytes) -> Result<(), StoreFailure> {
        self.blocking(move |directory| directory.write(name, &artifact)).await
    }

    pub(crate) async fn get(&self, name: String) -> Result<Option<Bytes>, StoreFailure> {
        self.blocking(move |directory| directory.read(&name)).await
    }

    /// Runs `work` on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreFailure> {
        let directory = Arc::clone(&self.0);
        let done = spawn_blocking(move || work(&directory)).await.map_err(io::Error::other);
        done.flatten().map_err(|error| {
            tracing::warn!(%error, "{} cannot be used", self.0.path.display());
            StoreFailure::Unavailable
        })
    }
}

impl Directory {
    fn write(&self, name: String, artifact: &[u8]) -> io::Result<()> {
        self.create()?;
        // The file gets its name when it is complete, so a request never reads a part of it.
        let part = self.path.join(format!("{:016x}.part", random()));
        fs::write(&part, artifact)
            .and_then(|()| fs::rename(&part, self.path.join(&name)))
            // If the part cannot be removed now, it is removed with the directory.
            .inspect_err(|_| drop(fs::remove_file(&part)))?;
        match self.add(name) {
            Some(oldest) => fs::remove_file(self.path.join(oldest)),
            None => Ok(()),
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<Bytes>> {
        match fs::read(self.path.join(name)) {
            Ok(artifact) => Ok(Some(artifact.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a name. Returns the oldest one if there are too many.
    fn add(&self, name: String) -> Option<String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|other| *other != name);
        names.push_back(name);
        if names.len() > MAX_ARTIFACTS { names.pop_front() } else { None }
    }

    fn create(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        // Other users share the system's temporary directory.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            created => created,
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        let path = env::temp_dir().join(format!("orchestrator-{:016x}", random()));
        Self { path, names: Mutex::default() }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It does not exist if there was no artifact.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// As many as there are tasks in this process.
const MAX_ARTIFACTS: usize = 1_000;
