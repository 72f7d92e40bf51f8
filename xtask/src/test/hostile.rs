//! A client that means harm: random bytes, requests with flipped bits, torn frames, huge and negative
//! lengths, unknown keys and versions, connections that say half a word and stay. Beside it a real
//! client produces and consumes undisturbed. At the end the broker lives, has logged no error and
//! holds no more memory than it should. The same seed sends the same bytes.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::crash::{self, Work};
use super::ottla::Ottla;
use crate::tools::Tools;

/// Connections that send at once.
const SENDERS: u64 = 4;

/// Connections that say half a word and are kept open.
const LINGERERS: usize = 64;

/// What Ottla may hold when all is over (it starts with about 20 MiB): what the requests made it
/// hold must have been given back.
const MEMORY_LIMIT_KIB: u64 = 700 * 1024;

/// How long a sender waits for an answer before it goes on.
const ANSWER_LIMIT: Duration = Duration::from_millis(50);

/// A request as Kafka's own classes write it: its key, its version, and its body.
struct Sample {
    key: i16,
    version: i16,
    body: Vec<u8>,
}

/// Sends harm for `duration`. Returns what it saw.
pub fn run(tools: &Tools, binary: &Path, folder: &Path, seed: u64, duration: Duration) -> Result<String> {
    let program = crash::program(tools)?;
    let samples = samples(&tools.root.join("crates/protocol/testdata/kafka-4.3.1-messages.bin"))?;
    let mut ottla = Ottla::start(binary, folder, &["group.initial.rebalance.delay.ms=0"])?;
    let bootstrap = ottla.bootstrap();
    let before = ottla.memory_kib().unwrap_or(0);
    crash::once(&program, &["create", &bootstrap, "undisturbed", "6"])?;
    let acks = folder.join("acks");
    let mut work = Work::start(&program, &bootstrap, "undisturbed", &acks)?;
    work.wait_for_more_than(0)?;

    let address = SocketAddr::from(([127, 0, 0, 1], ottla.port));
    let end = Instant::now() + duration;
    let sent = AtomicU64::new(0);
    let answered = AtomicU64::new(0);
    let trouble = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (samples, sent, answered) = (&samples, &sent, &answered);
                scope.spawn(move || {
                    harm(address, samples, Dice::new(seed ^ (sender << 32)), end, sent, answered)
                })
            })
            .collect();
        senders.into_iter().find_map(|sender| sender.join().unwrap_or_else(|_| Ok(())).err())
    });
    if let Some(error) = trouble {
        ottla.check_alive()?;
        return Err(error.context(format!("seed {seed}")));
    }

    ottla.check_alive().with_context(|| format!("seed {seed}"))?;
    work.wait_for_more_than(work.acked())?;
    let done = work.finish()?;
    let path = acks.display().to_string();
    crash::once(&program, &["verify", &bootstrap, "undisturbed", "6", &path])?;
    let after = ottla.memory_kib().unwrap_or(0);
    ensure!(after < MEMORY_LIMIT_KIB, "Ottla holds {} MiB after it all; seed {seed}", after / 1024);
    ottla.stop()?;
    ottla.check_log().with_context(|| format!("seed {seed}"))?;
    fs::remove_dir_all(folder).ok();
    Ok(format!(
        "seed {seed}: {} hostile messages, {} answered; the real client {done}; memory {} MiB before, {} MiB after",
        sent.load(Ordering::Relaxed),
        answered.load(Ordering::Relaxed),
        before / 1024,
        after / 1024
    ))
}

/// One sender, until `end`. Fails only when nobody accepts connections any more.
fn harm(
    address: SocketAddr,
    samples: &[Sample],
    mut dice: Dice,
    end: Instant,
    sent: &AtomicU64,
    answered: &AtomicU64,
) -> Result<()> {
    let mut lingerers = Vec::new();
    while Instant::now() < end {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(120))
            .context("Ottla accepts no connection any more")?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        stream.set_nodelay(true)?;
        // Several messages on one connection, until it is closed.
        for _ in 0..1 + dice.below(8) {
            let message = message(samples, &mut dice);
            if stream.write_all(&message).is_err() {
                break;
            }
            sent.fetch_add(1, Ordering::Relaxed);
            let mut answer = [0; 4096];
            match stream.read(&mut answer) {
                Ok(0) => break,
                Ok(_) => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {}
            }
        }
        match dice.below(4) {
            0 => drop(stream.shutdown(Shutdown::Write)),
            1 if lingerers.len() < LINGERERS => lingerers.push(stream),
            _ => {}
        }
    }
    Ok(())
}

