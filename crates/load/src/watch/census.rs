//! What a Sentinel says it knows: `INFO sentinel`, which costs it little however many masters it
//! has.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Watcher, spawn};
use crate::client::{Client, Stop, text};
use crate::moment::Moment;
use crate::stage::scene::Scene;

/// How a master looks to a Sentinel that knows everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Masters with their replicas.
    pub scene: Scene,
    /// How many Sentinels there are.
    pub sentinels: usize,
}

impl Whole {
    /// How many masters are up and fully known, by the text of INFO.
    pub fn known_in(&self, info: &str) -> usize {
        info.lines().filter(|line| self.is_known(line)).count()
    }

    fn is_known(&self, line: &str) -> bool {
        let Some((_, fields)) = line.split_once(":name=m") else {
            return false;
        };
        let mut fields = fields.trim_end().split(',');
        let group = fields.next().and_then(|number| number.parse().ok());
        let (mut up, mut replicas, mut sentinels) = (false, None, None);
        for field in fields {
            match field.split_once('=') {
                Some(("status", status)) => up = status == "ok",
                Some(("slaves", count)) => replicas = count.parse().ok(),
                Some(("sentinels", count)) => sentinels = count.parse().ok(),
                _ => {}
            }
        }
        up && sentinels == Some(self.sentinels)
            && group.is_some_and(|group| replicas == Some(self.scene.replicas_of(group)))
    }
}

/// Waits until a Sentinel knows everything; gives when, or `None` if it was stopped before.
///
/// # Errors
/// When no thread can be started.
pub fn await_whole(port: u16, whole: Whole, stop: Stop) -> Result<Watcher<Option<Moment>>> {
    spawn("census", move || {
        let mut client = None;
        while !stop.is_set() {
            let began = Instant::now();
            if client.is_none() {
                client = Client::connect(port).ok();
            }
            if let Some(connected) = &mut client {
                match known(connected, &whole, &stop) {
                    Ok(known) if known == whole.scene.masters() => {
                        return Ok(Some(Moment::now()));
                    }
                    Ok(_) => {}
                    Err(_) => client = None,
                }
            }
            // A look must not cost the Sentinel more than a twentieth of its time.
            let pause = (began.elapsed() * 20).max(Duration::from_millis(20));
            let until = Instant::now() + pause.min(Duration::from_secs(2));
            while !stop.is_set() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(None)
    })
}

/// How many masters a Sentinel knows fully.
///
/// # Errors
/// When it does not answer.
pub fn known(client: &mut Client, whole: &Whole, stop: &Stop) -> Result<usize> {
    let reply = client.call(&["INFO", "sentinel"], stop)?;
    Ok(whole.known_in(text(&reply).context("INFO is no text")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_known_when_it_is_up_with_all_replicas_and_sentinels() {
        let (scene, _ground) = Scene::new(2, 4).unwrap();
        let whole = Whole {
            scene,
            sentinels: 3,
        };
        let line = |status, slaves, sentinels| {
            format!(
                "master0:name=m00000,status={status},address=127.0.0.1:1,slaves={slaves},sentinels={sentinels}\r\n"
            )
        };
        assert_eq!(whole.known_in(&line("ok", 2, 3)), 1);
        for worse in [line("sdown", 2, 3), line("ok", 1, 3), line("ok", 2, 2)] {
            assert_eq!(whole.known_in(&worse), 0, "{worse}");
        }
    }
}
