//! One connection to one broker: many requests in flight, answered in order.

use crate::error::{ClientError, words};
use bytes::{Bytes, BytesMut};
use ottla_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_protocol::{
    ApiKey, ErrorCode, Message as _, Request, Text, decode_from, decode_response_header, encode_request_frame,
};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The largest answer that is read; a larger one ends the connection.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to one broker. Requests may be sent while others are in flight.
#[derive(Debug)]
pub struct Connection {
    address: String,
    client_id: Text,
    versions: HashMap<i16, (i16, i16)>,
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    in_flight: Arc<Mutex<InFlight>>,
    reader: AbortHandle,
}

/// Who waits for an answer, in the order of the requests.
#[derive(Debug, Default)]
struct InFlight {
    next_id: i32,
    waiting: VecDeque<(i32, oneshot::Sender<Bytes>)>,
    /// Why the connection ended.
    ended: Option<String>,
}

fn lock(in_flight: &Mutex<InFlight>) -> MutexGuard<'_, InFlight> {
    // Every change under this lock is a single push, pop or clear.
    in_flight.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// Connects to `address` (host:port) and asks which versions the broker speaks.
    pub async fn open(address: &str, client_id: &str) -> Result<Connection, ClientError> {
        let connect = |reason| ClientError::Connect { address: address.to_owned(), reason };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| connect("no answer".to_owned()))?
            .map_err(|error| connect(words(&error)))?;
        // Requests are small and each waits for its answer: nothing is gained by delaying them.
        stream.set_nodelay(true).map_err(|error| connect(words(&error)))?;
        let (reader, writer) = stream.into_split();
        let in_flight = Arc::new(Mutex::new(InFlight::default()));
        let task = tokio::spawn(read_answers(reader, Arc::clone(&in_flight)));
        let mut connection = Connection {
            address: address.to_owned(),
            client_id: client_id.into(),
            versions: HashMap::new(),
            writer: tokio::sync::Mutex::new(writer),
            in_flight,
            reader: task.abort_handle(),
        };
        connection.versions = connection.ask_versions().await?;
        Ok(connection)
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        lock(&self.in_flight).ended.is_some()
    }

    /// Sends `request` in the highest version that both sides speak, and waits up to `patience` for the
    /// answer.
    pub async fn call<R: Request>(
        &self,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, ClientError> {
        let version = self.version::<R>()?;
        self.call_in(request, version, patience).await
    }

    /// As [`Connection::call`], in no version above `newest`.
    pub async fn call_up_to<R: Request>(
        &self,
        request: &R,
        newest: i16,
        patience: Duration,
    ) -> Result<R::Response, ClientError> {
        let version = self.version::<R>()?.min(newest);
        self.call_in(request, version, patience).await
    }

    /// The highest version of `R` that both sides speak.
    pub fn version<R: Request>(&self) -> Result<i16, ClientError> {
        let ours = R::VERSIONS;
        let theirs = self.versions.get(&(R::KEY as i16));
        theirs
            .map(|(min, max)| (*min.max(ours.start()), *max.min(ours.end())))
            .filter(|(min, max)| min <= max)
            .map(|(_, max)| max)
            .ok_or(ClientError::NotServed { address: self.address.clone(), api: R::KEY.name() })
    }

    async fn call_in<R: Request>(
        &self,
        request: &R,
        version: i16,
        patience: Duration,
    ) -> Result<R::Response, ClientError> {
        let answer = tokio::time::timeout(patience, self.exchange(request, version)).await;
        let frame = answer.map_err(|_| {
            // Answers come in order: behind one that does not come, none will.
            end(&self.in_flight, "a request was not answered in time");
            ClientError::TimedOut { address: self.address.clone(), after_ms: patience.as_millis() as u64 }
        })??;
        let decode = |source| ClientError::Decode { address: self.address.clone(), source };
        let (_, mut reader) = decode_response_header(frame, R::KEY, version).map_err(decode)?;
        decode_from(&mut reader, version).map_err(decode)
    }

    /// Sends one request and waits for its frame.
    async fn exchange<R: Request>(&self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        let answer = {
            // The order of the waiting list is that of the socket, so both change under the writer's lock.
            let mut writer = self.writer.lock().await;
            let (sender, receiver) = oneshot::channel();
            let id = {
                let mut in_flight = lock(&self.in_flight);
                if let Some(reason) = &in_flight.ended {
                    return Err(self.disconnected(reason));
                }
                in_flight.next_id = in_flight.next_id.wrapping_add(1);
                in_flight.next_id
            };
            let frame = encode_request_frame(id, Some(self.client_id.clone()), version, request)?;
            lock(&self.in_flight).waiting.push_back((id, sender));
            self.write(&mut writer, &frame.bytes).await?;
            receiver
        };
        answer.await.map_err(|_| {
            let reason = lock(&self.in_flight).ended.clone().unwrap_or_default();
            self.disconnected(&reason)
        })
    }

    /// Sends a request that asks for no answer (Produce with acks=0).
    pub async fn send_unanswered<R: Request>(&self, request: &R) -> Result<(), ClientError> {
        let version = self.version::<R>()?;
        let frame = encode_request_frame(0, Some(self.client_id.clone()), version, request)?;
        let mut writer = self.writer.lock().await;
        if let Some(reason) = lock(&self.in_flight).ended.clone() {
            return Err(self.disconnected(&reason));
        }
        self.write(&mut writer, &frame.bytes).await
    }

    /// Writes a whole frame. When that fails, or the caller gives up half way, the connection has ended:
    /// nothing can follow half a frame.
    async fn write(&self, writer: &mut OwnedWriteHalf, frame: &[u8]) -> Result<(), ClientError> {
        let mut half_written = EndsWhenDropped(Some(&self.in_flight));
        let written = writer.write_all(frame).await;
        half_written.0 = None;
        written.map_err(|error| {
            let reason = words(&error);
            end(&self.in_flight, &reason);
            self.disconnected(&reason)
        })
    }

    fn disconnected(&self, reason: &str) -> ClientError {
        ClientError::Disconnected { address: self.address.clone(), reason: reason.to_owned() }
    }

    /// The versions the broker speaks. A broker that does not know our version of the question answers
    /// in version 0 with the ones it knows (KIP-511).
    async fn ask_versions(&self) -> Result<HashMap<i16, (i16, i16)>, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        let newest = *ApiVersionsRequest::VERSIONS.end();
        let frame = tokio::time::timeout(CONNECT_TIMEOUT, self.exchange(&request, newest)).await.map_err(
            |_| ClientError::TimedOut {
                address: self.address.clone(),
                after_ms: CONNECT_TIMEOUT.as_millis() as u64,
            },
        )??;
        let decode = |source| ClientError::Decode { address: self.address.clone(), source };
        // The answer is in our version, or in version 0 when the broker does not know ours.
        let in_version = |version| {
            let (_, mut reader) = decode_response_header(frame.clone(), ApiKey::ApiVersions, newest)?;
            decode_from::<ApiVersionsResponse>(&mut reader, version)
        };
        let mut answer = in_version(newest).or_else(|_| in_version(0)).map_err(decode)?;
        if ErrorCode::from(answer.error_code) == ErrorCode::UnsupportedVersion {
            let known = answer.api_keys.iter().find(|it| it.api_key == ApiKey::ApiVersions as i16);
            let version = known.map_or(0, |it| it.max_version.min(newest));
            answer = self.call_in(&request, version, CONNECT_TIMEOUT).await?;
        }
        match ErrorCode::from(answer.error_code) {
            ErrorCode::None => {
                Ok(answer.api_keys.iter().map(|it| (it.api_key, (it.min_version, it.max_version))).collect())
            }
            code => Err(ClientError::refused("asking for API versions", code, None)),
        }
    }
}

