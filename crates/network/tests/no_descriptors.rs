//! A process without file descriptors left goes on, and accepts again when there are some. In a
//! process of its own, since the limit is the process's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use ottla_network::{Connection, Limits, Network, Outcome, Service};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

struct Constant;

impl Service for Constant {
    async fn call(&self, _: &Arc<Connection>, _: Bytes) -> Outcome {
        Outcome::Answer(Bytes::from_static(b"\0\0\0\x02ok").into())
    }
}

#[tokio::test]
async fn without_file_descriptors_accepting_rests_and_goes_on() {
    let network = Network::new(Limits::default(), Constant);
    let address = network.listen("PLAINTEXT", "127.0.0.1:0".parse().unwrap()).unwrap();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit).unwrap();

    let mut clients = Vec::new();
    let patience = Duration::from_secs(300);
    let exhausted = async {
        while network.stats().accept_errors.load(Ordering::Relaxed) == 0 {
            if let Ok(client) = TcpStream::connect(address).await {
                clients.push(client);
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(patience, exhausted).await.expect("the limit to be reached");
    let mut last = clients.pop().expect("some were accepted");
    drop(clients);
    let answered = async {
        last.write_all(b"\0\0\0\x01?").await.unwrap();
        let mut answer = [0; 6];
        last.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"\0\0\0\x02ok");
    };
    timeout(patience, answered).await.expect("the one that waited to be served");
}
