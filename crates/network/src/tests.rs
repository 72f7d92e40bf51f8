//! Real sockets on the loopback interface.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::*;

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// Short, and yet longer than a test is kept from the processor while it sends something.
const SHORT: Duration = Duration::from_secs(2);

/// A service told by each frame's first byte what to do with it.
#[derive(Default)]
struct Told {
    begun: AtomicU64,
    dropped: AtomicU64,
    /// Effects of frames, in order.
    seen: Mutex<Vec<Bytes>>,
    /// Lets `L`ater answers go.
    durable: Notify,
    /// Lets `W`aiting calls go.
    wake: Semaphore1,
    /// What was told of files that cannot be read.
    unreadable: Mutex<Vec<String>>,
}

struct Semaphore1(Semaphore);

impl Default for Semaphore1 {
    fn default() -> Semaphore1 {
        Semaphore1(Semaphore::new(0))
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

fn echo(frame: &Bytes) -> Answer {
    Answer::from(Bytes::from(framed(frame)))
}

struct Dropped<'a>(&'a AtomicU64);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Service for Arc<Told> {
    fn call(&self, _: &Arc<Connection>, frame: Bytes) -> impl Future<Output = Outcome> + Send {
        let told = self.clone();
        async move {
            told.begun.fetch_add(1, Ordering::SeqCst);
            told.seen.lock().unwrap().push(Bytes::copy_from_slice(frame.get(..64).unwrap_or(&frame)));
            let _dropped = Dropped(&told.dropped);
            match frame.first() {
                Some(b'L') => {
                    let told = told.clone();
                    Outcome::Later(Box::pin(async move {
                        told.durable.notified().await;
                        echo(&frame)
                    }))
                }
                Some(b'W') => {
                    told.wake.0.acquire().await.unwrap().forget();
                    Outcome::Answer(echo(&frame))
                }
                Some(b'N') => Outcome::Nothing,
                Some(b'C') => Outcome::Close,
                Some(b'P') => panic!("told to"),
                Some(b'p') => Outcome::Later(Box::pin(async { panic!("told to, later") })),
                Some(b'B') => Outcome::Answer(Answer::from(Bytes::from(framed(&vec![b'b'; 8 << 20])))),
                Some(b'F') => {
                    let mut file = tempfile::tempfile().unwrap();
                    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
                    file.write_all(&body).unwrap();
                    let file = Arc::new(file);
                    let range = |position: usize, size| {
                        Piece::File(FileRange {
                            file: file.clone(),
                            position: position as u64,
                            size,
                            on_failure: None,
                        })
                    };
                    let size = 5 + 2_000_000 + 3 + 10 + 1;
                    let mut head = (size as u32).to_be_bytes().to_vec();
                    head.extend_from_slice(b"start");
                    Outcome::Answer(Answer {
                        pieces: smallvec![
                            Piece::Bytes(head.into()),
                            range(1_000_000, 2_000_000),
                            Piece::Bytes(Bytes::from_static(b"mid")),
                            range(0, 0),
                            range(251, 10),
                            Piece::Bytes(Bytes::from_static(b"e")),
                        ],
                    })
                }
                Some(b'S') => {
                    let file = Arc::new(tempfile::tempfile().unwrap());
                    let range = FileRange { file, position: 0, size: 10, on_failure: None };
                    let head = Piece::Bytes(Bytes::from_static(&[0, 0, 0, 10]));
                    Outcome::Answer([head, Piece::File(range)].into_iter().collect())
                }
                Some(b'U') => {
                    // It has the bytes, and may not be read.
                    let folder = tempfile::tempdir().unwrap();
                    let mut file = std::fs::File::create(folder.path().join("file")).unwrap();
                    file.write_all(&[7; 20_000]).unwrap();
                    let owner = told.clone();
                    let on_failure = OnFailure::new(move |error| {
                        owner.unreadable.lock().unwrap().push(error.to_string());
                    });
                    let size = if frame.ends_with(b"small") { 10 } else { 20_000 };
                    let range =
                        FileRange { file: Arc::new(file), position: 0, size, on_failure: Some(on_failure) };
                    let head = Piece::Bytes((size as u32).to_be_bytes().to_vec().into());
                    Outcome::Answer([head, Piece::File(range)].into_iter().collect())
                }
                _ => Outcome::Answer(echo(&frame)),
            }
        }
    }
}

struct Net {
    network: Network<Arc<Told>>,
    told: Arc<Told>,
    address: SocketAddr,
}

fn net(limits: Limits) -> Net {
    let told = Arc::new(Told::default());
    let network = Network::new(limits, told.clone());
    let address = network.listen("PLAINTEXT", "127.0.0.1:0".parse().unwrap()).unwrap();
    Net { network, told, address }
}

impl Net {
    async fn client(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    fn stat(&self, read: impl Fn(&Stats) -> &AtomicU64) -> u64 {
        read(self.network.stats()).load(Ordering::Relaxed)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Net) -> bool) {
        let all = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, body: &[u8]) {
        self.0.write_all(&framed(body)).await.unwrap();
    }

