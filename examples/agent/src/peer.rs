//! The way to one peer. A connection to it is a span, `peer`.

use crate::wire::{self, Answer, Message};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{Instrument, info_span};

/// Sends copies to the peer for as long as there is somebody who makes them; connects again whenever it has to.
pub(crate) async fn link(peer: String, mut copies: mpsc::Receiver<Message>, heartbeat: Duration) {
    // What was sent and not answered is sent again: a copy may be made twice.
    let mut unanswered = None;
    loop {
        match timeout(PATIENCE, TcpStream::connect(&peer)).await {
            Ok(Ok(stream)) => {
                let talk = talk(stream, &mut copies, &mut unanswered, heartbeat);
                match talk.instrument(info_span!("peer")).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!("lost peer {peer}: {error}"),
                }
            }
            Ok(Err(error)) => tracing::debug!("peer {peer} is not there: {error}"),
            Err(_) => tracing::debug!("peer {peer} does not answer"),
        }
        if copies.is_closed() {
            return;
        }
        sleep(heartbeat.min(RETRY)).await;
    }
}

async fn talk(
    mut stream: TcpStream,
    copies: &mut mpsc::Receiver<Message>,
    unanswered: &mut Option<Message>,
    heartbeat: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    tracing::info!("connected to {}", stream.peer_addr()?);
    loop {
        let message = match unanswered.take() {
            Some(message) => message,
            None => match timeout(heartbeat, copies.recv()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(_) => Message::Ping,
            },
        };
        let message = unanswered.insert(message);
        let answered = async {
            wire::send(&mut stream, message).await?;
            wire::receive::<Answer>(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof.into())
        };
        let answer: io::Result<Answer> = timeout(PATIENCE, answered).await?;
        if let Answer::Failed { error } = answer? {
            tracing::warn!("the peer has no copy: {error}");
        }
        *unanswered = None;
    }
}

const RETRY: Duration = Duration::from_secs(1);
/// How long a peer may take.
const PATIENCE: Duration = Duration::from_secs(2);
