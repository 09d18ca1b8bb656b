//! Servers on loopback that end connections badly.

use bytes::Bytes;
use h2::Reason;
use h2::server::{Connection, SendResponse};
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

/// A server. It ends a connection only after the test has told it that the client has read what was sent before.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) proceed: Rc<Notify>,
}

/// An address without a listener.
pub(super) async fn closed_port() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server { address: listener.local_addr().unwrap(), proceed: Rc::default() }
}

/// A listener that does not accept and whose queue is full, so that further connections are not opened. Keep the second value.
pub(super) async fn full_queue() -> (Server, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let queued = TcpStream::connect(address).await.unwrap();
    (Server { address, proceed: Rc::default() }, (listener, queued))
}

/// What a server does after its response.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// Sends FIN.
    Close,
    /// Sends RST.
    Reset,
    Wait,
}

/// Reads the first bytes of each connection, writes `response`, and does this.
pub(super) async fn tcp(response: &'static [u8], then: Then) -> Server {
    serve(async move |mut stream, proceed| {
        // All of a request: if a part of it were left, closing the connection would reset it.
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(response).await.unwrap();
        if !response.is_empty() {
            proceed.notified().await;
        }
        match then {
            Then::Close => {}
            Then::Reset => stream.set_zero_linger().unwrap(),
            Then::Wait => pending().await,
        }
    })
    .await
}

/// Resets the stream of a request.
pub(super) async fn h2_reset(reason: Reason) -> Server {
    serve_h2(async move |connection, mut response, _| {
        response.send_reset(reason);
        drive(connection).await;
    })
    .await
}

/// Resets the stream of a request after the head and a part of the body.
pub(super) async fn h2_reset_in_body(reason: Reason) -> Server {
    serve_h2(async move |connection, mut response, proceed| {
        let mut body = response.send_response(http::Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"part"), false).unwrap();
        write_all(connection).await;
        proceed.notified().await;
        body.send_reset(reason);
        drive(connection).await;
    })
    .await
}

/// Closes the connection after the head and a part of the body.
pub(super) async fn h2_close_in_body() -> Server {
    serve_h2(async move |connection, mut response, proceed| {
        let mut body = response.send_response(http::Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"part"), false).unwrap();
        write_all(connection).await;
        proceed.notified().await;
        // Dropped after the connection, the body does not reset its stream.
        std::mem::forget(body);
    })
    .await
}

/// Does not read from the connection any more once it has a request.
pub(super) async fn h2_silent() -> Server {
    serve_h2(async |_, _, _| pending().await).await
}

/// Sends GOAWAY once it has a request, which it does not process: the last stream is 0. h2's server would process it.
pub(super) async fn h2_go_away(reason: Reason) -> Server {
    serve(async move |mut stream, _| {
        stream.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await.unwrap();
        stream.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.unwrap();
        loop {
            let mut frame = [0; 9];
            stream.read_exact(&mut frame).await.unwrap();
            let [_, high, low, kind, ..] = frame;
            let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            stream.read_exact(&mut payload).await.unwrap();
            if kind == HEADERS {
                break;
            }
        }
        let [.., code] = u32::from(reason).to_be_bytes();
        let go_away = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, code];
        stream.write_all(&go_away).await.unwrap();
        pending::<()>().await;
    })
    .await
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

type H2 = Connection<TcpStream, Bytes>;

async fn serve_h2(
    on_request: impl AsyncFn(&mut H2, SendResponse<Bytes>, &Notify) + 'static,
) -> Server {
    serve(async move |stream, proceed| {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        // `None` if the client closes it without a request.
        if let Some(request) = connection.accept().await {
            let (_request, response) = request.unwrap();
            on_request(&mut connection, response, proceed).await;
        }
    })
    .await
}

/// Writes everything that was sent: a connection does so before it waits for the next request.
async fn write_all(connection: &mut H2) {
    poll_fn(|cx| {
        assert!(connection.poll_accept(cx).is_pending(), "the client sends one request");
        Poll::Ready(())
    })
    .await;
}

/// Writes what was sent, until the client closes the connection.
async fn drive(connection: &mut H2) {
    while connection.accept().await.is_some() {}
}

/// Serves connections on this thread, until the runtime is dropped.
async fn serve(on_connection: impl AsyncFn(TcpStream, &Notify) + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server { address: listener.local_addr().unwrap(), proceed: Rc::default() };
    let proceed = Rc::clone(&server.proceed);
    let on_connection = Rc::new(on_connection);
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (on_connection, proceed) = (Rc::clone(&on_connection), Rc::clone(&proceed));
            tokio::task::spawn_local(async move { on_connection(stream, &proceed).await });
        }
    });
    server
}
