//! Swagger UI, the page that shows the `OpenAPI` document. Its files are part of this program.

use bytes::Bytes;
use http::HeaderValue;
use std::sync::{Arc, LazyLock};
use utoipa_swagger_ui::Config;

pub(super) struct PageFile {
    pub(super) content_type: HeaderValue,
    pub(super) bytes: Bytes,
}

/// A file of the page. The empty name is the page itself.
pub(super) fn file(name: &str) -> Option<PageFile> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)).ok()??;
    let content_type = HeaderValue::try_from(file.content_type).ok()?;
    Some(PageFile { content_type, bytes: file.bytes.into_owned().into() })
}

/// The document is next to the folder of the page. Without the validator "none", the page would send
/// its address to a validator on the internet.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("../openapi.json").validator_url("none")));
