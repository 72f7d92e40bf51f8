//! One connection's life: a single task that reads, calls, waits and writes.
//!
//! ```text
//!  inbound ──frame──> the call in progress ──outcome──> pending answers ──in order──> outbound
//! ```
//! All four are driven by one hand-written poll, so a small request costs no hop between tasks, and
//! none of them blocks another: earlier answers are sent while a call is in progress, and a peer
//! that goes away ends the call.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::budget::Budget;
use crate::inbound::{Inbound, InboundError, Received};
use crate::outbound::Outbound;
use crate::stats::add;
use crate::transport::Transport;
use crate::{Answer, Connection, Limits, Outcome, Service, Stats};

/// Calls begun in one poll, after which other connections have their turn.
const MAX_CALLS_PER_POLL: u32 = 64;

/// How long the peer of a connection we close may take to read our last bytes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How others end a connection.
#[derive(Default)]
pub(crate) struct Control {
    /// 0, [`GRACEFUL`] or [`NOW`].
    stop: AtomicU8,
    waker: AtomicWaker,
}

/// What is in progress is finished.
const GRACEFUL: u8 = 1;
/// Nothing is finished.
const NOW: u8 = 2;

impl Control {
    /// Begins no further call, and ends the connection when the ones in progress are answered.
    pub(crate) fn stop(&self) {
        self.stop.fetch_max(GRACEFUL, Ordering::Release);
        self.waker.wake();
    }

    /// Ends the connection.
    pub(crate) fn stop_now(&self) {
        self.stop.store(NOW, Ordering::Release);
        self.waker.wake();
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the client closed it")]
    Peer,
    #[error("the request asked for it, or could not be understood")]
    Service,
    #[error("a request's handling panicked")]
    Panicked,
    #[error("the node stops")]
    Stopped,
    #[error("idle for connections.max.idle.ms")]
    Idle,
    #[error("a frame did not complete in time")]
    HalfFrame,
    #[error("the client took nothing of its answer for connections.max.idle.ms")]
    SlowReader,
    #[error("{0}")]
    Receive(InboundError),
    #[error("cannot send: {0}")]
    Send(io::Error),
}

/// What a connection needs of the network it belongs to.
pub(crate) struct Surroundings<S> {
    pub(crate) service: S,
    pub(crate) limits: Limits,
    pub(crate) stats: Arc<Stats>,
    pub(crate) budget: Budget,
}

/// Serves one connection until it ends.
pub(crate) async fn run<S: Service>(
    around: &Surroundings<S>,
    connection: &Arc<Connection>,
    transport: Transport,
    control: &Control,
) -> Ended {
    let now = Instant::now();
    let mut session = Session {
        limits: &around.limits,
        stats: &around.stats,
        budget: &around.budget,
        control,
        transport,
        inbound: Inbound::new(around.limits.max_request_size),
        pending: VecDeque::new(),
        outbound: Outbound::default(),
        peer_gone: false,
        closing: None,
        last_activity: now,
        last_received: now,
        last_sent: now,
        timer: Box::pin(sleep_until(now + around.limits.max_idle)),
    };
    let mut call = pin!(None);
    let ended =
        poll_fn(|cx| session.poll(cx, call.as_mut(), |frame| around.service.call(connection, frame))).await;
    let counter = match &ended {
        Ended::Peer | Ended::Stopped | Ended::Send(_) | Ended::Receive(InboundError::Io(_)) => None,
        Ended::Service => Some(&around.stats.closed_by_service),
        Ended::Panicked => Some(&around.stats.closed_panic),
        Ended::Idle => Some(&around.stats.closed_idle),
        Ended::HalfFrame => Some(&around.stats.closed_half_frame),
        Ended::SlowReader => Some(&around.stats.closed_slow_reader),
        Ended::Receive(InboundError::FrameSize { .. }) => Some(&around.stats.closed_frame_size),
    };
    if let Some(counter) = counter {
        add(counter, 1);
    }
    if !matches!(ended, Ended::Peer | Ended::Send(_) | Ended::SlowReader) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, session.transport.shutdown()).await;
    }
    ended
}

/// An answer that is not the first in line, or not there yet.
enum Pending {
    Ready(Answer),
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

struct Session<'a> {
    limits: &'a Limits,
    stats: &'a Stats,
    budget: &'a Budget,
    control: &'a Control,
    transport: Transport,
    inbound: Inbound,
    /// Answers to come, in the order of their frames; at most `max_pending_answers`. Only the first
    /// one is polled: the others cannot be sent before it.
    pending: VecDeque<Pending>,
    outbound: Outbound,
    /// The peer sends no more: nothing is received or sent, but frames that are here already are
    /// handled, for their effect.
    peer_gone: bool,
    /// No further call is begun; the connection ends when all answers are sent.
    closing: Option<Ended>,
    /// When a frame was begun or completed, or an answer sent.
    last_activity: Instant,
    last_received: Instant,
    /// When the peer took bytes, or had none to take.
    last_sent: Instant,
    /// At or before the moment when something of the above has been too long ago.
    timer: Pin<Box<Sleep>>,
}

