//! Records what sentinels publish: a `PSUBSCRIBE *` per sentinel, with the moment each came.

use super::resp::{Client, Value};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One published event.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it reached us.
    pub at: Instant,
    /// The port of the sentinel that published it.
    pub port: u16,
    /// The channel, such as `+sdown`.
    pub kind: String,
    /// The text.
    pub payload: String,
}

/// Everything heard so far; the threads that listen end when this is dropped.
#[derive(Debug, Default)]
pub struct Recorder {
    heard: Arc<Mutex<Vec<Event>>>,
    stop: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts to listen to a sentinel, and goes on across its restarts.
    ///
    /// # Errors
    /// When it cannot be subscribed to now.
    pub fn listen(&self, port: u16) -> io::Result<()> {
        let first = subscribe(port)?;
        let (heard, stop) = (Arc::clone(&self.heard), Arc::clone(&self.stop));
        std::thread::Builder::new()
            .name(format!("events-{port}"))
            .spawn(move || {
                let mut client = Some(first);
                while !stop.load(Ordering::Relaxed) {
                    match client.as_mut().map(Client::read) {
                        Some(Ok(value)) => record(&heard, port, &value),
                        Some(Err(error)) if is_timeout(&error) => {}
                        Some(Err(_)) | None => {
                            std::thread::sleep(Duration::from_millis(10));
                            client = subscribe(port).ok();
                        }
                    }
                }
            })?;
        Ok(())
    }

    /// All events so far, oldest first.
    pub fn all(&self) -> Vec<Event> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The events of one kind, oldest first.
    pub fn of_kind(&self, kind: &str) -> Vec<Event> {
        self.all()
            .into_iter()
            .filter(|event| event.kind == kind)
            .collect()
    }

    /// Whether the sentinel on `port` has published `kind`.
    pub fn has(&self, port: u16, kind: &str) -> bool {
        self.of_kind(kind).iter().any(|event| event.port == port)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn subscribe(port: u16) -> io::Result<Client> {
    let mut client = Client::connect(port)?;
    client.call(&["PSUBSCRIBE", "*"])?;
    // Short, so that the thread notices that it should stop; a message is never cut in two by
    // it in practice, since sentinels write each in one piece.
    client.set_patience(Some(Duration::from_millis(500)))?;
    Ok(client)
}

fn record(heard: &Mutex<Vec<Event>>, port: u16, value: &Value) {
    let Some([what, _pattern, kind, payload]) = value.items() else {
        return;
    };
    if what.text() != Some("pmessage") {
        return;
    }
    let text = |value: &Value| value.text().unwrap_or("").to_owned();
    let event = Event {
        at: Instant::now(),
        port,
        kind: text(kind),
        payload: text(payload),
    };
    heard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(event);
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
