//! Collects the log of the proxy.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::fmt;

/// Starts collecting, once for all tests of this program.
pub(crate) fn collect() {
    static START: Once = Once::new();
    START.call_once(|| {
        let level = tracing_subscriber::filter::LevelFilter::DEBUG;
        let log = fmt().with_max_level(level).with_ansi(false).with_writer(|| Lines);
        tracing::subscriber::set_global_default(log.finish()).unwrap();
    });
}

/// The lines so far that contain a text, such as the address of an upstream.
pub(crate) fn lines_with(part: &str) -> Vec<String> {
    let text = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

static LOG: Mutex<String> = Mutex::new(String::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
