//! The link to one peer. Each connection is a span `peer`.

use crate::wire::{self, Message, Reply};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{Instrument, info_span};

/// Sends copies to the peer until the channel is closed. Reconnects when the connection is lost.
pub(crate) async fn link(peer: String, mut copies: mpsc::Receiver<Message>, heartbeat: Duration) {
    // A message without a reply is sent again, so a peer may get a copy twice.
    let mut unacknowledged = None;
    loop {
        match timeout(TIMEOUT, TcpStream::connect(&peer)).await {
            Ok(Ok(stream)) => {
                let sending = send_copies(stream, &mut copies, &mut unacknowledged, heartbeat);
                match sending.instrument(info_span!("peer")).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!("lost peer {peer}: {error}"),
                }
            }
            Ok(Err(error)) => tracing::debug!("cannot connect to peer {peer}: {error}"),
            Err(_) => tracing::debug!("peer {peer} does not respond"),
        }
        if copies.is_closed() {
            return;
        }
        sleep(heartbeat.min(RETRY)).await;
    }
}

async fn send_copies(
    mut stream: TcpStream,
    copies: &mut mpsc::Receiver<Message>,
    unacknowledged: &mut Option<Message>,
    heartbeat: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    tracing::info!("connected to {}", stream.peer_addr()?);
    loop {
        let message = match unacknowledged.take() {
            Some(message) => message,
            None => match timeout(heartbeat, copies.recv()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(_) => Message::Ping,
            },
        };
        let message = unacknowledged.insert(message);
        let exchange = async {
            wire::send(&mut stream, message).await?;
            wire::receive::<Reply>(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof.into())
        };
        let reply: io::Result<Reply> = timeout(TIMEOUT, exchange).await?;
        if let Reply::Failed { error } = reply? {
            tracing::warn!("the peer could not store a copy: {error}");
        }
        *unacknowledged = None;
    }
}

const RETRY: Duration = Duration::from_secs(1);
/// How long a peer may take to connect or to reply.
const TIMEOUT: Duration = Duration::from_secs(2);