/// The next thing to send: mostly a request with something wrong.
fn message(samples: &[Sample], dice: &mut Dice) -> Vec<u8> {
    let sample = &samples[dice.below(samples.len() as u64) as usize];
    let (mut key, mut version) = (sample.key, sample.version);
    let mut body = sample.body.clone();
    let mut length_shift: i64 = 0;
    match dice.below(12) {
        // A sound one: much of what it names does not exist.
        0 => {}
        // Bits flipped.
        1..=4 if !body.is_empty() => {
            for _ in 0..1 + dice.below(4) {
                let at = dice.below(body.len() as u64) as usize;
                body[at] ^= 1 << dice.below(8);
            }
        }
        // A number made extreme: lengths and counts are among them.
        5 | 6 if body.len() >= 4 => {
            let at = dice.below(body.len() as u64 - 3) as usize;
            let extreme = [i32::MAX, i32::MIN, -1, 0x00ff_ffff][dice.below(4) as usize];
            body[at..at + 4].copy_from_slice(&extreme.to_be_bytes());
        }
        // The end is missing, or something follows it.
        7 => body.truncate(dice.below(body.len() as u64 + 1) as usize),
        8 => body.extend((0..dice.below(200)).map(|_| dice.next() as u8)),
        // A version or a key that does not belong.
        9 => version = dice.next() as i16,
        10 => key = dice.next() as i16,
        // A length that lies.
        _ => length_shift = [1, -1, 1 << 20, 1 << 30, -(1 << 33)][dice.below(5) as usize],
    }
    if dice.below(20) == 0 {
        // No request at all.
        return (0..dice.below(500)).map(|_| dice.next() as u8).collect();
    }
    let mut frame = Vec::new();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend((dice.next() as i32).to_be_bytes());
    frame.extend([0, 4]);
    frame.extend(b"harm");
    // Tagged fields of the header: right for flexible versions, one more wrong byte for the others.
    if dice.below(2) == 0 {
        frame.push(0);
    }
    frame.extend(body);
    let length = (frame.len() as i64 + length_shift) as i32;
    [&length.to_be_bytes(), frame.as_slice()].concat()
}

/// Reads the requests among the messages of the file (its format: `compat/java-protocol/README.md`).
/// What would delete or stop real things is left out; everything in them is made up in any case.
fn samples(path: &Path) -> Result<Vec<Sample>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rest = bytes.as_slice();
    let mut samples = Vec::new();
    while !rest.is_empty() {
        let (size, after) = rest.split_first_chunk().context("a torn file of messages")?;
        let (name, after) = split(after, usize::from(u16::from_be_bytes(*size)))?;
        let (key, after) = after.split_first_chunk().context("a torn file of messages")?;
        let (version, after) = after.split_first_chunk().context("a torn file of messages")?;
        let (size, after) = after.split_first_chunk().context("a torn file of messages")?;
        let (body, after) = split(after, u32::from_be_bytes(*size) as usize)?;
        let key = i16::from_be_bytes(*key);
        if name.ends_with(b"Request") && 0 <= key {
            samples.push(Sample { key, version: i16::from_be_bytes(*version), body: body.to_vec() });
        }
        rest = after;
    }
    ensure!(!samples.is_empty(), "no requests in {}", path.display());
    Ok(samples)
}

fn split(bytes: &[u8], size: usize) -> Result<(&[u8], &[u8])> {
    bytes.split_at_checked(size).context("a torn file of messages")
}

/// Numbers that look random and depend on the seed alone (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to `bound` - 1; 0 when the bound is 0.
    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { (self.next() >> 11) % bound }
    }
}
