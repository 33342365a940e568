//! Where masters are, as clients are told: for a thread that has no core to ask.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bartizan_core::addr::Addr;
use bartizan_core::ids::MasterName;
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::{Mono, Span};
use bartizan_wire::reply;
use bartizan_wire::resp::Protocol;

/// A loop that watches a master has a turn several times in this time.
const CURRENT_FOR: Span = Span::secs(2);

/// What `SENTINEL GET-MASTER-ADDR-BY-NAME` answers for each master. It is the core's answer: the
/// driver notes each change before anybody hears of what made it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory(Arc<Pages>);

/// A reply as it is sent.
type Encoded = Box<[u8]>;

#[derive(Debug, Default)]
struct Pages {
    /// By name.
    replies: RwLock<HashMap<Box<[u8]>, Encoded>>,
    /// When the driver last had a turn, in ms.
    confirmed: AtomicU64,
}

impl Directory {
    /// From now on that is where a master is; with no address, nobody is told of it here.
    pub(crate) fn note(&self, name: &MasterName, addr: Option<&Addr>) {
        let name = name.as_str().as_bytes();
        let reply = addr.map(encoded);
        // Nothing can fail while it is held.
        let mut replies = self
            .0
            .replies
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match reply {
            Some(reply) => replies.insert(Box::from(name), reply),
            None => replies.remove(name),
        };
    }

    /// What is noted is so, now.
    pub(crate) fn confirm(&self, now: Mono) {
        self.0.confirmed.store(now.as_ms(), Ordering::Relaxed);
    }

    /// Appends the reply that tells where a master is; whether there is one. Where the driver hangs
    /// there is none: a Sentinel that does not watch must not be believed.
    pub(crate) fn tell(&self, name: &[u8], now: Mono, out: &mut Vec<u8>) -> bool {
        let confirmed = Mono::from_ms(self.0.confirmed.load(Ordering::Relaxed));
        if now.since(confirmed) > CURRENT_FOR {
            return false;
        }
        let replies = self
            .0
            .replies
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(reply) = replies.get(name) else {
            return false;
        };
        out.extend_from_slice(reply);
        true
    }
}

/// The reply as it is sent, in either dialect.
fn encoded(addr: &Addr) -> Encoded {
    let mut bytes = Vec::new();
    reply::encode(&Reply::address(addr), Protocol::Resp2, &mut bytes);
    bytes.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(host: &str, port: u16) -> Addr {
        Addr::new(bartizan_core::addr::Host::parse(host).unwrap(), port)
    }

    const NOW: Mono = Mono::from_ms(1_000_000);

    fn told(directory: &Directory, now: Mono) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let told = directory.tell(b"mymaster", now, &mut out);
        told.then_some(out)
    }

    #[test]
    fn it_tells_what_was_noted_last() {
        let directory = Directory::default();
        directory.confirm(NOW);
        let name = MasterName::new("mymaster");
        assert_eq!(told(&directory, NOW), None);
        directory.note(&name, Some(&addr("127.0.0.1", 6379)));
        directory.note(&name, Some(&addr("127.0.0.2", 6380)));
        let reply = b"*2\r\n$9\r\n127.0.0.2\r\n$4\r\n6380\r\n";
        assert_eq!(told(&directory, NOW).as_deref(), Some(&reply[..]));
        directory.note(&name, None);
        assert_eq!(told(&directory, NOW), None);
    }

    #[test]
    fn it_tells_nothing_while_the_driver_hangs() {
        let directory = Directory::default();
        directory.note(&MasterName::new("mymaster"), Some(&addr("127.0.0.1", 6379)));
        directory.confirm(NOW);
        assert!(told(&directory, NOW + CURRENT_FOR).is_some());
        let late = NOW + CURRENT_FOR + Span::ms(1);
        assert_eq!(told(&directory, late), None);
        directory.confirm(late);
        assert!(told(&directory, late).is_some());
    }

    #[test]
    fn a_reply_is_the_same_in_both_dialects() {
        let addr = addr("db.example", 6379);
        let mut newer = Vec::new();
        reply::encode(&Reply::address(&addr), Protocol::Resp3, &mut newer);
        assert_eq!(encoded(&addr)[..], newer);
    }
}
