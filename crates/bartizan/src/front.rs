//! Clients go first.
//!
//! A wait for sockets finds thousands of links with something to read where many masters fail at
//! once. A client whose question came with them would wait until all those have been read and the
//! core was told, though its answer takes microseconds. So the clients' tasks have a queue of
//! their own, and before each few dozen of the others it is their turn. Peers are clients too.
//!
//! Whoever asks without a pause must not keep this Sentinel from watching: when clients have taken
//! more time than all others, those have to have had their turn, each of them, before it goes on.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

/// How much more time than all others clients may take.
const ADVANCE: Duration = Duration::from_millis(10);

/// Runs `others` until it ends, and the tasks of `clients` before it and before the tasks of the
/// set in which this runs.
pub(crate) async fn serve<T>(clients: LocalSet, others: impl Future<Output = T>) -> T {
    let clients = pin!(clients);
    tokio::select! {
        biased;
        never = attend(clients) => match never {},
        ended = others => ended,
    }
}

async fn attend(mut clients: Pin<&mut LocalSet>) -> Infallible {
    loop {
        let (mut ahead, mut ended) = (Duration::ZERO, Instant::now());
        poll_fn(|cx| {
            let began = Instant::now();
            ahead = ahead.saturating_sub(began.duration_since(ended));
            // It is ready when there is no task, of which one may come.
            let _ = clients.as_mut().poll(cx);
            ended = Instant::now();
            ahead += ended.duration_since(began);
            if ahead > ADVANCE {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        // A task at the end of the others' queue: it ends when all of them had their turn.
        let _ = tokio::task::spawn_local(async {}).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::sync::Notify;
    use tokio::task::{spawn_local, yield_now};

    use super::*;

    /// Waits until something has been counted.
    async fn counted(count: &Cell<u32>, to: u32) {
        while count.get() < to {
            yield_now().await;
        }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, test);
    }

    #[test]
    fn a_client_does_not_wait_for_all_that_is_queued() {
        run(async {
            let (others, before) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
            let asked = Rc::new(Notify::new());
            let clients = LocalSet::new();
            let client = (Rc::clone(&asked), Rc::clone(&others), Rc::clone(&before));
            clients.spawn_local(async move {
                let (asked, others, before) = client;
                asked.notified().await;
                before.set(Some(others.get()));
            });
            serve(clients, async {
                for _ in 0..1_000 {
                    let (asked, others) = (Rc::clone(&asked), Rc::clone(&others));
                    spawn_local(async move {
                        asked.notify_one();
                        others.set(others.get() + 1);
                    });
                }
                counted(&others, 1_000).await;
            })
            .await;
            assert!(
                before.get().is_some_and(|before| before < 100),
                "{before:?}"
            );
        });
    }

    #[test]
    fn clients_that_never_rest_keep_nobody_waiting() {
        const QUESTION: Duration = Duration::from_millis(1);
        run(async {
            let (others, asked) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let clients = LocalSet::new();
            for _ in 0..20 {
                let asked = Rc::clone(&asked);
                clients.spawn_local(async move {
                    loop {
                        let began = Instant::now();
                        while began.elapsed() < QUESTION {}
                        asked.set(asked.get() + 1);
                        yield_now().await;
                    }
                });
            }
            serve(clients, async {
                for _ in 0..1_000 {
                    let others = Rc::clone(&others);
                    spawn_local(async move { others.set(others.get() + 1) });
                }
                counted(&others, 1_000).await;
            })
            .await;
            // Were it their turn before each few dozen of the others, it would be 340.
            assert!(asked.get() <= 60, "{asked:?} questions first");
        });
    }
}