    async fn answer(&mut self) -> Vec<u8> {
        let read = async {
            let mut size = [0; 4];
            self.0.read_exact(&mut size).await.unwrap();
            let mut body = vec![0; u32::from_be_bytes(size) as usize];
            self.0.read_exact(&mut body).await.unwrap();
            body
        };
        timeout(PATIENCE, read).await.expect("an answer")
    }

    async fn asks(&mut self, body: &[u8]) {
        self.send(body).await;
        assert_eq!(self.answer().await, body);
    }

    /// What comes until the end.
    async fn is_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the connection to end");
        rest
    }
}

#[tokio::test]
async fn frames_are_answered_in_order_whatever_their_sizes() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    let sizes = [0, 1, 3, 100, 16_380, 16_384, 16_390, 32_763, 32_764, 32_768, 32_769, 40_000, 1_000_000, 2];
    let frames: Vec<Vec<u8>> =
        sizes.iter().map(|size| (0..*size).map(|i: usize| (i % 61) as u8).collect()).collect();
    let all: Vec<u8> = frames.iter().flat_map(|frame| framed(frame)).collect();
    let (mut read, mut write) = client.0.split();
    let send = async {
        // Cut at all kinds of places.
        for chunk in all.chunks(7_919) {
            write.write_all(chunk).await.unwrap();
        }
    };
    let mut got = vec![0; all.len()];
    let (_, n) = timeout(PATIENCE, async { tokio::join!(send, read.read_exact(&mut got)) }).await.unwrap();
    n.unwrap();
    assert!(got == all, "the echo is what was sent");
    assert_eq!(net.stat(|it| &it.requests), frames.len() as u64);
    assert_eq!(net.stat(|it| &it.bytes_in), all.len() as u64);
    net.until("bytes counted", |net| net.stat(|it| &it.bytes_out) == all.len() as u64).await;
    net.until("large frames given back", |net| net.stat(|it| &it.request_bytes_now) == 0).await;
}

#[tokio::test]
async fn file_ranges_are_sent_between_the_bytes() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    client.send(b"F").await;
    client.send(b"after").await;
    let got = client.answer().await;
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let expected = [b"start", &body[1_000_000..], b"mid", &body[..10], b"e"].concat();
    assert!(got == expected);
    assert_eq!(client.answer().await, b"after");
}

#[tokio::test]
async fn the_next_frame_is_handled_while_an_earlier_answer_waits() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    for frame in ["Later 1", "now", "Later 2", "Nothing", "now too"] {
        client.send(frame.as_bytes()).await;
    }
    net.until("all handled", |net| net.told.begun.load(Ordering::SeqCst) == 5).await;
    assert_eq!(net.stat(|it| &it.bytes_out), 0, "nothing overtakes the first answer");
    net.told.durable.notify_one();
    assert_eq!(client.answer().await, b"Later 1");
    assert_eq!(client.answer().await, b"now");
    net.told.durable.notify_one();
    assert_eq!(client.answer().await, b"Later 2");
    assert_eq!(client.answer().await, b"now too");
}

