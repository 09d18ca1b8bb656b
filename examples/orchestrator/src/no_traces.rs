//! Without the feature `traces` there are no spans to export.

use axum::Router;
use std::error::Error;
use tracing_subscriber::layer::Identity;

pub(crate) struct Traces;

impl Traces {
    pub(crate) fn from_env(_service: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self)
    }

    pub(crate) fn layer(&self) -> Identity {
        Identity::new()
    }

    pub(crate) fn around(&self, app: Router) -> Router {
        app
    }

    pub(crate) async fn shutdown(self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }
}
