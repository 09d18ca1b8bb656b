//! What the example programs share and a service of your own would have too: arguments, log, listening, stopping.

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

/// The end of `main`: an error is one line on standard error and exit code 1.
#[must_use]
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program's last words, also when its log is off")]
fn complain(error: &str) {
    eprintln!("error: {error}");
}