#[tokio::test]
async fn earlier_answers_leave_while_a_call_waits() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    client.send(b"Later").await;
    client.send(b"Wait").await;
    client.send(b"behind").await;
    net.until("the long poll", |net| net.told.begun.load(Ordering::SeqCst) == 2).await;
    net.told.durable.notify_one();
    assert_eq!(client.answer().await, b"Later");
    assert_eq!(net.told.begun.load(Ordering::SeqCst), 2, "calls run one after the other");
    net.told.wake.0.add_permits(1);
    assert_eq!(client.answer().await, b"Wait");
    assert_eq!(client.answer().await, b"behind");
}

#[tokio::test]
async fn a_peer_that_goes_away_ends_its_call() {
    for reset in [false, true] {
        let net = net(Limits::default());
        let mut client = net.client().await;
        client.send(b"Wait").await;
        net.until("the long poll", |net| net.told.begun.load(Ordering::SeqCst) == 1).await;
        assert_eq!(net.told.dropped.load(Ordering::SeqCst), 0);
        if reset {
            #[expect(deprecated, reason = "zero does not block: it makes the close a reset")]
            client.0.set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        net.until("the call dropped", |net| net.told.dropped.load(Ordering::SeqCst) == 1).await;
        net.until("the connection gone", |net| net.stat(|it| &it.connections_now) == 0).await;
    }
}

#[tokio::test]
async fn frames_sent_right_before_a_close_take_effect() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    let mut all = Vec::new();
    for i in 0..500 {
        all.extend(framed(format!("No answer {i}").as_bytes()));
    }
    client.0.write_all(&all).await.unwrap();
    drop(client);
    net.until("all handled", |net| net.told.seen.lock().unwrap().len() == 500).await;
    net.until("the connection gone", |net| net.stat(|it| &it.connections_now) == 0).await;
}

#[tokio::test]
async fn a_panic_closes_its_connection_only() {
    let net = net(Limits::default());
    let mut other = net.client().await;
    other.asks(b"before").await;
    for (frame, panics) in [(b"P", 1), (b"p", 2)] {
        let mut client = net.client().await;
        client.send(frame).await;
        assert!(client.is_closed().await.is_empty());
        assert_eq!(net.stat(|it| &it.closed_panic), panics);
    }
    other.asks(b"after").await;
}

#[tokio::test]
async fn close_comes_after_the_earlier_answers() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    for frame in ["now", "Later", "Close", "never"] {
        client.send(frame.as_bytes()).await;
    }
    net.until("all handled", |net| net.told.begun.load(Ordering::SeqCst) == 3).await;
    net.told.durable.notify_one();
    assert_eq!(client.is_closed().await, [framed(b"now"), framed(b"Later")].concat());
    assert_eq!(net.stat(|it| &it.closed_by_service), 1);
    assert_eq!(net.told.begun.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn close_comes_after_all_of_a_large_answer() {
    let net = net(Limits { max_output_bytes: 64 << 20, ..Limits::default() });
    let mut client = net.client().await;
    client.send(b"Big").await;
    client.send(b"Close").await;
    net.until("both handled", |net| net.told.begun.load(Ordering::SeqCst) == 2).await;
    assert_eq!(client.is_closed().await.len(), 4 + (8 << 20));
}

#[tokio::test]
async fn frames_that_wait_for_a_call_are_bounded_though_they_are_empty() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    client.send(b"Wait").await;
    net.until("it waits", |net| net.told.begun.load(Ordering::SeqCst) == 1).await;
    // As much as the sockets take.
    let flood = tokio::spawn(async move { client.0.write_all(&vec![0; 64 << 20]).await.is_ok() });
    let mut other = net.client().await;
    for _ in 0..1000 {
        other.asks(b"others are served").await;
    }
    let of_others = 1000 * framed(b"others are served").len() as u64;
    let received = net.stat(|it| &it.bytes_in) - of_others;
    assert!(received <= 100_000, "{received}");
    flood.abort();
}

