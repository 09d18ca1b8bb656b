//! Large expositions over real connections.

use crate::streams::{OPEN_METRICS, large};
use asdlc_exporter::{Format, PrometheusReader};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client, server};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Clone, Copy, Debug)]
enum Http {
    One,
    Two,
}

/// A socket with small buffers, so that a client that does not read is soon noticed.
fn socket() -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(64 << 10)?;
    socket.set_recv_buffer_size(64 << 10)?;
    Ok(socket)
}

/// Serves the reader on a port of this machine.
fn serve(reader: &PrometheusReader, http: Http) -> Result<SocketAddr> {
    let socket = socket()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(16)?;
    let address = listener.local_addr()?;
    let service = TowerToHyperService::new(reader.scrape_service());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (io, service) = (TokioIo::new(stream), service.clone());
            tokio::spawn(async move {
                match http {
                    Http::One => {
                        server::conn::http1::Builder::new().serve_connection(io, service).await
                    }
                    Http::Two => {
                        let builder = server::conn::http2::Builder::new(TokioExecutor::new());
                        builder.serve_connection(io, service).await
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Scrapes on a connection of its own.
async fn get(address: SocketAddr, http: Http, accept: &str) -> Result<Response<Incoming>> {
    let io = TokioIo::new(socket()?.connect(address).await?);
    let request = Request::builder().uri(format!("http://{address}/")).header("accept", accept);
    let request = request.body(Empty::<Bytes>::new())?;
    Ok(match http {
        Http::One => {
            let (mut sender, connection) = client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        }
        Http::Two => {
            let executor = TokioExecutor::new();
            let (mut sender, connection) = client::conn::http2::handshake(executor, io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        }
    })
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_client_stops_others_for_about_a_second_and_its_response_fails() -> Result {
    for http in [Http::One, Http::Two] {
        let (reader, _provider) = large(12_000)?;
        let address = serve(&reader, http)?;
        let frozen = get(address, http, "text/plain").await?;
        assert_eq!(frozen.status(), StatusCode::OK, "{http:?}");
        assert_eq!(frozen.headers().get("content-length"), None, "{http:?}");
        let other = async {
            let response = get(address, http, OPEN_METRICS).await?;
            assert_eq!(response.status(), StatusCode::OK, "{http:?}");
            Result::Ok(response.into_body().collect().await?.to_bytes())
        };
        // Less than the timeout of a scrape, and generous for a debug build on a busy machine.
        let text = timeout(Duration::from_secs(8), other).await??;
        assert!(text == reader.render_as(Format::OpenMetrics)?, "{http:?}");
        let incomplete = frozen.into_body().collect().await;
        assert!(
            incomplete.is_err(),
            "{http:?}: {:?}",
            incomplete.map(|body| body.to_bytes().len())
        );
    }
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_gets_everything() -> Result {
    for http in [Http::One, Http::Two] {
        let (reader, _provider) = large(6_000)?;
        let address = serve(&reader, http)?;
        let clients: Vec<_> = (0..4).map(|_| get(address, http, "text/plain")).collect();
        for client in clients {
            let text = client.await?.into_body().collect().await?.to_bytes();
            assert!(text == reader.render()?, "{http:?}");
        }
    }
    Ok(())
}

/// Sends these lines, and reads until the server closes the connection.
async fn exchange(address: SocketAddr, request: &str) -> Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let end =
        response.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no end of the head")?;
    let body = response.split_off(end + 4);
    Ok((String::from_utf8(response)?.to_lowercase(), body))
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_has_a_length_and_head_has_none() -> Result {
    let (reader, _provider) = large(6_000)?;
    let address = serve(&reader, Http::One)?;
    let (head, body) = exchange(address, "GET / HTTP/1.0\r\n\r\n").await?;
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
    assert!(body == reader.render()?.into_bytes());
    let (head, body) =
        exchange(address, "HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert_eq!(body, b"");
    Ok(())
}