/// Ends the connection unless it was disarmed.
struct EndsWhenDropped<'a>(Option<&'a Mutex<InFlight>>);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        if let Some(in_flight) = self.0 {
            end(in_flight, "a request was given up while it was sent");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Hands each answer to who waits for it, until the connection ends.
async fn read_answers(mut reader: OwnedReadHalf, in_flight: Arc<Mutex<InFlight>>) {
    let reason = loop {
        let frame = match read_frame(&mut reader).await {
            Ok(frame) => frame,
            Err(reason) => break reason,
        };
        let id = frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
        let next = lock(&in_flight).waiting.pop_front();
        match (next, id) {
            (Some((expected, sender)), Some(id)) if expected == id => {
                // Nobody there: the caller gave up waiting.
                let _ = sender.send(frame);
            }
            _ => break "an answer came that nobody asked for".to_owned(),
        }
    };
    end(&in_flight, &reason);
}

async fn read_frame(reader: &mut OwnedReadHalf) -> Result<Bytes, String> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err("closed by the broker".to_owned());
        }
        Err(error) => return Err(words(&error)),
    }
    let length = i32::from_be_bytes(length);
    let size = usize::try_from(length).ok().filter(|size| *size <= MAX_ANSWER_BYTES).ok_or_else(|| {
        format!("an answer of {length} bytes: larger than {MAX_ANSWER_BYTES}, or no Kafka broker")
    })?;
    let mut frame = BytesMut::with_capacity(size);
    while frame.len() < size {
        let mut rest = (&mut *reader).take((size - frame.len()) as u64);
        if rest.read_buf(&mut frame).await.map_err(|error| words(&error))? == 0 {
            return Err("closed by the broker within an answer".to_owned());
        }
    }
    Ok(frame.freeze())
}

/// Marks the connection as ended; everyone who waits is told by their sender going away.
fn end(in_flight: &Mutex<InFlight>, reason: &str) {
    let mut in_flight = lock(in_flight);
    in_flight.ended.get_or_insert_with(|| reason.to_owned());
    in_flight.waiting.clear();
}
