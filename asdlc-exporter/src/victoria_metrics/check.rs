//! Checks the settings one by one for `config`, so that the error of a configuration file has the
//! line of the value.

use super::{
    base_url::BaseUrl,
    cors::Cors,
    error::{QueryProxyError, QueryProxyErrorKind},
    params::duration,
};
use crate::redact;
use std::time::Duration;

pub(crate) use super::settings::Settings;

pub(crate) fn url(url: String) -> Result<String, String> {
    BaseUrl::parse(&url).map_err(message)?;
    Ok(url)
}

pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    Settings { timeout, ..Settings::default() }.check().map_err(message)?;
    Ok(timeout)
}

pub(crate) fn max_points(points: u64) -> Result<u32, String> {
    let invalid = |_| message(QueryProxyErrorKind::MaxPoints(points).into());
    let max_points = u32::try_from(points).map_err(invalid)?;
    Settings { max_points, ..Settings::default() }.check().map_err(message)?;
    Ok(max_points)
}

pub(crate) fn max_in_flight(queries: u64) -> Result<usize, String> {
    let invalid = |_| message(QueryProxyErrorKind::MaxInFlight(queries).into());
    let max_in_flight = usize::try_from(queries).map_err(invalid)?;
    Settings { max_in_flight, ..Settings::default() }.check().map_err(message)?;
    Ok(max_in_flight)
}

pub(crate) fn max_response_bytes(max_response_bytes: u64) -> Result<u64, String> {
    Settings { max_response_bytes, ..Settings::default() }.check().map_err(message)?;
    Ok(max_response_bytes)
}

pub(crate) fn services_window(text: &str) -> Result<Duration, String> {
    let services_window = parse_duration(text)?;
    Settings { services_window, ..Settings::default() }.check().map_err(message)?;
    Ok(services_window)
}

pub(crate) fn cors_origins(origins: Vec<String>) -> Result<Vec<String>, String> {
    Cors::new(origins.clone()).map_err(message)?;
    Ok(origins)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis = duration::parse(text).map(Duration::from_millis);
    millis.ok_or_else(|| {
        format!(
            "invalid duration \"{}\": must be numbers with units, such as 30s, 1m30s or 500ms",
            redact::text(text)
        )
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn message(error: QueryProxyError) -> String {
    error.to_string()
}
