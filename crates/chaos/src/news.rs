//! What the Sentinels publish, with the moment each came; somebody can wait for the next.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use bartizan_load::client::Stop;

use crate::fleet::{SENTINELS, Who};
use crate::live::resp::{Client, Value};

/// One published event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When it reached us.
    pub(crate) at: Instant,
    /// Who published it.
    pub(crate) by: Who,
    /// The channel, such as `+sdown`.
    pub(crate) kind: String,
    /// The text.
    pub(crate) payload: String,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Vec<Event>>,
    more: Condvar,
}

/// Everything heard so far; the threads that listen end when this is dropped.
#[derive(Debug)]
pub(crate) struct News {
    shared: Arc<Shared>,
    stop: Stop,
}

impl News {
    /// Listens to every Sentinel, and goes on across restarts.
    pub(crate) fn start() -> Result<Self> {
        let news = Self {
            shared: Arc::default(),
            stop: Stop::default(),
        };
        for by in (0..SENTINELS).map(Who::Sentinel) {
            let (shared, stop) = (Arc::clone(&news.shared), news.stop.clone());
            let name = format!("news of {by}");
            thread::Builder::new()
                .name(name)
                .spawn(move || listen(by, &shared, &stop))?;
        }
        Ok(news)
    }

    /// How many were heard so far: what comes behind is news from here on.
    pub(crate) fn mark(&self) -> usize {
        self.lock().len()
    }

    /// What was heard since a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Event> {
        self.lock().get(mark..).unwrap_or_default().to_vec()
    }

    /// Waits for the first event since a mark that is wanted.
    pub(crate) fn wait(
        &self,
        mark: usize,
        patience: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Option<Event> {
        let deadline = Instant::now() + patience;
        let mut heard = self.lock();
        loop {
            let found = heard.get(mark..).unwrap_or_default();
            if let Some(event) = found.iter().find(|event| wanted(event)) {
                return Some(event.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.shared.more.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        let heard = self.shared.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.stop.set();
    }
}

fn listen(by: Who, shared: &Shared, stop: &Stop) {
    let mut client = None;
    while !stop.is_set() {
        match client.as_mut().map(Client::read) {
            Some(Ok(value)) => record(by, &value, shared),
            // Sentinels write each message in one piece, so a patience that runs out cuts none.
            Some(Err(error)) if is_late(&error) => {}
            Some(Err(_)) | None => {
                client = subscribe(by).ok();
                if client.is_none() {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
}

fn subscribe(by: Who) -> std::io::Result<Client> {
    let mut client = crate::fleet::connect(by)?;
    client.call(&["PSUBSCRIBE", "*"])?;
    client.set_patience(Some(Duration::from_millis(500)))?;
    Ok(client)
}

fn is_late(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut)
}

fn record(by: Who, value: &Value, shared: &Shared) {
    let Some([what, _pattern, kind, payload]) = value.items() else {
        return;
    };
    if what.text() != Some("pmessage") {
        return;
    }
    let text = |value: &Value| value.text().unwrap_or_default().to_owned();
    let event = Event {
        at: Instant::now(),
        by,
        kind: text(kind),
        payload: text(payload),
    };
    let mut heard = shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.push(event);
    shared.more.notify_all();
}
