//! The harness of the behaviour tests: real programs, real connections, and a strict parser of Prometheus text. A failure of the
//! harness fails the test by a panic with a message.
#![expect(clippy::missing_panics_doc, reason = "a harness reports to its test by panicking")]

pub mod client;
pub mod example;
pub mod exposition;
pub mod in_process;
pub mod otlp;
pub mod process;
pub mod program;
pub mod servers;
pub mod wait;

/// The project's README: all its examples compile, and the short ones run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// The migration guide: our side of each example compiles, and the short ones run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating.md")]
#[derive(Debug)]
pub struct Migrating;
