//! Who is given up, and what is kept in memory.

use super::{client::Failure, reader::StreamReader, state::WindowLimits, window::Window};
use bytes::Bytes;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

const FOREVER: Duration = Duration::from_secs(3600);
const PATIENT: WindowLimits =
    WindowLimits { chunks: 2, bytes: 100, grace: FOREVER, grace_per_mebibyte: Duration::ZERO };
const IMPATIENT: WindowLimits = WindowLimits { grace: Duration::ZERO, ..PATIENT };

fn window(limits: WindowLimits) -> Arc<Window> {
    Arc::new(Window::new(limits))
}

fn reader(window: &Arc<Window>) -> StreamReader {
    StreamReader::new(Arc::clone(window), Instant::now() + FOREVER)
}

fn chunk(len: usize) -> Bytes {
    vec![b'x'; len].into()
}

/// The next chunk's length, without waiting for it.
fn poll(reader: &mut StreamReader) -> Poll<Option<Result<usize, String>>> {
    let poll = reader.poll(&mut Context::from_waker(Waker::noop()));
    poll.map_ok(|chunk| chunk.len()).map_err(|error| error.to_string())
}

const fn ready(len: usize) -> Poll<Option<Result<usize, String>>> {
    Poll::Ready(Some(Ok(len)))
}

fn not_read() -> Poll<Option<Result<usize, String>>> {
    Poll::Ready(Some(Err("the client did not read the response in time".to_owned())))
}

/// Pushes on a thread. The channel tells when it returns.
fn push(window: &Arc<Window>, readers: &[&StreamReader], chunk: Bytes) -> mpsc::Receiver<bool> {
    let (window, ids) = (Arc::clone(window), readers.iter().map(|r| r.id()).collect::<Vec<_>>());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(window.push(&ids, chunk)));
    receiver
}

fn returned(pushed: &mpsc::Receiver<bool>) -> bool {
    pushed.recv_timeout(Duration::from_secs(30)).expect("the writer was never woken")
}

//
#[test]
fn a_chunk_of_several_clients_is_in_memory_once_and_until_the_last_took_it() {
    let window = window(PATIENT);
    let (mut one, mut two) = (reader(&window), reader(&window));
    assert!(window.push(&[one.id(), two.id()], chunk(7)));
    assert!(window.push(&[one.id()], chunk(5)));
    assert_eq!(window.unread(), 12);
    assert_eq!(poll(&mut one), ready(7));
    assert_eq!(window.unread(), 12);
    assert_eq!(poll(&mut two), ready(7));
    assert_eq!(window.unread(), 5);
    assert_eq!(poll(&mut two), Poll::Pending);
    drop(one);
    assert_eq!(window.unread(), 0);
    window.end(&[two.id()]);
    assert!(two.is_over());
    assert_eq!(poll(&mut two), Poll::Ready(None));
    assert!(!window.push(&[two.id()], chunk(1)));
}

//
#[test]
fn the_writer_waits_for_room_by_chunks_and_by_bytes() {
    for (lens, next) in [(&[1, 1][..], 1), (&[60], 41), (&[200], 1)] {
        let window = window(PATIENT);
        let mut slow = reader(&window);
        for len in lens {
            assert!(window.push(&[slow.id()], chunk(*len)), "{lens:?}");
        }
        let pushed = push(&window, &[&slow], chunk(next));
        // It cannot return before a chunk was taken. If it does, this finds it, or a later run does.
        assert!(pushed.try_recv().is_err(), "{lens:?}");
        assert_eq!(window.unread(), lens.iter().sum::<usize>(), "{lens:?}");
        assert_eq!(poll(&mut slow), ready(lens[0]));
        assert!(returned(&pushed), "{lens:?}");
    }
}

//
#[test]
fn the_writer_stops_waiting_when_the_client_leaves() {
    let window = window(PATIENT);
    let gone = reader(&window);
    assert!(window.push(&[gone.id()], chunk(200)));
    let pushed = push(&window, &[&gone], chunk(1));
    drop(gone);
    assert!(!returned(&pushed));
    assert_eq!(window.unread(), 0);
}

//
#[test]
fn nobody_is_given_up_while_nobody_else_waits() {
    let window = window(IMPATIENT);
    let mut slow = reader(&window);
    assert!(window.push(&[slow.id()], chunk(200)));
    let pushed = push(&window, &[&slow], chunk(1));
    assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!(poll(&mut slow), ready(200));
    assert!(returned(&pushed));
    assert_eq!(poll(&mut slow), ready(1));
}

