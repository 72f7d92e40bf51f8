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
const PATIENCE: Duration = Duration::from_secs(20);

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
                        Piece::File(FileRange { file: file.clone(), position: position as u64, size })
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
                    let range =
                        FileRange { file: Arc::new(tempfile::tempfile().unwrap()), position: 0, size: 10 };
                    let head = Piece::Bytes(Bytes::from_static(&[0, 0, 0, 10]));
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
