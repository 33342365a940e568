//! Where masters are, as clients are told: for a thread that has no core to ask.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bartizan_core::addr::Addr;
use bartizan_core::ids::MasterName;
use bartizan_core::provide::reply::Reply;
use bartizan_wire::reply;
use bartizan_wire::resp::Protocol;

/// What `SENTINEL GET-MASTER-ADDR-BY-NAME` answers for each master. It is the core's answer: the
/// driver notes each change before anybody hears of what made it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory(Arc<RwLock<HashMap<MasterName, Box<[u8]>>>>);

impl Directory {
    /// From now on that is where a master is; with no address, nobody is told of it here.
    pub(crate) fn note(&self, name: MasterName, addr: Option<&Addr>) {
        let entry = addr.map(encoded);
        // Nothing can fail while it is held.
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match entry {
            Some(bytes) => {
                all.insert(name, bytes);
            }
            None => {
                all.remove(&name);
            }
        }
    }

    /// Appends the reply that tells where a master is; whether there is one.
    pub(crate) fn tell(&self, name: &MasterName, out: &mut Vec<u8>) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = all.get(name) else {
            return false;
        };
        out.extend_from_slice(bytes);
        true
    }
}

/// The reply as it is sent, in either dialect.
fn encoded(addr: &Addr) -> Box<[u8]> {
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

    #[test]
    fn it_tells_what_was_noted_last() {
        let directory = Directory::default();
        let name = MasterName::new("mymaster");
        let mut out = Vec::new();
        assert!(!directory.tell(&name, &mut out));
        directory.note(name.clone(), Some(&addr("127.0.0.1", 6379)));
        directory.note(name.clone(), Some(&addr("127.0.0.2", 6380)));
        assert!(directory.tell(&name, &mut out));
        assert_eq!(out, b"*2\r\n$9\r\n127.0.0.2\r\n$4\r\n6380\r\n");
        directory.note(name.clone(), None);
        assert!(!directory.tell(&name, &mut out));
    }

    #[test]
    fn a_reply_is_the_same_in_both_dialects() {
        let addr = addr("db.example", 6379);
        let mut newer = Vec::new();
        reply::encode(&Reply::address(&addr), Protocol::Resp3, &mut newer);
        assert_eq!(encoded(&addr)[..], newer);
    }
}
