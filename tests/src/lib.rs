//! The harness of the behaviour tests: real programs, real connections, and a reader of Prometheus text that believes
//! nothing it is told. Every piece fails its test by panicking with a sentence.
#![expect(clippy::missing_panics_doc, reason = "a harness reports to its test by panicking")]

pub mod client;
pub mod example;
pub mod exposition;
pub mod in_process;
pub mod process;
pub mod program;
pub mod servers;
pub mod wait;

/// The project's README: each of its examples compiles, and the short ones run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// How to come from other crates: our side of each example compiles, and the short ones run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating.md")]
#[derive(Debug)]
pub struct Migrating;
