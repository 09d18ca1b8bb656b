//! Upstreams that do what a test wants, byte by byte, and remember what they were asked.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use asdlc_tests::wait::{DEADLINE, eventually};

pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    /// What came on a connection after its first request.
    later: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Each connection is one request, which `answer` answers in a thread of its own.
    pub(crate) fn start(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::reading(move |stream, _| answer(stream))
    }

    /// The same, and `answer` gets the request.
    pub(crate) fn reading(answer: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        // It ends with the process: no test depends on the port being free again.
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || {
                    if let Some(request) = read_request(&mut stream) {
                        log.lock().unwrap().push(request.clone());
                        answer(&mut stream, &request);
                    }
                });
            }
        });
        Self { address, seen, later: Arc::default() }
    }

    /// Keeps connections open. `answer` gets the connection and how many requests came on it before this one, and says
    /// whether the connection stays open.
    pub(crate) fn keeping(
        answer: impl Fn(&mut TcpStream, usize) -> bool + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&seen);
        let this = Self::start(move |stream| {
            let mut before = 0;
            while answer(stream, before) {
                let Some(request) = read_request(stream) else { return };
                log.lock().unwrap().push(request);
                before += 1;
            }
        });
        // The first request of each connection is in the log of `start`.
        Self { later: seen, ..this }
    }

    /// Answers all with these bytes and closes the connection.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |stream| {
            let _ = stream.write_all(&bytes);
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that came, each with head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.extend_from_slice(&self.later.lock().unwrap());
        seen
    }

    pub(crate) fn await_seen(&self, requests: usize) {
        let came = eventually(DEADLINE, || self.seen().len() >= requests);
        assert!(came, "{} of {requests} requests came", self.seen().len());
    }
}

/// A whole answer with this body, which is JSON.
pub(crate) fn json(body: &str) -> String {
    let length = body.len();
    format!("{HEAD}Content-Length: {length}\r\n\r\n{body}")
}

/// The same, on a connection that stays open.
pub(crate) fn kept_json(body: &str) -> String {
    json(body).replace("Connection: close\r\n", "")
}

/// Of an answer in JSON, but for its length. It is the last on its connection.
pub(crate) const HEAD: &str =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n";

pub(crate) const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// Closes with a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // What is unread when a socket closes makes a reset of it; a request would have to be there.
    let socket = rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO));
    socket.unwrap();
    let _ = stream.shutdown(Shutdown::Read);
}

/// Waits until the other side closes the connection.
pub(crate) fn await_close(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the connection is not closed: {other:?}"),
    }
}

/// Something that happens once and that threads wait for.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Returns whether it was opened in time.
    pub(crate) fn wait(&self) -> bool {
        let closed = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(closed, DEADLINE, |open| !*open).unwrap().0
    }
}

/// Head and body; `None` when the connection closes before.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length =
                length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
