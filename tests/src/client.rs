//! A blocking HTTP/1.1 client. One object is one TCP connection: it neither reconnects nor retries.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::wait::DEADLINE;

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    // Drives the connection while a request is in progress.
    runtime: Runtime,
}

impl Connection {
    /// Connects to `address`.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address)
                .await
                .expect("the server accepts a connection");
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.expect("HTTP/1.1 needs no handshake");
            tokio::spawn(connection);
            sender
        });
        let host =
            HeaderValue::from_str(&address.to_string()).expect("an address is a header value");
        Self { sender, host, runtime }
    }

    /// Sends one request and reads its whole response.
    pub fn send(&mut self, request: Request<impl Into<Bytes>>) -> Response<Bytes> {
        let mut request = request.map(|body| Full::new(body.into()));
        request.headers_mut().insert(header::HOST, self.host.clone());
        let what = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Response::from_parts(head, body))
        };
        self.runtime
            .block_on(async { timeout(DEADLINE, exchange).await })
            .unwrap_or_else(|_| panic!("{what}: no whole response within {DEADLINE:?}"))
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends a request without a body and without further headers. `method` may be any token.
    pub fn request(&mut self, method: &str, path: &str) -> Response<Bytes> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method is a token");
        self.send(Request::builder().method(method).uri(path).body("").expect("a path is a URI"))
    }

    /// Sends a GET.
    pub fn get(&mut self, path: &str) -> Response<Bytes> {
        self.request("GET", path)
    }

    /// Sends a POST with a JSON body.
    pub fn post_json(&mut self, path: &str, body: &str) -> Response<Bytes> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_owned()).expect("a path is a URI"))
    }
}

/// Sends the bytes of `request` on a new connection, and returns everything up to the end of the connection. The request must
/// make the server close it, for example by `Connection: close`.
#[must_use]
pub fn exchange_bytes(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server accepts a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
    stream.write_all(request).expect("the server reads the request");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("the server responds and closes");
    response
}
