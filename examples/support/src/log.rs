use std::io::{IsTerminal, stderr};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

/// The log on standard error. `rust_log` filters only the log, not the metrics of spans.
///
/// # Errors
/// If `rust_log` is not valid in the syntax of `RUST_LOG`.
pub fn log<S>(
    rust_log: &str,
) -> Result<impl tracing_subscriber::Layer<S> + Send + Sync + 'static, ParseError>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = EnvFilter::try_new(rust_log)?;
    let ansi = stderr().is_terminal();
    Ok(fmt::layer().with_writer(stderr).with_ansi(ansi).with_filter(filter))
}
