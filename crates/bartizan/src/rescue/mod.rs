//! Rescues of the writes that a returned master would lose (data-safety §3): a few at a time,
//! each a task of its own.

use std::rc::Rc;
use std::sync::Arc;

use bartizan_core::ids::RescueId;
use bartizan_core::input::Input;
use bartizan_core::rescue::{Rescue, Rescued};
use tokio::sync::{Semaphore, mpsc};

/// Rescues at work at the same time; others wait for one to end. Each is a stream from the network
/// to the disk, which more of them at once would not make faster.
const AT_ONCE: usize = 4;

/// The rescues under way.
#[derive(Clone, Debug)]
pub(crate) struct Rescues {
    room: Rc<Semaphore>,
    world: mpsc::Sender<Input>,
}

impl Rescues {
    /// None yet; how each ends is told to `world`.
    pub(crate) fn new(world: mpsc::Sender<Input>) -> Self {
        Self {
            room: Rc::new(Semaphore::new(AT_ONCE)),
            world,
        }
    }

    /// Begins a rescue, or queues it. It always ends with one `Rescued`.
    pub(crate) fn start(&self, id: RescueId, order: Rescue) {
        let Self { room, world } = self.clone();
        tokio::task::spawn_local(async move {
            // The semaphore is never closed, so there is always a permit in the end.
            let permit = room.acquire().await;
            let outcome = carry_out(&order);
            drop(permit);
            let _ = world.send(Input::Rescued { id, outcome }).await;
        });
    }
}

/// The writes are not read yet; who asks is told so.
fn carry_out(order: &Rescue) -> Rescued {
    let why = format!("the writes of {} cannot be saved yet", order.addr);
    Rescued::Partly {
        file: None,
        why: Arc::from(why),
    }
}
