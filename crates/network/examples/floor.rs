//! What the kernel alone takes for a broker's work on this machine: the floor under every broker's figures.
//!
//! `floor FOLDER [MEGABYTES]` lets one thread do the least that a broker must, blocking calls, no protocol, and
//! another thread be its client over the loopback interface. One JSON object for each measurement: the CPU of the
//! broker's thread for a GB of large messages received, checked (CRC-32C), written, made durable, and sent back from
//! the file; and how long a small message takes from the moment it was meant to be sent until its answer is here,
//! with and without the disk. `cargo xtask bench` has these figures in its table.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::time::{ClockId, clock_gettime};

/// A large message: a batch as producers make them. Bytes.
const LARGE: usize = 1_000_000;

/// Large messages that a client sends before it waits for an answer.
const IN_FLIGHT: usize = 5;

/// A small message. Bytes.
const SMALL: usize = 1200;

/// What the disk writes at once, as a journal would. Bytes.
const BLOCK: usize = 4096;

/// How long small messages are sent.
const PACED: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What is done with a large message that came: each also what is before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Work {
    Receive,
    Check,
    Write,
    Sync,
}

#[repr(align(4096))]
struct Aligned([u8; BLOCK]);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: floor FOLDER [MEGABYTES]")?;
    let megabytes = arguments.next().map_or(Ok(1000), |number| number.parse::<usize>())?;
    let (folder, count) = (Path::new(&folder), megabytes * 1_000_000 / LARGE);
    std::fs::create_dir_all(folder)?;
    let path = folder.join("floor");
    for (name, work) in [
        ("receive", Work::Receive),
        ("receive, check", Work::Check),
        ("receive, check, write", Work::Write),
        ("receive, check, write, sync", Work::Sync),
    ] {
        tell_per_gigabyte(name, count, receive(&path, work, count)?);
    }
    tell_per_gigabyte("sendfile", count, send_file(&path, count)?);
    for rate in [1000, 5000] {
        for durable in [false, true] {
            latency(&path, rate, durable)?;
        }
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

fn tell_per_gigabyte(name: &str, count: usize, cpu: Duration) {
    let gigabytes = (count * LARGE) as f64 / 1e9;
    println!(r#"{{"floor":"{name}","cpu_seconds_per_gb":{:.3}}}"#, cpu.as_secs_f64() / gigabytes);
}

/// CPU time of the calling thread so far.
fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Two ends of a connection: the broker's and the client's.
fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (broker, _) = listener.accept()?;
    broker.set_nodelay(true)?;
    client.set_nodelay(true)?;
    Ok((broker, client))
}

fn receive(path: &Path, work: Work, count: usize) -> Result<Duration> {
    let (mut broker, mut client) = connection()?;
    let sending = thread::spawn(move || -> Result<()> {
        let message = vec![7; LARGE];
        for sent in 0..count {
            client.write_all(&message)?;
            if IN_FLIGHT <= sent {
                client.read_exact(&mut [0])?;
            }
        }
        Ok(std::io::copy(&mut client, &mut std::io::sink()).map(drop)?)
    });
    let file = File::create(path)?;
    let mut message = vec![0; LARGE];
    let mut checks = 0_u32;
    let before = thread_cpu();
    for index in 0..count {
        broker.read_exact(&mut message)?;
        if Work::Check <= work {
            checks ^= crc32c::crc32c(&message);
        }
        if Work::Write <= work {
            file.write_all_at(&message, (index * LARGE) as u64)?;
        }
        if work == Work::Sync {
            file.sync_data()?;
        }
        broker.write_all(&[1])?;
    }
    std::hint::black_box(checks);
    let cpu = thread_cpu() - before;
    drop(broker);
    sending.join().map_err(|_| "the client panicked")??;
    Ok(cpu)
}

fn send_file(path: &Path, count: usize) -> Result<Duration> {
    let (mut broker, mut client) = connection()?;
    let reading = thread::spawn(move || -> Result<()> {
        let mut message = vec![0; LARGE];
        for _ in 0..count {
            client.write_all(&[1])?;
            client.read_exact(&mut message)?;
        }
        Ok(())
    });
    let file = File::open(path)?;
    let before = thread_cpu();
    for index in 0..count {
        broker.read_exact(&mut [0])?;
        let (mut position, end) = ((index * LARGE) as u64, ((index + 1) * LARGE) as u64);
        while position < end {
            let missing = usize::try_from(end - position)?;
            rustix::fs::sendfile(&broker, &file, Some(&mut position), missing)?;
        }
    }
    let cpu = thread_cpu() - before;
    reading.join().map_err(|_| "the client panicked")??;
    Ok(cpu)
}

/// Messages at a rate, an open loop; all that came meanwhile go to the disk in one write.
fn latency(path: &Path, rate: u32, durable: bool) -> Result<()> {
    File::create(path)?.write_all_at(&vec![0; BLOCK], 0)?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let flags = if durable { flags | OFlags::DIRECT | OFlags::DSYNC } else { flags };
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let (mut broker, client) = connection()?;
    let count = rate * u32::try_from(PACED.as_secs())?;
    let gap = Duration::from_secs(1) / rate;
    let (started, starts) = mpsc::channel();
    let (mut to_broker, mut from_broker) = (client.try_clone()?, client);
    let sending = thread::spawn(move || -> Result<()> {
        let message = [7; SMALL];
        let start = Instant::now();
        started.send(start)?;
        for index in 0..count {
            thread::sleep((start + gap * index).saturating_duration_since(Instant::now()));
            to_broker.write_all(&message)?;
        }
        Ok(())
    });
    let answers = thread::spawn(move || -> Result<Vec<Duration>> {
        let start: Instant = starts.recv()?;
        let mut took = Vec::new();
        for index in 0..count {
            from_broker.read_exact(&mut [0])?;
            took.push(Instant::now().saturating_duration_since(start + gap * index));
        }
        Ok(took)
    });

    let block = Aligned([7; BLOCK]);
    let mut received = vec![0; 64 * SMALL];
    let (mut part, mut answered) = (0, 0);
    let before = thread_cpu();
    while answered < count {
        let read = broker.read(&mut received)?;
        if read == 0 {
            return Err("the client is gone".into());
        }
        part += read;
        let whole = part / SMALL;
        part %= SMALL;
        if 0 < whole {
            file.write_all_at(&block.0, 0)?;
            broker.write_all(&vec![1; whole])?;
            answered += u32::try_from(whole)?;
        }
    }
    let cpu = thread_cpu() - before;
    sending.join().map_err(|_| "the sender panicked")??;
    let mut took = answers.join().map_err(|_| "the receiver panicked")??;
    took.sort();
    let at = |share: f64| {
        let index = ((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1));
        took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    let way = if durable { " durable" } else { "" };
    println!(
        r#"{{"floor":"latency {rate}{way}","p50_ms":{:.3},"p99_ms":{:.3},"p99_9_ms":{:.3},"cpu_ms_per_record":{:.4}}}"#,
        at(0.5),
        at(0.99),
        at(0.999),
        cpu.as_secs_f64() * 1e3 / f64::from(count)
    );
    Ok(())
}
