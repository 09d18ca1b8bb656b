use super::*;
use bytes::Bytes;
use std::collections::VecDeque;

fn frame(flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[flags], &length[..], content].concat()
}

fn response(trailers: &[u8]) -> Vec<u8> {
    [frame(0, b"a message"), frame(1, &[7; 300]), frame(0, b""), frame(TRAILERS, trailers)].concat()
}

fn reader(content_type: &str) -> TrailerReader {
    TrailerReader::of_content_type(content_type.as_bytes()).expect("gRPC-Web")
}

fn read(content_type: &str, body: &[u8]) -> Option<&'static str> {
    let mut reader = reader(content_type);
    reader.read(&body);
    reader.status().map(GrpcStatus::as_str)
}

fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |group: &[u8]| {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let symbol = move |at: usize| SYMBOLS[(bits >> (18 - 6 * at) & 63) as usize] as char;
        let len = group.len();
        (0..4).map(move |at| if at <= len { symbol(at) } else { '=' })
    };
    bytes.chunks(3).flat_map(encode).collect()
}

// F-01
#[test]
fn the_content_type_selects_the_encoding() {
    let body = response(b"grpc-status: 5\r\ngrpc-message: no\r\n");
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web; charset=x",
        "Application/GRPC-Web+proto",
    ] {
        assert_eq!(read(content_type, &body), Some("NOT_FOUND"), "{content_type}");
    }
    for content_type in ["application/grpc-web-text", "application/grpc-web-text+proto"] {
        assert_eq!(read(content_type, base64(&body).as_bytes()), Some("NOT_FOUND"));
        assert_eq!(read(content_type, &body), None, "not Base64");
    }
    for other in ["application/grpc", "application/grpc+proto", "application/json", ""] {
        assert!(TrailerReader::of_content_type(other.as_bytes()).is_none(), "{other}");
    }
}

// F-01
#[test]
fn the_status_is_read_wherever_the_body_is_split() {
    let body = response(b"grpc-message: longer than the start of a line is\r\ngrpc-status:13\r\n");
    // Like tonic-web: each frame is encoded and padded on its own.
    let frames = [&body[..14], &body[14..319], &body[319..]];
    let text: String = frames.iter().map(|frame| base64(frame)).collect();
    assert!(text[..text.len() - 1].contains('='), "padding inside");
    for (content_type, body) in
        [("application/grpc-web", &body[..]), ("application/grpc-web-text", text.as_bytes())]
    {
        for at in 0..=body.len() {
            let mut reader = reader(content_type);
            reader.read(&&body[..at]);
            assert_eq!(reader.is_complete(), at == body.len(), "{at}");
            assert_eq!(reader.status().is_some(), at == body.len(), "{at}");
            reader.read(&&body[at..]);
            assert_eq!(reader.status(), Some(GrpcStatus::Internal), "{at}");
        }
        let mut reader = reader(content_type);
        body.iter().for_each(|byte| reader.read(&&[*byte][..]));
        assert_eq!(reader.status(), Some(GrpcStatus::Internal));
    }
}

// F-01
#[test]
fn a_status_line_is_read_in_any_spelling() {
    for (trailers, status) in [
        (&b"grpc-status:0\r\n"[..], Some("OK")),
        (b"grpc-status: 0", Some("OK")),
        (b"GRPC-STATUS:  16  \n", Some("UNAUTHENTICATED")),
        (b"x-grpc-status: 3\r\nGrpc-Status: 7\r\n", Some("PERMISSION_DENIED")),
        (b"grpc-status: 5\r\ngrpc-status: 0\r\n", Some("NOT_FOUND")),
        (b"grpc-message: grpc-status: 5\r\ngrpc-status: 0\r\n", Some("OK")),
        (b"grpc-status: 99\r\n", Some("UNKNOWN")),
        (b"grpc-message: no status\r\n", None),
        (b"\r\n\r\n", None),
        (b"grpc-status", None),
        (b"", None),
    ] {
        let body = response(trailers);
        assert_eq!(read("application/grpc-web", &body), status, "{trailers:?}");
        let text = base64(&body);
        assert_eq!(read("application/grpc-web-text", text.as_bytes()), status, "{trailers:?}");
    }
}

