//! Code that the example programs share: arguments, log, listening, stopping. Your own service
//! would have similar code.

mod args;
mod backends;
mod log;
mod serve;
#[cfg(feature = "redis")]
pub mod stream;
mod work;

pub use args::{ServiceArgs, host_port, parse};
pub use backends::RedisArgs;
pub use log::log;
pub use serve::{Stop, listen, run, serve};
pub use work::{Kind, Work};

use std::error::Error;
use std::process::ExitCode;

/// Turns the result of `main` into an exit code. An error is printed as one line on standard error, and the code is 1.
#[must_use]
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the error must be visible even if the log is off")]
fn print_error(error: &str) {
    eprintln!("error: {error}");
}