#[tokio::test]
async fn frames_of_impossible_sizes_close_the_connection() {
    let net = net(Limits { max_request_size: 1000, ..Limits::default() });
    for (closed, prefix) in [(1, 1001), (2, i32::MAX), (3, -1), (4, i32::MIN)] {
        let mut client = net.client().await;
        client.asks(&[7; 1000]).await;
        client.0.write_all(&i32::to_be_bytes(prefix)).await.unwrap();
        assert!(client.is_closed().await.is_empty());
        assert_eq!(net.stat(|it| &it.closed_frame_size), closed);
    }
}

#[tokio::test]
async fn announcing_large_frames_reserves_nothing() {
    let net = net(Limits { max_request_bytes_in_flight: 1 << 20, ..Limits::default() });
    let mut announcers = Vec::new();
    for _ in 0..50 {
        let mut client = net.client().await;
        client.0.write_all(&i32::to_be_bytes(100 << 20)).await.unwrap();
        client.0.write_all(&[0; 10_000]).await.unwrap();
        announcers.push(client);
    }
    net.until("all received", |net| net.stat(|it| &it.bytes_in) == 50 * 10_004).await;
    assert_eq!(net.stat(|it| &it.request_bytes_now), 0);
    let mut client = net.client().await;
    client.asks(&[1; 1_000_000]).await;
}

#[tokio::test]
async fn large_frames_wait_for_the_bytes_in_flight() {
    let net = net(Limits { max_request_bytes_in_flight: 1 << 20, ..Limits::default() });
    let mut first = net.client().await;
    let mut second = net.client().await;
    let mut small = net.client().await;
    // The first one's frame stays in memory as long as its call waits.
    let frame = [&b"Wait"[..], &[0; 900_000]].concat();
    first.send(&frame).await;
    net.until("the first call", |net| net.told.begun.load(Ordering::SeqCst) == 1).await;
    assert_eq!(net.stat(|it| &it.request_bytes_now), 900_004);
    let (mut read, mut write) = second.0.split();
    let send = async { write.write_all(&framed(&[2; 500_000])).await.unwrap() };
    let watch = async {
        net.until("the second waits", |net| net.stat(|it| &it.waited_for_request_bytes) == 1).await;
        small.asks(b"small frames do not count").await;
        assert_eq!(net.told.begun.load(Ordering::SeqCst), 2);
        net.told.wake.0.add_permits(1);
        assert!(first.answer().await == frame);
        let mut answer = vec![0; 500_004];
        read.read_exact(&mut answer).await.unwrap();
        assert!(answer == framed(&[2; 500_000]));
    };
    timeout(PATIENCE, async { tokio::join!(send, watch) }).await.unwrap();
    net.until("all given back", |net| net.stat(|it| &it.request_bytes_now) == 0).await;
    // More than the whole bound passes alone.
    second.asks(&vec![3; 3_000_000]).await;
}

#[tokio::test]
async fn a_large_frame_that_waits_for_others_is_not_idle() {
    let net = net(Limits { max_request_bytes_in_flight: 1 << 20, max_idle: SHORT, ..Limits::default() });
    let (mut first, mut second) = (net.client().await, net.client().await);
    first.send(&[&b"Wait"[..], &[0; 900_000]].concat()).await;
    net.until("the first call", |net| net.told.begun.load(Ordering::SeqCst) == 1).await;
    let frame = framed(&[2; 500_000]);
    let (start, rest) = frame.split_at(40_000);
    second.0.write_all(start).await.unwrap();
    net.until("the second waits", |net| net.stat(|it| &it.waited_for_request_bytes) == 1).await;
    let mut silent = net.client().await;
    assert!(silent.is_closed().await.is_empty(), "so long the second has waited, too");
    assert_eq!(net.stat(|it| &it.closed_half_frame), 0);
    net.told.wake.0.add_permits(1);
    assert_eq!(first.answer().await.len(), 900_004);
    second.0.write_all(rest).await.unwrap();
    assert_eq!(second.answer().await.len(), 500_000);
}

