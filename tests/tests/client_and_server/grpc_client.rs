//! gRPC calls by tonic's client.

use crate::client::{Layered, arrived_and_some_time, error};
use crate::plan::{Ending, Exchange, NAME};
use crate::seen::Seen;
use crate::server::{CLIENT_STREAM, SERVER_STREAM, UNARY, UNLISTED};
use http::uri::PathAndQuery;
use std::future::Future;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// Makes a call, and ends it as planned.
pub(crate) async fn call(channel: Layered<Channel>, exchange: &Exchange) -> Seen {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("a channel connects when it is called");
    let codec = ProstCodec::<(), ()>::default;
    match exchange.plan.ending {
        Ending::Upload => {
            let messages = tokio_stream::iter([(), (), ()]);
            let request = with_name(Request::new(messages), exchange);
            let path = PathAndQuery::from_static(CLIENT_STREAM);
            let call = client.client_streaming(request, path, codec());
            response(call, exchange).await.map_or_else(|seen| seen, |_| OK)
        }
        Ending::Stream
        | Ending::BodyPanics
        | Ending::ClientAborts
        | Ending::ClientReadsNothing
        | Ending::ServerKillsBody => {
            let request = with_name(Request::new(()), exchange);
            let path = PathAndQuery::from_static(SERVER_STREAM);
            let call = client.server_streaming(request, path, codec());
            match response(call, exchange).await {
                Ok(messages) => read(messages, exchange).await,
                Err(seen) => seen,
            }
        }
        ending => {
            let request = with_name(Request::new(()), exchange);
            let path = if ending == Ending::Unmatched { UNLISTED } else { UNARY };
            let call = client.unary(request, PathAndQuery::from_static(path), codec());
            response(call, exchange).await.map_or_else(|seen| seen, |()| OK)
        }
    }
}

async fn read(mut messages: Streaming<()>, exchange: &Exchange) -> Seen {
    let aborted = Seen { grpc: None, error: Some("aborted"), ..OK };
    if exchange.plan.ending == Ending::ClientReadsNothing {
        return aborted;
    }
    loop {
        match messages.message().await {
            Ok(Some(())) if exchange.plan.ending == Ending::ClientAborts => return aborted,
            Ok(Some(())) => exchange.proceed.notify_one(),
            Ok(None) => return OK,
            Err(status) => {
                return match exchange.plan.ending {
                    Ending::Stream => Seen { grpc: Some(status.code()), ..OK },
                    _ => Seen {
                        grpc: None,
                        made_up: Some(status.code()),
                        error: Some("reset"),
                        ..OK
                    },
                };
            }
        }
    }
}

/// The response of a call, or what the client saw instead.
async fn response<T>(
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    exchange: &Exchange,
) -> Result<T, Seen> {
    let ending = exchange.plan.ending;
    let result = match ending {
        Ending::ClientCancels => tokio::select! {
            result = call => panic!("{:?} without a response", result.map(drop)),
            () = exchange.arrived.notified() => return Err(Seen::failed("cancelled")),
        },
        Ending::ClientCancelsInRace => tokio::select! {
            biased;
            result = call => result,
            () = arrived_and_some_time(exchange) => return Err(Seen::failed("cancelled")),
        },
        _ => call.await,
    };
    result.map(tonic::Response::into_inner).map_err(|status| {
        let code = status.code();
        match ending {
            // The status is sent by the server.
            Ending::Respond | Ending::Stream | Ending::Upload => Seen { grpc: Some(code), ..OK },
            Ending::Unmatched => Seen { status: Some(404), grpc: Some(code), ..OK },
            _ => {
                let text = format!("{status:?}");
                let error = Some(error(ending, &text));
                Seen { made_up: Some(code), error, text, ..Seen::default() }
            }
        }
    })
}

fn with_name<T>(mut request: Request<T>, exchange: &Exchange) -> Request<T> {
    let name = exchange.name().parse().expect("it is a header value");
    request.metadata_mut().insert(NAME, name);
    request
}

const OK: Seen = Seen {
    status: Some(200),
    grpc: Some(Code::Ok),
    made_up: None,
    error: None,
    text: String::new(),
};
