//! A client such as an application would have: it finds the master through the sentinels.

use super::cast::master_port;
use crate::live::resp::Client;
use anyhow::Result;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The list into which the numbers go.
const KEY: &str = "demo";
/// Time between two writes.
const PACE: Duration = Duration::from_millis(5);

/// What the writer has been through.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary {
    /// Numbers that a master said it has.
    acknowledged: BTreeSet<u64>,
    last_before: Option<Instant>,
    /// When writing failed, and why.
    pub(super) lost: Option<(Instant, String)>,
    /// When it worked again, and on which port.
    pub(super) back: Option<(Instant, u16)>,
}

impl Diary {
    /// From the last write that worked to the first one that worked again.
    pub(super) fn gap(&self) -> Option<Duration> {
        let (back, _) = self.back.as_ref()?;
        Some(back.saturating_duration_since(self.last_before?))
    }
}

/// A thread that writes numbers, one after the other.
pub(super) struct Writer {
    diary: Arc<Mutex<Diary>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(sentinels: Vec<u16>) -> Result<Self> {
        let diary = Arc::new(Mutex::new(Diary::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&diary), Arc::clone(&stop));
        let body = move || write_until(&stopped, &shared, &sentinels);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(body)?;
        Ok(Self {
            diary,
            stop,
            thread,
        })
    }

    pub(super) fn acknowledged(&self) -> usize {
        lock(&self.diary).acknowledged.len()
    }

    pub(super) fn is_back(&self) -> bool {
        lock(&self.diary).back.is_some()
    }

    pub(super) fn diary(&self) -> Diary {
        lock(&self.diary).clone()
    }

    /// How many acknowledged numbers the server on `port` does not have.
    pub(super) fn missing_on(&self, port: u16) -> Result<usize> {
        // What was acknowledged first, then what is there: later numbers cannot look missing.
        let mut missing = lock(&self.diary).acknowledged.clone();
        let reply = Client::connect(port)?.call(&["LRANGE", KEY, "0", "-1"])?;
        for item in reply.items().unwrap_or_default() {
            if let Some(number) = item.text().and_then(|text| text.parse().ok()) {
                missing.remove(&number);
            }
        }
        Ok(missing.len())
    }

    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // It ends at its next look; if it panicked, it has said so already.
        let _ = self.thread.join();
    }
}

fn write_until(stop: &AtomicBool, diary: &Mutex<Diary>, sentinels: &[u16]) {
    let mut connection: Option<(u16, Client)> = None;
    let mut turn = 0_usize;
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        if connection.is_none() {
            let sentinel = sentinels.get(turn % sentinels.len().max(1)).copied();
            turn += 1;
            connection = sentinel
                .and_then(master_port)
                .and_then(|port| connect(port).ok());
        }
        if let Some((port, client)) = &mut connection {
            number += 1;
            let outcome = client.call(&["RPUSH", KEY, &number.to_string()]);
            let failure = match outcome {
                Ok(reply) if reply.is_error("") => reply.text().map(str::to_owned),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            };
            note(&mut lock(diary), number, *port, failure.clone());
            if failure.is_some() {
                connection = None;
            }
        }
        std::thread::sleep(PACE);
    }
}

fn connect(port: u16) -> std::io::Result<(u16, Client)> {
    let mut client = Client::connect(port)?;
    client.set_patience(Some(Duration::from_millis(500)))?;
    Ok((port, client))
}

fn note(diary: &mut Diary, number: u64, port: u16, failure: Option<String>) {
    match failure {
        Some(why) if diary.lost.is_none() => diary.lost = Some((Instant::now(), why)),
        Some(_) => {}
        None => {
            diary.acknowledged.insert(number);
            if diary.lost.is_none() {
                diary.last_before = Some(Instant::now());
            } else if diary.back.is_none() {
                diary.back = Some((Instant::now(), port));
            }
        }
    }
}

fn lock(diary: &Mutex<Diary>) -> MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}