#[tokio::test]
async fn a_waiting_large_frame_whose_client_leaves_gives_up_its_place() {
    let net = net(Limits { max_request_bytes_in_flight: 1 << 20, ..Limits::default() });
    let mut first = net.client().await;
    first.send(&[&b"Wait"[..], &[0; 1_000_000]].concat()).await;
    net.until("the first call", |net| net.told.begun.load(Ordering::SeqCst) == 1).await;
    let mut second = net.client().await;
    second.0.write_all(&i32::to_be_bytes(800_000)).await.unwrap();
    second.0.write_all(&[0; 40_000]).await.unwrap();
    net.until("the second waits", |net| net.stat(|it| &it.waited_for_request_bytes) == 1).await;
    drop(second);
    let mut third = net.client().await;
    let third = tokio::spawn(async move { third.asks(&[3; 600_000]).await });
    net.until("the third waits", |net| net.stat(|it| &it.waited_for_request_bytes) == 2).await;
    net.told.wake.0.add_permits(1);
    assert_eq!(first.answer().await.len(), 1_000_004);
    timeout(PATIENCE, third).await.unwrap().unwrap();
    net.until("all given back", |net| net.stat(|it| &it.request_bytes_now) == 0).await;
}

#[tokio::test]
async fn at_max_connections_the_next_one_waits() {
    let net = net(Limits { max_connections: 2, ..Limits::default() });
    let mut first = net.client().await;
    let mut second = net.client().await;
    first.asks(b"1").await;
    second.asks(b"2").await;
    let mut third = net.client().await;
    third.send(b"3").await;
    net.until("the third waits", |net| net.stat(|it| &it.waited_for_max_connections) == 1).await;
    first.asks(b"others go on").await;
    assert_eq!(net.told.begun.load(Ordering::SeqCst), 3);
    drop(second);
    assert_eq!(third.answer().await, b"3");
}

#[tokio::test]
async fn limits_on_connections_change_while_they_are_open() {
    let net = net(Limits { max_connections: 1, ..Limits::default() });
    let mut first = net.client().await;
    first.asks(b"1").await;
    let mut second = net.client().await;
    second.send(b"2").await;
    net.until("the second waits", |net| net.stat(|it| &it.waited_for_max_connections) == 1).await;
    net.network.set_connection_limits(&Limits { max_connections: 2, ..Limits::default() });
    assert_eq!(second.answer().await, b"2");

    net.network.set_connection_limits(&Limits { max_connections_per_ip: 1, ..Limits::default() });
    assert!(net.client().await.is_closed().await.is_empty());
    first.asks(b"who is connected stays").await;
    net.network.set_connection_limits(&Limits::default());
    net.client().await.asks(b"3").await;
}

#[tokio::test]
async fn beyond_max_connections_per_ip_they_are_closed() {
    let there = "127.0.0.7".parse().unwrap();
    let net = net(Limits {
        max_connections_per_ip: 2,
        max_connections_per_ip_overrides: [(there, 1)].into(),
        ..Limits::default()
    });
    let mut first = net.client().await;
    let mut second = net.client().await;
    first.asks(b"1").await;
    second.asks(b"2").await;
    let mut third = net.client().await;
    assert!(third.is_closed().await.is_empty());
    assert_eq!(net.stat(|it| &it.closed_per_ip), 1);
    drop(second);
    net.until("the second gone", |net| net.stat(|it| &it.connections_now) == 1).await;
    net.client().await.asks(b"3 again").await;

    let from_there = || async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(there, 0)).unwrap();
        Client(socket.connect(net.address).await.unwrap())
    };
    let mut first = from_there().await;
    first.asks(b"1").await;
    assert!(from_there().await.is_closed().await.is_empty());
    assert_eq!(net.stat(|it| &it.closed_per_ip), 2);
}

#[tokio::test]
async fn connections_beyond_the_creation_rate_wait() {
    let net = net(Limits { max_connection_creation_rate: 10, ..Limits::default() });
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(net.client().await);
    }
    for client in &mut clients {
        client.asks(b"served all the same").await;
    }
    assert!(0 < net.stat(|it| &it.waited_for_creation_rate));
}

