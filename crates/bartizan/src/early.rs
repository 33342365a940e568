//! A task that gets turns before its own.
//!
//! Woken by what a link found to say, the driver comes behind all links that had something, and
//! tells the core all of it at once, without another look at the sockets in between. Where
//! thousands of them have something, it must not come so late, nor take so long: clients would
//! wait for it. So where much waits for it, it gets a turn before each few dozen of the others.

use std::cell::{OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One future, polled from two places.
struct Shared<F> {
    future: RefCell<Pin<Box<F>>>,
    /// Of the task. Whoever polls, it is the task that is woken.
    waker: OnceCell<Waker>,
}

impl<F: Future> Shared<F> {
    fn poll(&self, waker: &Waker) -> Poll<F::Output> {
        let mut future = self.future.borrow_mut();
        future.as_mut().poll(&mut Context::from_waker(waker))
    }
}

/// Runs `future` as a task of the set in which this runs, and whenever this is polled while much
/// waits.
pub(crate) async fn run<T: 'static>(
    future: impl Future<Output = T> + 'static,
    much_waits: impl Fn() -> bool,
) -> T {
    let shared = Rc::new(Shared {
        future: RefCell::new(Box::pin(future)),
        waker: OnceCell::new(),
    });
    let theirs = Rc::clone(&shared);
    let mut task = tokio::task::spawn_local(poll_fn(move |cx| {
        theirs.poll(theirs.waker.get_or_init(|| cx.waker().clone()))
    }));
    poll_fn(move |cx| {
        if let Poll::Ready(ended) = Pin::new(&mut task).poll(cx) {
            return Poll::Ready(ended.unwrap_or_else(|error| resume_unwind(error.into_panic())));
        }
        let waker = shared.waker.get().filter(|_| much_waits());
        waker.map_or(Poll::Pending, |waker| shared.poll(waker))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::mpsc;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// A thousand tasks that were queued together each send one; how many came at a time.
    fn received_at_a_time(much: usize) -> Vec<usize> {
        const ALL: usize = 1_000;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (sender, mut receiver) = mpsc::channel(ALL);
            let waiting = sender.clone();
            let much_waits = move || waiting.max_capacity() - waiting.capacity() >= much;
            let began = Rc::new(Cell::new(false));
            let theirs = Rc::clone(&began);
            let driver = async move {
                theirs.set(true);
                let (mut batch, mut sizes) = (Vec::new(), Vec::new());
                while sizes.iter().sum::<usize>() < ALL {
                    sizes.push(receiver.recv_many(&mut batch, ALL).await);
                }
                sizes
            };
            spawn_local(async move {
                while !began.get() {
                    tokio::task::yield_now().await;
                }
                for _ in 0..ALL {
                    let sender = sender.clone();
                    spawn_local(async move { sender.try_send(()).unwrap() });
                }
            });
            run(driver, much_waits).await
        })
    }

    #[test]
    fn it_comes_behind_all_that_is_queued() {
        assert_eq!(received_at_a_time(usize::MAX), [1_000]);
    }

    #[test]
    fn it_comes_earlier_where_much_waits() {
        let sizes = received_at_a_time(32);
        assert!(sizes.iter().all(|size| *size < 100), "{sizes:?}");
    }
}
