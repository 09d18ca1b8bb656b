//! Receives messages from clients and peers. Each message is processed in a span `process_message`.

use crate::storage::{Failed, Storage};
use crate::wire::{self, Message, Reply};
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
    /// One channel for each peer.
    copies: Vec<mpsc::Sender<Message>>,
}

impl Node {
    pub(crate) fn new(storage: Storage, copies: Vec<mpsc::Sender<Message>>) -> Self {
        Self { storage, copies }
    }

    /// Serves until the program stops and the messages in progress have their replies.
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

    async fn process(&self, message: Message) -> Result<Reply, Failed> {
        match message {
            Message::Get { key } => {
                return Ok(Reply::Value { value: self.storage.get(&key).await? });
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
        Ok(Reply::Done)
    }

    fn send_copies(&self, key: &str, value: Option<&str>) {
        for peer in &self.copies {
            let copy = Message::Copy { key: key.to_owned(), value: value.map(str::to_owned) };
            if peer.try_send(copy).is_err() {
                tracing::warn!("too many copies wait for a peer: one is dropped");
            }
        }
    }
}

async fn connection(node: Arc<Node>, mut stream: TcpStream, stop: Stop) {
    let mut stop = std::pin::pin!(stop.requested());
    let mut talk = async || -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            // A message that is being processed gets its reply. One that is still arriving may not.
            let message = tokio::select! {
                message = wire::receive(&mut stream) => message?,
                () = &mut stop => None,
            };
            let Some(message) = message else { return Ok(()) };
            let processed = node.process(message).metered(info_span!("process_message")).await;
            let failed = |error: Failed| Reply::Failed { error: error.to_string() };
            wire::send(&mut stream, &processed.unwrap_or_else(failed)).await?;
        }
    };
    if let Err(error) = talk().await {
        tracing::warn!("a connection has failed: {error}");
    }
}