#[tokio::test]
async fn a_flood_of_connections_is_survived() {
    let net = net(Limits { max_connections: 8, ..Limits::default() });
    for _ in 0..5 {
        let mut flood = Vec::new();
        for _ in 0..100 {
            // Beyond the backlog connecting may hang or fail.
            let connect = TcpStream::connect(net.address);
            match timeout(Duration::from_millis(20), connect).await {
                Ok(Ok(stream)) => flood.push(stream),
                _ => break,
            }
        }
        assert!(net.stat(|it| &it.connections_now) <= 8);
    }
    let served = async { net.client().await.asks(b"still here").await };
    timeout(PATIENCE, served).await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_and_waiting_ones_are_not() {
    let net = net(Limits { max_idle: SHORT, ..Limits::default() });
    let mut waiting = net.client().await;
    waiting.send(b"Wait").await;
    let mut durable = net.client().await;
    durable.send(b"Later").await;
    net.until("both begun", |net| net.told.begun.load(Ordering::SeqCst) == 2).await;
    let mut silent = [net.client().await, net.client().await, net.client().await];
    let mut half = net.client().await;
    half.0.write_all(&[0, 0, 0, 9, 1, 2, 3]).await.unwrap();
    for client in &mut silent {
        assert!(client.is_closed().await.is_empty());
    }
    assert_eq!(net.stat(|it| &it.closed_idle), 3);
    assert!(half.is_closed().await.is_empty());
    assert_eq!(net.stat(|it| &it.closed_half_frame), 1);
    net.told.wake.0.add_permits(1);
    net.told.durable.notify_one();
    assert_eq!(waiting.answer().await, b"Wait");
    assert_eq!(durable.answer().await, b"Later");
    assert!(waiting.is_closed().await.is_empty());
    assert!(durable.is_closed().await.is_empty());
}

/// `connections.max.idle.ms=-1` comes as the longest duration there is, which no moment can be moved by.
#[tokio::test]
async fn connections_may_be_idle_for_ever() {
    let forever = Limits { max_idle: Duration::MAX, max_frame_stall: Duration::MAX, ..Limits::default() };
    let net = net(forever);
    net.client().await.asks(b"served").await;
}

#[tokio::test]
async fn a_large_frame_that_stalls_gives_its_bytes_back() {
    let net = net(Limits { max_frame_stall: SHORT, ..Limits::default() });
    let mut client = net.client().await;
    client.0.write_all(&i32::to_be_bytes(1_000_000)).await.unwrap();
    client.0.write_all(&[0; 40_000]).await.unwrap();
    assert!(client.is_closed().await.is_empty());
    assert_eq!(net.stat(|it| &it.closed_half_frame), 1);
    assert_eq!(net.stat(|it| &it.request_bytes_now), 0);
}

#[tokio::test]
async fn who_does_not_read_is_not_served_and_then_closed() {
    let net = net(Limits { max_idle: SHORT, ..Limits::default() });
    let mut client = net.client().await;
    for _ in 0..20 {
        client.send(b"Big").await;
    }
    net.until("closed", |net| net.stat(|it| &it.closed_slow_reader) == 1).await;
    assert!(net.told.begun.load(Ordering::SeqCst) < 10, "the answers of 8 MiB were not all made");
    net.client().await.asks(b"others are not disturbed").await;
}

#[tokio::test]
async fn pending_answers_are_bounded() {
    let net = net(Limits { max_pending_answers: 3, ..Limits::default() });
    let mut client = net.client().await;
    for i in 0..10 {
        client.send(format!("Later {i}").as_bytes()).await;
    }
    for i in 0..10 {
        let begun = (i + 3).min(10);
        net.until("three wait", |net| net.told.begun.load(Ordering::SeqCst) == begun).await;
        net.told.durable.notify_one();
        assert_eq!(client.answer().await, format!("Later {i}").as_bytes());
    }
}

#[tokio::test]
async fn many_pipelined_frames_are_answered() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    let all: Vec<u8> = (0..20_000u32).flat_map(|i| framed(&i.to_be_bytes())).collect();
    let (mut read, mut write) = client.0.split();
    let mut got = vec![0; all.len()];
    let both = async { tokio::join!(write.write_all(&all), read.read_exact(&mut got)) };
    timeout(PATIENCE, both).await.unwrap().1.unwrap();
    assert!(got == all);
}

