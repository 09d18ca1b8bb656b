use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Listens on `HOST:PORT`.
///
/// # Errors
/// The error names the address.
pub async fn listen(address: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// Runs a server on `listener` until SIGTERM or Ctrl-C, and prints its address.
///
/// `server` gets the listener, and a future that is ready when the server must stop. Requests in progress then have four seconds to
/// finish.
///
/// # Errors
/// The error of the server.
pub async fn serve<F>(
    listener: TcpListener,
    server: impl FnOnce(TcpListener, Stop) -> F,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    run(Some(listener.local_addr()?), |stop| server(listener, stop)).await
}

/// Like [`serve`], for a program that opens its own listener or has none. Prints `address` if there
/// is one.
///
/// # Errors
/// The error of the program.
pub async fn run<F>(address: Option<SocketAddr>, program: impl FnOnce(Stop) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    let (stop, stopping) = watch::channel(false);
    let mut terminate = Terminate::new()?;
    if let Some(address) = address {
        announce(address);
    }
    let mut program = std::pin::pin!(program(Stop(stopping)));
    tokio::select! {
        ended = &mut program => return ended,
        () = terminate.received() => tracing::info!("stopping"),
    }
    stop.send_replace(true);
    match tokio::time::timeout(DRAIN, program).await {
        Ok(ended) => ended,
        Err(_) => {
            tracing::warn!("stopped with requests in progress after {DRAIN:?}");
            Ok(())
        }
    }
}

/// Tells a server to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until the program must stop.
    pub async fn requested(mut self) {
        // An error means that `serve` has ended, so the program must stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// The line that scripts wait for.
#[expect(
    clippy::print_stdout,
    reason = "the program's one line of output; the log goes to standard error"
)]
fn announce(address: SocketAddr) {
    println!("listening on http://{address}");
}

/// SIGTERM, on Unix, and Ctrl-C.
struct Terminate {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Terminate {
    /// Called before the address is printed, so that no SIGTERM after that is missed.
    fn new() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        let terminated = self.signal.recv();
        #[cfg(not(unix))]
        let terminated = std::future::pending::<Option<()>>();
        tokio::select! {
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}

/// How long requests in progress may take after the program was told to stop.
const DRAIN: Duration = Duration::from_secs(4);