// F-01
#[test]
fn an_unreadable_body_has_no_status() {
    let ok = b"grpc-status: 0\r\n";
    let mut cut = response(ok);
    cut.pop();
    let oversized = [&[TRAILERS, 0xff, 0xff, 0xff, 0xff], &ok[..]].concat();
    for body in [
        frame(TRAILERS | COMPRESSED, ok),
        frame(0x40, ok),
        cut,
        oversized,
        b"<html>an error page of a proxy</html>".to_vec(),
        frame(0, b"a message and no trailers"),
        Vec::new(),
    ] {
        assert_eq!(read("application/grpc-web", &body), None, "{body:?}");
        assert_eq!(read("application/grpc-web-text", base64(&body).as_bytes()), None);
    }
    let mut compressed = reader("application/grpc-web").unreadable();
    compressed.read(&&response(ok)[..]);
    assert_eq!(compressed.status(), None);
}

// F-01
#[test]
fn bytes_after_the_trailers_are_ignored() {
    let body = [response(b"grpc-status: 0"), frame(TRAILERS, b"grpc-status: 5")].concat();
    assert_eq!(read("application/grpc-web", &body), Some("OK"));
    let text = base64(&response(b"grpc-status: 0")) + "\n!";
    assert_eq!(read("application/grpc-web-text", text.as_bytes()), Some("OK"));
}

/// A buffer of many chunks. It returns all of them, or only the first.
struct ChunkedBuf(VecDeque<Bytes>, bool);

impl Buf for ChunkedBuf {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let shown = if self.1 { self.0.len() } else { 1 };
        let pairs = slices.iter_mut().zip(self.0.iter().take(shown));
        pairs.map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, _: usize) {
        unreachable!("the body belongs to the server")
    }
}

// F-01, a neighbour: the data of a frame may have several chunks.
#[test]
fn data_in_chunks_is_read_in_order_and_is_not_consumed() {
    let body = response(b"grpc-status: 5\r\n");
    for size in [1, 20, 100, 1_000] {
        let chunks = body.chunks(size).map(Bytes::copy_from_slice).collect();
        let mut whole = reader("application/grpc-web");
        whole.read(&ChunkedBuf(chunks, true));
        assert_eq!(whole.status(), Some(GrpcStatus::NotFound), "{size}");
    }
    let chunks = body.chunks(20).map(Bytes::copy_from_slice).collect();
    let mut first = reader("application/grpc-web");
    first.read(&ChunkedBuf(chunks, false));
    first.read(&&frame(TRAILERS, b"grpc-status: 5")[..]);
    assert_eq!(first.status(), None, "only a part was read");
}

// F-01, a neighbour: the service may write any body, split anywhere.
#[test]
fn the_status_of_any_body_is_the_same_however_it_is_split() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut found = 0;
    for _ in 0..2_000 {
        let mut frames: Vec<_> = (0..random(3)).map(|_| frame(0, &vec![7; random(20)])).collect();
        frames
            .push(frame(TRAILERS, [&b"grpc-status: 5\r\n"[..], b"a: b\ngrpc-status:0"][random(2)]));
        let text: String = frames.iter().map(|frame| base64(frame)).collect();
        for (content_type, mut body) in [
            ("application/grpc-web", frames.concat()),
            ("application/grpc-web-text", text.into_bytes()),
        ] {
            if random(4) == 0 {
                let at = random(body.len());
                body[at] = random(256) as u8;
            }
            let whole = read(content_type, &body);
            found += usize::from(whole.is_some());
            let mut split = reader(content_type);
            let mut rest = &body[..];
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(1 + random(rest.len()));
                split.read(&chunk);
                rest = after;
            }
            assert_eq!(split.status().map(GrpcStatus::as_str), whole, "{body:?}");
        }
    }
    assert!(
        (2_000..4_000).contains(&found),
        "most bodies have a status, and some have none: {found}"
    );
}
