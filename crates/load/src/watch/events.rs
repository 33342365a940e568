//! Everything a Sentinel publishes, and when.

use std::time::Duration;

use anyhow::Result;
use bartizan_wire::resp::Frame;

use super::{Watcher, spawn};
use crate::client::{Client, Stop, text};
use crate::moment::Moment;

/// One published event.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it reached us.
    pub at: Moment,
    /// The channel, such as `+sdown`.
    pub kind: String,
    /// The text.
    pub payload: String,
}

impl Event {
    /// `host port` of the instance that it is about, behind its kind and name.
    pub fn about(&self) -> Option<(&str, &str)> {
        let mut words = self.payload.split(' ').skip(2);
        Some((words.next()?, words.next()?))
    }
}

/// Listens to a Sentinel from its start on, and to all events of `kinds` (of any kind if that is
/// empty); each goes to `heard` at once, and all of them are given in the end.
///
/// # Errors
/// When no thread can be started.
pub fn start(
    port: u16,
    kinds: &'static [&'static str],
    stop: Stop,
    mut heard: impl FnMut(&Event) + Send + 'static,
) -> Result<Watcher<Vec<Event>>> {
    spawn("events", move || {
        let mut events = Vec::new();
        while !stop.is_set() {
            if let Ok(mut client) = Client::connect(port) {
                let mut take = |event: Event| {
                    heard(&event);
                    events.push(event);
                };
                let _ = listen(&mut client, kinds, &stop, &mut take);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(events)
    })
}

fn listen(
    client: &mut Client,
    kinds: &[&str],
    stop: &Stop,
    take: &mut impl FnMut(Event),
) -> std::io::Result<()> {
    client.send(&["PSUBSCRIBE", "*"])?;
    loop {
        let frame = client.read(stop)?;
        let Frame::Array(items) = &frame else {
            continue;
        };
        if let [what, _pattern, kind, payload] = items.as_slice()
            && text(what) == Some("pmessage")
        {
            let kind = text(kind).unwrap_or_default();
            if kinds.is_empty() || kinds.contains(&kind) {
                let payload = text(payload).unwrap_or_default().to_owned();
                take(Event {
                    at: Moment::now(),
                    kind: kind.to_owned(),
                    payload,
                });
            }
        }
    }
}
