//! Serves services of this process on real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A server on a free loopback port. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    // Dropping the runtime drops its tasks.
    _runtime: Runtime,
}

impl Server {
    /// Serves `router` with axum's own server.
    #[must_use]
    pub fn axum(router: axum::Router) -> Self {
        Self::spawn(async |listener| {
            axum::serve(listener, router).await.expect("axum serves until it is dropped");
        })
    }

    /// Serves `router` on a listener that is there already, so that `router` can contain its address.
    #[must_use]
    pub fn axum_on(listener: std::net::TcpListener, router: axum::Router) -> Self {
        Self::spawn_on(listener, async |listener| {
            axum::serve(listener, router).await.expect("axum serves until it is dropped");
        })
    }

    /// Serves each connection with hyper and a clone of `service`.
    #[must_use]
    pub fn hyper<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        Self::spawn(async move |listener: TcpListener| {
            while let Ok((stream, _)) = listener.accept().await {
                // An error means that a client disconnected early, which tests do on purpose.
                tokio::spawn(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()),
                );
            }
        })
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        serve: impl FnOnce(TcpListener) -> F,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0");
        Self::spawn_on(listener.expect("loopback has a free port"), serve)
    }

    fn spawn_on<F: Future<Output = ()> + Send + 'static>(
        listener: std::net::TcpListener,
        serve: impl FnOnce(TcpListener) -> F,
    ) -> Self {
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let listener = runtime.block_on(async { TcpListener::from_std(listener) });
        let listener = listener.expect("the runtime accepts a listener");
        let address = listener.local_addr().expect("a listener has an address");
        runtime.spawn(serve(listener));
        Self { address, _runtime: runtime }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