//
#[test]
fn a_client_that_other_scrapes_wait_for_is_given_up() {
    let window = window(IMPATIENT);
    let mut frozen = reader(&window);
    assert!(window.push(&[frozen.id()], chunk(200)));
    let pushed = push(&window, &[&frozen], chunk(1));
    let waiting = window.scrape_waits();
    assert!(!returned(&pushed));
    assert_eq!(window.unread(), 0);
    // Also what it could have taken before the error.
    assert_eq!(poll(&mut frozen), not_read());
    assert_eq!(poll(&mut frozen), Poll::Ready(None));
    drop(waiting);
    let mut next = reader(&window);
    assert!(window.push(&[next.id()], chunk(200)));
    let pushed = push(&window, &[&next], chunk(1));
    assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err(), "nobody waits any more");
    assert_eq!(poll(&mut next), ready(200));
    assert!(returned(&pushed));
}

//
#[test]
fn a_slow_client_of_the_same_stream_is_given_up_and_the_fast_one_gets_everything() {
    let window = window(IMPATIENT);
    let (mut fast, mut slow) = (reader(&window), reader(&window));
    let ids = [fast.id(), slow.id()];
    for len in [1, 2] {
        assert!(window.push(&ids, chunk(len)));
    }
    assert_eq!((poll(&mut fast), poll(&mut fast)), (ready(1), ready(2)));
    assert!(returned(&push(&window, &[&fast, &slow], chunk(3))));
    assert_eq!(poll(&mut fast), ready(3));
    assert_eq!(poll(&mut slow), not_read());
}

//
#[test]
fn a_client_of_an_earlier_stream_that_does_not_read_is_given_up_too() {
    let window = window(IMPATIENT);
    let (mut old, mut new) = (reader(&window), reader(&window));
    assert!(window.push(&[old.id()], chunk(90)));
    window.end(&[old.id()]);
    let _waiting = window.scrape_waits();
    assert!(window.push(&[new.id()], chunk(20)));
    assert_eq!(poll(&mut old), not_read());
    assert_eq!(poll(&mut new), ready(20));
}

//
#[test]
fn who_reads_earns_time() {
    let limits = WindowLimits {
        bytes: 1 << 20,
        grace: Duration::ZERO,
        grace_per_mebibyte: FOREVER,
        ..PATIENT
    };
    let window = window(limits);
    let mut reading = reader(&window);
    let _waiting = window.scrape_waits();
    assert!(window.push(&[reading.id()], chunk(1 << 20)));
    assert_eq!(poll(&mut reading), ready(1 << 20));
    assert!(window.push(&[reading.id()], chunk(1 << 20)));
    let pushed = push(&window, &[&reading], chunk(1));
    assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!(poll(&mut reading), ready(1 << 20));
    assert!(returned(&pushed));
}

//
#[test]
fn while_render_waits_the_writer_does_not() {
    let window = window(PATIENT);
    let mut slow = reader(&window);
    assert!(window.push(&[slow.id()], chunk(200)));
    let pushed = push(&window, &[&slow], chunk(1));
    let waiting = window.render_waits();
    assert!(returned(&pushed));
    drop(waiting);
    let pushed = push(&window, &[&slow], chunk(2));
    assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!((poll(&mut slow), poll(&mut slow)), (ready(200), ready(1)));
    assert!(returned(&pushed));
}

//
#[test]
fn a_client_is_given_up_at_its_deadline() {
    let window = window(PATIENT);
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let mut late = StreamReader::new(Arc::clone(&window), now + second);
    let mut later = StreamReader::new(Arc::clone(&window), now + 3 * second);
    let mut complete = StreamReader::new(Arc::clone(&window), now + second);
    let mut reading = StreamReader::new(Arc::clone(&window), now + second);
    let ids = [late.id(), later.id(), complete.id(), reading.id()];
    assert!(window.push(&ids, chunk(1)));
    assert_eq!((poll(&mut complete), poll(&mut reading)), (ready(1), ready(1)));
    window.end(&[complete.id()]);
    assert_eq!(window.deadlines(now), (false, Some(now + second)));
    assert_eq!(window.deadlines(now + second), (true, Some(now + 3 * second)));
    window.give_up_late(now + second);
    assert_eq!(window.deadlines(now + second), (false, Some(now + 3 * second)));
    assert_eq!(poll(&mut late), not_read());
    assert_eq!(poll(&mut later), ready(1));
    assert_eq!(poll(&mut complete), Poll::Ready(None));
    let not_written = "the metrics were not collected in time".to_owned();
    assert_eq!(poll(&mut reading), Poll::Ready(Some(Err(not_written))));
}

