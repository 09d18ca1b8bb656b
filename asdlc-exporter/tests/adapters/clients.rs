//! Clients of the standalone server that keep their connections, and clients that could block others.

use crate::{
    http1::get,
    serve::{Result, rest, server, slow},
};
use asdlc_exporter::serve::{Server, ServerBuilder};
use bytes::Bytes;
use http_body_util::Full;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

const LARGE: usize = 6 << 20;

/// A scrape on a kept connection. Returns the length of the response.
async fn scrape(stream: &mut TcpStream) -> Result<usize> {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut response = Vec::new();
    loop {
        if stream.read_buf(&mut response).await? == 0 {
            return Err(format!("closed after {:?}", String::from_utf8_lossy(&response)).into());
        }
        let text = std::str::from_utf8(&response)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.ok_or("no length")?.parse() == Ok(body.len()) {
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            return Ok(body.len());
        }
    }
}

/// Advances the clock of Tokio.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::sleep(time).await;
    tokio::time::resume();
}

/// Adds a `/large` whose responses share the same memory.
fn with_large(server: ServerBuilder) -> ServerBuilder {
    let body = Bytes::from(vec![b'x'; LARGE]);
    server.with_route(
        "/large",
        tower::service_fn(move |_| {
            let body = body.clone();
            async { Ok::<_, Infallible>(http::Response::new(Full::new(body))) }
        }),
    )
}

/// A client that sends a request and does not read.
async fn request(address: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}

/// How long another client waits for a response.
async fn time_of_a_scrape(address: SocketAddr) -> Result<Duration> {
    let start = Instant::now();
    let response = timeout(Duration::from_secs(30), get(address, "/metrics")).await??;
    assert_eq!(response.status, 200);
    Ok(start.elapsed())
}

/// Half of the scrape timeout of Prometheus.
const IN_TIME: Duration = Duration::from_secs(5);

// F-14
#[tokio::test]
async fn an_idle_connection_is_kept_for_five_minutes() -> Result {
    let started = server()?.start().await?;
    let mut stream = TcpStream::connect(started.address()).await?;
    for interval in [15, 60, 61, 299] {
        scrape(&mut stream).await?;
        pass(Duration::from_secs(interval)).await;
    }
    scrape(&mut stream).await?;
    pass(Duration::from_secs(301)).await;
    assert_eq!(rest(&mut stream).await?, "", "closed");
    Ok(())
}

// F-14, a neighbour: a slow head after a long idle time.
#[tokio::test]
async fn the_read_timeout_starts_at_the_first_byte_of_a_head() -> Result {
    let started = server()?.start().await?;
    let mut stream = TcpStream::connect(started.address()).await?;
    scrape(&mut stream).await?;
    pass(Duration::from_secs(120)).await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: ").await?;
    pass(Duration::from_secs(9)).await;
    stream.write_all(b"a\r\n\r\n").await?;
    assert!(stream.read_u8().await? == b'H', "9 s are allowed");

    // This is also true for the first request of a connection.
    let mut first = TcpStream::connect(started.address()).await?;
    pass(Duration::from_secs(9)).await;
    first.write_all(b"GET /metrics HTTP/1.1\r\nhost: ").await?;
    pass(Duration::from_secs(9)).await;
    first.write_all(b"a\r\n\r\n").await?;
    assert!(first.read_u8().await? == b'H', "9 s are allowed");

    // One byte per second does not extend it.
    let mut slow = TcpStream::connect(started.address()).await?;
    scrape(&mut slow).await?;
    let head = b"GET /metrics HTTP/1.1\r\n";
    let mut sent = 0;
    for byte in head {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        sent += 1;
        pass(Duration::from_secs(1)).await;
        if slow.try_read(&mut [0]).is_ok_and(|read| read == 0) {
            break;
        }
    }
    assert!((9..=11).contains(&sent), "{sent} bytes, one per second");
    Ok(())
}

// F-14, a neighbour: a connection that never sends anything.
#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_the_read_timeout() -> Result {
    let started = server()?.start().await?;
    let mut silent = TcpStream::connect(started.address()).await?;
    pass(Duration::from_secs(9)).await;
    assert!(silent.try_read(&mut [0]).is_err(), "still open");
    pass(Duration::from_secs(2)).await;
    assert_eq!(rest(&mut silent).await?, "");
    Ok(())
}

/// Opens as many connections as the connection limit allows, each with `open`.
async fn fill_limit<F>(started: &Server, open: impl Fn(SocketAddr) -> F) -> Result<Vec<TcpStream>>
where
    F: Future<Output = Result<TcpStream>>,
{
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(open(started.address()).await?);
    }
    // Wait until the server has accepted each.
    for stream in &clients {
        timeout(Duration::from_millis(20), stream.readable()).await.ok();
    }
    Ok(clients)
}

// F-15
#[tokio::test]
async fn clients_that_do_not_read_do_not_block_others() -> Result {
    let started = with_large(server()?).start().await?;
    let _clients = fill_limit(&started, |address| request(address, "/large")).await?;
    let time = time_of_a_scrape(started.address()).await?;
    assert!(time < IN_TIME, "{time:?}");
    Ok(())
}

