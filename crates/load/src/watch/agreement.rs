//! When a Sentinel gives the new address of each master that was killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use bartizan_wire::resp::command;

use super::{Watcher, spawn};
use crate::client::{Client, Stop, address};
use crate::moment::Moment;
use crate::stage::scene::Scene;

/// Questions sent in one piece.
const AT_ONCE: usize = 100;
/// Between two looks at the least.
const PAUSE: Duration = Duration::from_millis(20);

/// A group's new address as one Sentinel gave it, and when it did so first.
pub type News = BTreeMap<usize, (Moment, SocketAddr)>;

/// Asks a Sentinel for the masters of `groups` until it gives another address than `old` for
/// each, or it is time to stop.
///
/// # Errors
/// When no thread can be started.
pub fn start(port: u16, old: BTreeMap<usize, SocketAddr>, stop: Stop) -> Result<Watcher<News>> {
    spawn("agreement", move || {
        let mut news = News::new();
        let mut client = None;
        while news.len() < old.len() && !stop.is_set() {
            if client.is_none() {
                client = Client::connect(port).ok();
            }
            let began = Instant::now();
            if let Some(connected) = &mut client
                && look(connected, &old, &mut news, &stop).is_err()
            {
                client = None;
            }
            // Looking must not be what the Sentinel is busy with.
            std::thread::sleep((began.elapsed() * 10).clamp(PAUSE, Duration::from_millis(500)));
        }
        Ok(news)
    })
}

/// What a Sentinel gives now for all of `groups`.
///
/// # Errors
/// When it does not answer.
pub fn now(port: u16, old: &BTreeMap<usize, SocketAddr>, stop: &Stop) -> Result<News> {
    let mut news = News::new();
    look(&mut Client::connect(port)?, old, &mut news, stop)?;
    Ok(news)
}

fn look(
    client: &mut Client,
    old: &BTreeMap<usize, SocketAddr>,
    news: &mut News,
    stop: &Stop,
) -> std::io::Result<()> {
    let open: Vec<usize> = old
        .keys()
        .copied()
        .filter(|group| !news.contains_key(group))
        .collect();
    for groups in open.chunks(AT_ONCE) {
        let mut bytes = Vec::new();
        for group in groups {
            let words = ["SENTINEL", "get-master-addr-by-name", &Scene::name(*group)];
            command(&words, &mut bytes);
        }
        client.send_bytes(&bytes)?;
        for group in groups {
            let given = address(&client.read(stop)?);
            if let Some(given) = given
                && old.get(group) != Some(&given)
            {
                news.insert(*group, (Moment::now(), given));
            }
        }
    }
    Ok(())
}