#[tokio::test]
async fn a_file_that_became_shorter_closes_the_connection() {
    let net = net(Limits::default());
    let mut client = net.client().await;
    client.send(b"Short").await;
    assert_eq!(client.is_closed().await.get(4..).unwrap_or_default(), b"");
}

#[tokio::test]
async fn who_owns_a_file_hears_that_it_cannot_be_read() {
    let net = net(Limits::default());
    for (number, frame) in [&b"Unreadable"[..], b"Unreadable and small"].into_iter().enumerate() {
        let mut client = net.client().await;
        client.send(frame).await;
        assert_eq!(client.is_closed().await.get(4..).unwrap_or_default(), b"");
        let told = net.told.unreadable.lock().unwrap().clone();
        assert_eq!(told.len(), number + 1, "{told:?}");
        assert!(told[number].contains("Bad file descriptor"), "{told:?}");
    }
    net.client().await.asks(b"others go on").await;
}

#[tokio::test]
async fn stopping_finishes_what_is_in_progress() {
    let net = net(Limits::default());
    let mut idle = net.client().await;
    idle.asks(b"1").await;
    let mut waiting = net.client().await;
    waiting.send(b"Wait").await;
    waiting.send(b"not begun any more").await;
    let mut durable = net.client().await;
    durable.send(b"Later").await;
    net.until("begun", |net| net.told.begun.load(Ordering::SeqCst) == 3).await;
    let stop = net.network.stop(PATIENCE);
    let watch = async {
        assert!(idle.is_closed().await.is_empty());
        assert!(TcpStream::connect(net.address).await.is_err());
        net.told.wake.0.add_permits(1);
        net.told.durable.notify_one();
        assert_eq!(waiting.is_closed().await, framed(b"Wait"));
        assert_eq!(durable.is_closed().await, framed(b"Later"));
    };
    timeout(PATIENCE, async { tokio::join!(stop, watch) }).await.unwrap();
    assert_eq!(net.told.begun.load(Ordering::SeqCst), 3);
    assert_eq!(net.stat(|it| &it.connections_now), 0);
}

#[tokio::test]
async fn stopping_has_an_end() {
    let net = net(Limits::default());
    let mut waiting = net.client().await;
    waiting.send(b"Wait").await;
    net.until("begun", |net| net.told.begun.load(Ordering::SeqCst) == 1).await;
    timeout(PATIENCE, net.network.stop(Duration::from_millis(10))).await.unwrap();
    assert!(waiting.is_closed().await.is_empty());
    assert_eq!(net.told.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(net.stat(|it| &it.connections_now), 0);
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let net = net(Limits::default());
    let error = net.network.listen("SECOND", net.address).unwrap_err();
    assert!(error.to_string().contains("for listener SECOND"), "{error}");
}

#[tokio::test]
async fn ranges_that_are_not_in_the_page_cache_are_sent() {
    // Beside the sources, on a disk: temporary folders often are in memory.
    let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let body: Vec<u8> = (0..1_500_000u32).map(|i| (i % 249) as u8).collect();
    file.write_all(&body).unwrap();
    file.sync_all().unwrap();
    let file = Arc::new(file);

    struct Send(Arc<std::fs::File>);
    impl Service for Send {
        fn call(&self, _: &Arc<Connection>, _: Bytes) -> impl Future<Output = Outcome> + std::marker::Send {
            let range = |position, size| {
                Piece::File(FileRange { file: self.0.clone(), position, size, on_failure: None })
            };
            let head = Piece::Bytes(Bytes::copy_from_slice(&1_300_100u32.to_be_bytes()));
            let answer = [head, range(7, 100), range(100_000, 1_300_000)].into_iter().collect();
            async { Outcome::Answer(answer) }
        }
    }
    let network = Network::new(Limits::default(), Send(file.clone()));
    let address = network.listen("PLAINTEXT", "127.0.0.1:0".parse().unwrap()).unwrap();
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    for _ in 0..3 {
        rustix::fs::fadvise(&*file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        client.send(b"?").await;
        assert!(client.answer().await == [&body[7..107], &body[100_000..1_400_000]].concat());
    }
}