// F-15, a neighbour: clients that connect and send nothing.
#[tokio::test]
async fn clients_that_send_nothing_do_not_block_others() -> Result {
    let started = server()?.start().await?;
    let connect = |address| async move { Ok(TcpStream::connect(address).await?) };
    let _clients = fill_limit(&started, connect).await?;
    let time = time_of_a_scrape(started.address()).await?;
    assert!(time < IN_TIME, "{time:?}");
    Ok(())
}

// F-15, a neighbour: clients that read a little from time to time, so that each write makes progress.
#[tokio::test]
async fn clients_that_read_slowly_do_not_block_others() -> Result {
    let started = with_large(server()?).start().await?;
    let clients = fill_limit(&started, |address| request(address, "/large")).await?;
    let trickle = tokio::spawn(async move {
        loop {
            for stream in &clients {
                let _ = stream.try_read(&mut [0; 64 << 10]);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let time = time_of_a_scrape(started.address()).await?;
    assert!(time < IN_TIME, "{time:?}");
    trickle.abort();
    Ok(())
}

// F-15, a neighbour: idle connections, which are kept for minutes.
#[tokio::test]
async fn idle_connections_do_not_block_others() -> Result {
    let started = server()?.start().await?;
    let idle = |address| async move {
        let mut stream = TcpStream::connect(address).await?;
        scrape(&mut stream).await?;
        Ok(stream)
    };
    let mut clients = fill_limit(&started, idle).await?;
    let time = time_of_a_scrape(started.address()).await?;
    assert!(time < IN_TIME, "{time:?}");
    assert_eq!(
        rest(&mut clients[0]).await?,
        "",
        "the connection that was idle for the longest time is closed"
    );
    assert!(clients[63].try_read(&mut [0]).is_err(), "the other connections are open");
    Ok(())
}

// F-15
#[tokio::test]
async fn a_client_that_reads_nothing_of_its_response_is_disconnected() -> Result {
    let started = with_large(server()?).start().await?;
    let mut stream = request(started.address(), "/large").await?;
    assert_eq!(stream.read_u8().await?, b'H');
    pass(Duration::from_secs(4)).await;
    assert!(stream.readable().await.is_ok() && stream.read_u8().await.is_ok(), "4 s are allowed");
    pass(Duration::from_secs(6)).await;
    let read = rest(&mut stream).await?.len();
    assert!(read < LARGE, "the whole response, {read} bytes");
    Ok(())
}

// F-15
#[tokio::test]
async fn clients_that_wait_for_the_service_are_not_evicted() -> Result {
    let (started, begun, finish) = slow(Duration::from_secs(5), 2).await?;
    let address = started.address();
    let first = tokio::spawn(get(address, "/slow"));
    begun.notified().await;
    let second = tokio::spawn(get(address, "/slow"));
    begun.notified().await;
    let mut third = tokio::spawn(get(address, "/metrics"));
    let early = timeout(Duration::from_millis(500), &mut third).await;
    assert!(early.is_err(), "two are served, the third is not: {early:?}");
    finish.notify_waiters();
    for response in [first, second, third] {
        assert_eq!(timeout(Duration::from_secs(60), response).await???.status, 200);
    }
    Ok(())
}

/// A body that counts the existing bodies.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

// F-15, a neighbour: clients with different responses, each with its own memory.
#[tokio::test]
async fn unread_responses_take_a_bounded_amount_of_memory() -> Result {
    let alive = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&alive);
    let own = tower::service_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        let body = Bytes::from_owner(Counted(vec![b'x'; 16 << 20], Arc::clone(&count)));
        async { Ok::<_, Infallible>(http::Response::new(Full::new(body))) }
    });
    let started = server()?.with_route("/own", own).start().await?;
    let mut clients = Vec::new();
    let mut most = 0;
    for _ in 0..12 {
        let mut stream = request(started.address(), "/own").await?;
        assert_eq!(stream.read_u8().await?, b'H');
        clients.push(stream);
        most = most.max(alive.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The limit is 64 MiB, which is four responses. There are also the newest one and the one that is
    // evicted for it, and the kernel has a part of each.
    assert!(most <= 7, "{most} responses of 16 MiB at a time");
    Ok(())
}

// F-15: all clients get the same memory, whatever the size of the response.
#[test]
fn a_response_is_not_copied_for_each_connection() -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (started, address) = runtime.block_on(async {
        let started = with_large(server()?).start().await?;
        let address = started.address();
        Result::Ok((started, address))
    })?;
    let used = allocation_counter::measure(|| {
        let clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..32 {
                let mut stream = request(address, "/large").await.expect("it connects");
                assert_eq!(stream.read_u8().await.expect("a response"), b'H');
                clients.push(stream);
            }
            clients
        });
        drop(clients);
    });
    assert!(used.bytes_max < 2 << 20, "{used:?}");
    drop(started);
    Ok(())
}
