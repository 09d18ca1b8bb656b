//! The page that shows the `OpenAPI` document: Swagger UI, from this program.

use bytes::Bytes;
use http::HeaderValue;
use std::sync::{Arc, LazyLock};
use utoipa_swagger_ui::Config;

pub(super) struct File {
    pub(super) content_type: HeaderValue,
    pub(super) bytes: Bytes,
}

/// A file of the page; the empty name is the page itself.
pub(super) fn file(name: &str) -> Option<File> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)).ok()??;
    let content_type = HeaderValue::try_from(file.content_type).ok()?;
    Some(File { content_type, bytes: file.bytes.into_owned().into() })
}

/// The document beside the folder of the page. Without «none» the page sends its address to a
/// validator on the internet.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("../openapi.json").validator_url("none")));
