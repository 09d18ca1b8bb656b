//! The files for operators: configuration, rules, dashboards and reference documents. The real tool reads each file, and the
//! metrics that a file names are compared with running programs.
//!
//! A new example program needs one line in `programs.rs`.

mod alerts;
mod answers;
mod compatibility;
mod compression;
mod configuration;
mod conformance;
mod dashboards;
mod files;
mod kubernetes;
mod metric_names;
mod monitoring_files;
mod native_histograms;

mod programs;
mod reference;
mod requirements;
mod rules;
mod scraping;
mod shops;
mod stack_script;
