//! An HTTP store of artifacts that fails when a test wants it to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use asdlc_tests::in_process::Server;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri};
use tokio_stream::StreamExt;

/// How the store responds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Works,
    /// Responds with this status to every request.
    Status(u16),
    /// Reads the request and never responds.
    Silent,
    /// Sends a part of the body of each response and then nothing.
    Stalls,
}

/// The running store. Dropping it closes its connections, and nobody listens on its port then.
pub(crate) struct Store {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    mode: Mutex<Mode>,
    artifacts: Mutex<BTreeMap<String, Bytes>>,
    seen: Mutex<BTreeMap<[String; 2], f64>>,
}

impl Store {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Works),
            artifacts: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&shared));
        Self { server: Server::axum(router), shared }
    }

    /// The value of `ARTIFACT_STORE_URL`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/kept/here", self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn set(&self, mode: Mode) {
        *lock(&self.shared.mode) = mode;
    }

    /// The paths of the stored artifacts.
    pub(crate) fn paths(&self) -> Vec<String> {
        lock(&self.shared.artifacts).keys().cloned().collect()
    }

    /// Replaces the content of each artifact.
    pub(crate) fn replace_all(&self, content: impl Into<Bytes>) {
        let content = content.into();
        lock(&self.shared.artifacts).values_mut().for_each(|artifact| *artifact = content.clone());
    }

    /// The number of responses that it has begun, by method and status, and of requests without a response, with `_NONE`.
    pub(crate) fn seen(&self) -> BTreeMap<[String; 2], f64> {
        lock(&self.shared.seen).clone()
    }
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response<Body> {
    let mode = *lock(&shared.mode);
    let (status, content) = match (mode, &method) {
        (Mode::Status(status), _) => (status, Bytes::from_static(b"a reason")),
        (_, &Method::PUT) => {
            lock(&shared.artifacts).insert(uri.path().to_owned(), body);
            (201, Bytes::new())
        }
        _ => match lock(&shared.artifacts).get(uri.path()) {
            Some(artifact) => (200, artifact.clone()),
            None => (404, Bytes::new()),
        },
    };
    let counted = if mode == Mode::Silent { "_NONE".to_owned() } else { status.to_string() };
    *lock(&shared.seen).entry([method.to_string(), counted]).or_default() += 1.0;
    let part = tokio_stream::once(Ok::<_, std::io::Error>(Bytes::from_static(b"a part")));
    let body = match mode {
        Mode::Works | Mode::Status(_) => Body::from(content),
        Mode::Silent => match pending::<Infallible>().await {},
        Mode::Stalls => Body::from_stream(part.chain(tokio_stream::pending())),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// A store that resets each connection when the first byte of a request has arrived.
pub(crate) fn start_resetting() -> SocketAddr {
    // The kernel resets a connection that is closed with unread data.
    start_with(|connection| connection.read_exact(&mut [0]))
}

/// A store that reads each request, and closes the connection in the middle of the response's body.
pub(crate) fn start_breaking() -> SocketAddr {
    start_with(|connection| {
        let mut lines = BufReader::new(connection);
        let (mut line, mut length) = (String::new(), 0);
        while lines.read_line(&mut line)? > "\r\n".len() {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a number");
            }
            line.clear();
        }
        lines.read_exact(&mut vec![0; length])?;
        lines.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na part")
    })
}

/// Accepts connections, and closes each after `serve`.
fn start_with(serve: impl Fn(&mut TcpStream) -> io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            // An error means that the client has closed the connection.
            let _ = serve(&mut connection);
        }
    });
    address
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