//
#[test]
fn a_client_with_all_chunks_can_be_late_too() {
    let window = window(PATIENT);
    let mut late = StreamReader::new(Arc::clone(&window), Instant::now());
    assert!(window.push(&[late.id()], chunk(1)));
    window.end(&[late.id()]);
    window.give_up_late(Instant::now());
    assert_eq!(poll(&mut late), not_read());
    assert_eq!(window.unread(), 0);
}

//
#[test]
fn a_failure_of_the_writer_is_an_error_unless_everything_was_written() {
    let window = window(PATIENT);
    let (mut broken, mut complete) = (reader(&window), reader(&window));
    assert!(window.push(&[broken.id(), complete.id()], chunk(1)));
    window.end(&[complete.id()]);
    window.fail(&[broken.id(), complete.id()], Failure::Panicked);
    let panicked = "writing the metrics panicked: this is a bug".to_owned();
    assert_eq!(poll(&mut broken), Poll::Ready(Some(Err(panicked))));
    assert_eq!((poll(&mut complete), poll(&mut complete)), (ready(1), Poll::Ready(None)));
}

//
#[test]
fn each_end_is_counted_once_with_the_bytes_that_were_taken() {
    let window = window(PATIENT);
    let ends = Arc::new(Mutex::new(Vec::new()));
    let reader = |name: &'static str| {
        let reader = StreamReader::new(Arc::clone(&window), Instant::now());
        let ends = Arc::clone(&ends);
        reader.on_end(Box::new(move |bytes| ends.lock().unwrap().push((name, bytes))));
        reader
    };
    let took = |expected: &[(&str, u64)]| {
        let mut ends = ends.lock().unwrap();
        assert_eq!(*ends, expected);
        ends.clear();
    };
    // The last chunk after the end, and before it.
    for is_taken_first in [false, true] {
        let mut complete = reader("complete");
        assert!(window.push(&[complete.id()], chunk(3)));
        if is_taken_first {
            assert_eq!(poll(&mut complete), ready(3));
        }
        took(&[]);
        window.end(&[complete.id()]);
        if !is_taken_first {
            took(&[]);
            assert_eq!(poll(&mut complete), ready(3));
        }
        took(&[("complete", 3)]);
        drop(complete);
        took(&[]);
    }
    let mut gone = reader("gone");
    assert!(window.push(&[gone.id()], chunk(3)));
    assert!(window.push(&[gone.id()], chunk(4)));
    assert_eq!(poll(&mut gone), ready(3));
    drop(gone);
    took(&[("gone", 3)]);
    let late = reader("late");
    assert!(window.push(&[late.id()], chunk(3)));
    window.give_up_late(Instant::now());
    took(&[("late", 0)]);
    // Told after the end.
    let counted = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&counted);
    late.on_end(Box::new(move |_| _ = counts.fetch_add(1, Ordering::Relaxed)));
    drop(late);
    took(&[]);
    assert_eq!(counted.load(Ordering::Relaxed), 1);
}

//
#[test]
fn a_client_that_waits_is_woken_by_a_chunk_the_end_and_an_error() {
    struct Count(AtomicU64);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let window = window(PATIENT);
    let mut reader = reader(&window);
    let ids = [reader.id()];
    let wait = |reader: &mut StreamReader, then: &dyn Fn()| {
        let count = Arc::new(Count(AtomicU64::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        assert!(reader.poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(reader.poll(&mut Context::from_waker(&waker)).is_pending());
        then();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    };
    wait(&mut reader, &|| assert!(window.push(&ids, chunk(1))));
    assert_eq!(poll(&mut reader), ready(1));
    wait(&mut reader, &|| window.fail(&ids, Failure::NotCompressed));
    assert!(matches!(poll(&mut reader), Poll::Ready(Some(Err(_)))));
    let mut other = StreamReader::new(Arc::clone(&window), Instant::now());
    wait(&mut other, &|| window.give_up_late(Instant::now()));
    let mut last = StreamReader::new(Arc::clone(&window), Instant::now());
    let ids = [last.id()];
    wait(&mut last, &|| window.end(&ids));
    assert_eq!(poll(&mut last), Poll::Ready(None));
}
