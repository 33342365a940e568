//! Host names, looked up away from the loop: a few at a time, each within a deadline.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::addr::Host;
use bartizan_core::input::Input;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

/// Look-ups at a time. A dead name server holds a thread each for longer than our deadline.
const AT_ONCE: usize = 4;
/// After this a name counts as unresolvable, for now.
const DEADLINE: Duration = Duration::from_secs(2);

/// The resolver.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    slots: Arc<Semaphore>,
    asked: Rc<RefCell<BTreeSet<Host>>>,
    world: mpsc::Sender<Input>,
}

impl Resolver {
    /// A resolver whose answers go to `world`.
    pub(crate) fn new(world: mpsc::Sender<Input>) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            asked: Rc::default(),
            world,
        }
    }

    /// Looks a name up; `Input::Resolved` follows. A name that is being looked up already is not
    /// looked up twice: one answer serves both.
    pub(crate) fn resolve(&self, host: Host) {
        if !self.asked.borrow_mut().insert(host.clone()) {
            return;
        }
        let resolver = self.clone();
        tokio::task::spawn_local(async move {
            let ip = match &host {
                Host::Ip(ip) => Some(*ip),
                Host::Name(name) => resolver.look_up(name).await,
            };
            resolver.asked.borrow_mut().remove(&host);
            let _ = resolver.world.send(Input::Resolved { host, ip }).await;
        });
    }

    async fn look_up(&self, name: &Arc<str>) -> Option<IpAddr> {
        let deadline = Instant::now() + DEADLINE;
        let slot = timeout_at(deadline, Arc::clone(&self.slots).acquire_owned())
            .await
            .ok()?
            .ok()?;
        let name = Arc::clone(name);
        // The slot belongs to the look-up, not to who waits for it: a system resolver that hangs
        // keeps its slot, so that at most so many threads hang with it.
        let lookup = tokio::task::spawn_local(async move {
            let first = tokio::net::lookup_host((name.as_ref(), 0))
                .await
                .ok()?
                .next();
            drop(slot);
            first.map(|addr| addr.ip())
        });
        timeout_at(deadline, lookup).await.ok()?.ok()?
    }
}