impl Session<'_> {
    fn poll<F: Future<Output = Outcome>>(
        &mut self,
        cx: &mut Context<'_>,
        mut call: Pin<&mut Option<F>>,
        begin: impl Fn(Bytes) -> F,
    ) -> Poll<Ended> {
        self.control.waker.register(cx.waker());
        match self.control.stop.load(Ordering::Acquire) {
            NOW => return Poll::Ready(Ended::Stopped),
            GRACEFUL if self.closing.is_none() => self.closing = Some(Ended::Stopped),
            _ => {}
        }
        let now = Instant::now();
        let mut begun = 0;
        let mut poll_call = true;
        let mut poll_pending = true;
        loop {
            // The call in progress.
            if poll_call && let Some(running) = call.as_mut().as_pin_mut() {
                match guarded(|| running.poll(cx)) {
                    Err(Panicked) => return Poll::Ready(Ended::Panicked),
                    Ok(Poll::Pending) => poll_call = false,
                    Ok(Poll::Ready(outcome)) => {
                        call.set(None);
                        self.last_activity = now;
                        match outcome {
                            Outcome::Close => self.closing = Some(Ended::Service),
                            Outcome::Nothing => {}
                            // Nobody is there to read it.
                            Outcome::Answer(_) | Outcome::Later(_) if self.peer_gone => {}
                            Outcome::Answer(answer) if self.pending.is_empty() => self.outbound.push(answer),
                            Outcome::Answer(answer) => self.pending.push_back(Pending::Ready(answer)),
                            Outcome::Later(answer) => {
                                poll_pending |= self.pending.is_empty();
                                self.pending.push_back(Pending::Later(answer));
                            }
                        }
                    }
                }
            }

            // Answers whose turn it is.
            while poll_pending && let Some(first) = self.pending.front_mut() {
                let answer = match first {
                    Pending::Ready(answer) => std::mem::take(answer),
                    Pending::Later(answer) => match guarded(|| answer.as_mut().poll(cx)) {
                        Err(Panicked) => return Poll::Ready(Ended::Panicked),
                        Ok(Poll::Ready(answer)) => answer,
                        Ok(Poll::Pending) => {
                            poll_pending = false;
                            break;
                        }
                    },
                };
                self.pending.pop_front();
                self.outbound.push(answer);
                self.last_activity = now;
            }

            // The next call.
            if call.is_none() && self.may_begin() {
                if begun == MAX_CALLS_PER_POLL {
                    cx.waker().wake_by_ref();
                } else if let Some(frame) = self.inbound.next_frame() {
                    add(&self.stats.requests, 1);
                    self.last_activity = now;
                    match guarded(|| begin(frame)) {
                        Err(Panicked) => return Poll::Ready(Ended::Panicked),
                        Ok(running) => call.set(Some(running)),
                    }
                    begun += 1;
                    poll_call = true;
                    continue;
                }
            }

            // All that is ready leaves together.
            let mut sent_any = false;
            while !self.outbound.is_empty() {
                match self.outbound.poll_send(cx, &mut self.transport) {
                    Poll::Ready(Ok(n)) => {
                        add(&self.stats.bytes_out, n as u64);
                        self.last_sent = now;
                        self.last_activity = now;
                        sent_any = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Ended::Send(error)),
                    Poll::Pending => break,
                }
            }
            if self.closing.is_some()
                && call.is_none()
                && self.pending.is_empty()
                && self.outbound.is_empty()
                && let Some(ended) = self.closing.take()
            {
                return Poll::Ready(ended);
            }
            if self.peer_gone && call.is_none() && !self.inbound.has_frames() {
                return Poll::Ready(Ended::Peer);
            }
            if begun == MAX_CALLS_PER_POLL {
                return Poll::Pending;
            }

            // More bytes.
            if self.closing.is_none()
                && !self.peer_gone
                && self.inbound.poll_budget(cx, self.budget).is_ready()
                && self.inbound.wants_bytes()
            {
                let was_mid_frame = self.inbound.is_mid_frame();
                match self.inbound.poll_receive(cx, &mut self.transport, self.budget) {
                    Poll::Ready(Ok(Received::Bytes(n))) => {
                        add(&self.stats.bytes_in, n as u64);
                        self.last_received = now;
                        if !was_mid_frame {
                            self.last_activity = now;
                        }
                        continue;
                    }
                    Poll::Ready(Ok(Received::End)) if self.inbound.has_frames() => {
                        // A producer that asks for no answers may close right after its last frame.
                        self.peer_gone = true;
                        self.pending.clear();
                        self.outbound.clear();
                        continue;
                    }
                    Poll::Ready(Ok(Received::End)) => return Poll::Ready(Ended::Peer),
                    Poll::Ready(Err(error)) => return Poll::Ready(Ended::Receive(error)),
                    Poll::Pending => {}
                }
            }
            if sent_any && call.is_none() && self.inbound.has_frames() && self.may_begin() {
                continue;
            }
            break;
        }
        self.poll_timer(cx, call.is_some(), now)
    }

    /// Whether the next frame may be handled now.
    fn may_begin(&self) -> bool {
        self.closing.is_none()
            && self.pending.len() < self.limits.max_pending_answers
            && self.outbound.size() < self.limits.max_output_bytes
    }

    /// Ends a connection on which something takes too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>, in_call: bool, now: Instant) -> Poll<Ended> {
        let max_idle = self.limits.max_idle;
        let (deadline, ended) = if !self.outbound.is_empty() {
            (self.last_sent + max_idle, Ended::SlowReader)
        } else if in_call || !self.pending.is_empty() || self.inbound.waits_for_budget() {
            // Others let it wait; it is looked at again when they are done.
            self.last_sent = now;
            self.last_activity = now;
            self.last_received = now;
            (now + max_idle, Ended::Idle)
        } else {
            self.last_sent = now;
            if self.inbound.is_mid_charged_frame() {
                let stall = self.last_received + self.limits.max_frame_stall;
                (stall.min(self.last_activity + max_idle), Ended::HalfFrame)
            } else if self.inbound.is_mid_frame() {
                (self.last_activity + max_idle, Ended::HalfFrame)
            } else {
                (self.last_activity + max_idle, Ended::Idle)
            }
        };
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(ended);
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

struct Panicked;

/// Runs a piece of the service; a panic in it stays here. The panic hook has told about it already.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What the panic may have left half done is dropped with the connection.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Panicked)
}
