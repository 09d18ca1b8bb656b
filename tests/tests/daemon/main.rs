//! The daemon example as a process: with a program to watch, its HTTP API, its configuration file and its end.

mod configuration;
mod load;
mod program;
mod scrape;
mod shutdown;
mod states;
