//! Takes messages of clients and peers. Each is processed in a span, `process_message`.

use crate::storage::{Failed, Storage};
use crate::wire::{self, Answer, Message};
use std::io;
use std::sync::Arc;
use support::Stop;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::info_span;
use tracing_asdlc_metrics::Metered;

pub(crate) struct Node {
    storage: Storage,
    /// To each peer.
    copies: Vec<mpsc::Sender<Message>>,
}

impl Node {
    pub(crate) fn new(storage: Storage, copies: Vec<mpsc::Sender<Message>>) -> Self {
        Self { storage, copies }
    }

    /// Serves until it is stopped and the messages in progress are answered.
    pub(crate) async fn serve(self, listener: TcpListener, stop: Stop) -> io::Result<()> {
        let node = Arc::new(self);
        let mut connections = JoinSet::new();
        let mut stopping = std::pin::pin!(stop.clone().requested());
        loop {
            tokio::select! {
                () = &mut stopping => break,
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    connections.spawn(connection(Arc::clone(&node), stream, stop.clone()));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    async fn process(&self, message: Message) -> Result<Answer, Failed> {
        match message {
            Message::Get { key } => {
                return Ok(Answer::Value { value: self.storage.get(&key).await? });
            }
            Message::Put { key, value } => {
                self.storage.put(&key, &value).await?;
                self.send_copies(&key, Some(&value));
            }
            Message::Delete { key } => {
                self.storage.delete(&key).await?;
                self.send_copies(&key, None);
            }
            Message::Copy { key, value } => self.storage.copy(&key, value.as_deref()).await?,
            Message::Ping => {}
        }
        Ok(Answer::Done)
    }

    fn send_copies(&self, key: &str, value: Option<&str>) {
        for peer in &self.copies {
            let copy = Message::Copy { key: key.to_owned(), value: value.map(str::to_owned) };
            if peer.try_send(copy).is_err() {
                tracing::warn!("a peer is too far behind: it misses a copy");
            }
        }
    }
}

async fn connection(node: Arc<Node>, mut stream: TcpStream, stop: Stop) {
    let mut stop = std::pin::pin!(stop.requested());
    let mut talk = async || -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            // Between messages only: one in progress is answered.
            let message = tokio::select! {
                message = wire::receive(&mut stream) => message?,
                () = &mut stop => None,
            };
            let Some(message) = message else { return Ok(()) };
            let processed = node.process(message).metered(info_span!("process_message")).await;
            let failed = |error: Failed| Answer::Failed { error: error.to_string() };
            wire::send(&mut stream, &processed.unwrap_or_else(failed)).await?;
        }
    };
    if let Err(error) = talk().await {
        tracing::warn!("a connection has ended: {error}");
    }
}
