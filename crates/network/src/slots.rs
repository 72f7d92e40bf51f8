//! How many connections there may be, in all and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::stats::{add, subtract};
use crate::{Limits, Stats};

/// Counts open connections. Kafka's `ConnectionQuotas`.
pub(crate) struct Slots {
    counts: Mutex<Counts>,
    creation_rate: AtomicU32,
    freed: Notify,
    stats: Arc<Stats>,
}

struct Counts {
    max: usize,
    max_per_ip: usize,
    overrides: HashMap<IpAddr, usize>,
    all: usize,
    /// Only addresses with a connection have an entry.
    per_ip: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    ip: IpAddr,
}

/// `max.connections.per.ip` is reached for the address.
#[derive(Debug)]
pub(crate) struct PerIpLimit;

impl Slots {
    pub(crate) fn new(limits: &Limits, stats: Arc<Stats>) -> Slots {
        Slots {
            counts: Mutex::new(Counts {
                max: limits.max_connections,
                max_per_ip: limits.max_connections_per_ip,
                overrides: overrides(limits),
                all: 0,
                per_ip: HashMap::new(),
            }),
            creation_rate: AtomicU32::new(limits.max_connection_creation_rate),
            freed: Notify::new(),
            stats,
        }
    }

    /// From now on other limits count. Who is connected stays.
    pub(crate) fn set_limits(&self, limits: &Limits) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.max = limits.max_connections;
        counts.max_per_ip = limits.max_connections_per_ip;
        counts.overrides = overrides(limits);
        drop(counts);
        self.creation_rate.store(limits.max_connection_creation_rate, Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    /// How many connections may be accepted in a second.
    pub(crate) fn creation_rate(&self) -> u32 {
        self.creation_rate.load(Ordering::Relaxed)
    }

    /// A place for a connection from `ip`, unless `max.connections` is reached.
    fn try_take(self: &Arc<Self>, ip: IpAddr) -> Result<Option<Slot>, PerIpLimit> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let max_here = *counts.overrides.get(&ip).unwrap_or(&counts.max_per_ip);
        if max_here <= counts.per_ip.get(&ip).copied().unwrap_or(0) {
            return Err(PerIpLimit);
        }
        if counts.max <= counts.all {
            return Ok(None);
        }
        counts.all += 1;
        *counts.per_ip.entry(ip).or_insert(0) += 1;
        add(&self.stats.connections_now, 1);
        add(&self.stats.connections_accepted, 1);
        Ok(Some(Slot { slots: self.clone(), ip }))
    }

    /// A place for a connection from `ip`; waits for `max.connections`, but not for
    /// `max.connections.per.ip`.
    pub(crate) async fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Slot, PerIpLimit> {
        let mut waited = false;
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.try_take(ip)? {
                return Ok(slot);
            }
            if !waited {
                waited = true;
                add(&self.stats.waited_for_max_connections, 1);
            }
            freed.await;
        }
    }
}

fn overrides(limits: &Limits) -> HashMap<IpAddr, usize> {
    limits.max_connections_per_ip_overrides.iter().map(|(ip, max)| (ip.to_canonical(), *max)).collect()
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.slots.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(count) = counts.per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.per_ip.remove(&self.ip);
            }
        }
        drop(counts);
        subtract(&self.slots.stats.connections_now, 1);
        self.slots.freed.notify_waiters();
    }
}
