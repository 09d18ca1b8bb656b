//! The rules of the builder for settings one by one, as a configuration needs them to name the
//! line of a value.

use super::{
    base_url::Base,
    cors::Cors,
    error::{QueryProxyError, QueryProxyErrorKind},
    params::duration,
    settings::Settings,
};
use crate::redact;
use std::time::Duration;

pub(crate) use super::settings::Settings as Defaults;

pub(crate) fn defaults() -> Defaults {
    Defaults::default()
}

pub(crate) fn url(url: String) -> Result<String, String> {
    Base::parse(&url).map_err(words)?;
    Ok(url)
}

pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse(text)?;
    Settings { timeout, ..Settings::default() }.check().map_err(words)?;
    Ok(timeout)
}

pub(crate) fn max_points(points: u64) -> Result<u32, String> {
    let refused = |_| words(QueryProxyErrorKind::MaxPoints(points).into());
    let max_points = u32::try_from(points).map_err(refused)?;
    Settings { max_points, ..Settings::default() }.check().map_err(words)?;
    Ok(max_points)
}

pub(crate) fn max_in_flight(queries: u64) -> Result<usize, String> {
    let refused = |_| words(QueryProxyErrorKind::MaxInFlight(queries).into());
    let max_in_flight = usize::try_from(queries).map_err(refused)?;
    Settings { max_in_flight, ..Settings::default() }.check().map_err(words)?;
    Ok(max_in_flight)
}

pub(crate) fn max_answer_bytes(max_answer_bytes: u64) -> Result<u64, String> {
    Settings { max_answer_bytes, ..Settings::default() }.check().map_err(words)?;
    Ok(max_answer_bytes)
}

pub(crate) fn services_window(text: &str) -> Result<Duration, String> {
    let services_window = parse(text)?;
    Settings { services_window, ..Settings::default() }.check().map_err(words)?;
    Ok(services_window)
}

pub(crate) fn cors_origins(origins: Vec<String>) -> Result<Vec<String>, String> {
    Cors::new(origins.clone()).map_err(words)?;
    Ok(origins)
}

fn parse(text: &str) -> Result<Duration, String> {
    let millis = duration::parse(text).map(Duration::from_millis);
    millis.ok_or_else(|| {
        format!(
            "`{}` is not a duration: allowed are `30s`, `1m30s`, `500ms`, …",
            redact::text(text)
        )
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn words(error: QueryProxyError) -> String {
    error.to_string()
}
