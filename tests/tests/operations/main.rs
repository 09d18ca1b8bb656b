//! What an operator gets beside the programs: configuration, rules, dashboards, a reference. Each file is read by the real tool
//! it is for, and what it says of metrics is compared with programs that run.
//!
//! A new example program is one line in `programs.rs`.

mod alerts;
mod compression;
mod configuration;
mod dashboards;
mod files;
mod kubernetes;
mod metric_names;
mod programs;
mod reference;
mod requirements;
mod rules;
mod scraping;
mod stack_script;
