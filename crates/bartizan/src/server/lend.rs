//! Lending a client to the wicket, and taking it back.

use std::future::poll_fn;
use std::rc::Rc;

use bartizan_wire::request::ReplyMode;

use super::client::{Client, Gone, idle_too_long};
use super::wicket::Guest;

/// So many questions in a row show a client that does nothing but ask. One that asks once and
/// leaves is not worth the way.
const QUESTIONS: u32 = 2;

impl Client {
    /// Whether it does nothing but ask where masters are, and there is nothing about it that only
    /// the hall could heed. It must owe nothing and be owed nothing.
    pub(super) fn may_be_lent(&self) -> bool {
        let (hall, seat) = (&self.hall, &self.seat);
        self.questions >= QUESTIONS
            && self.stream.can_detach()
            && self.unread.is_empty()
            && self.held.is_none()
            && seat.mode.get() == ReplyMode::On
            && seat.subscribed() == 0
            && seat.tracking.borrow().is_none()
            && hall.options.renamed_commands.is_empty()
            && !hall.pause.is_on(hall.clock)
    }

    /// Has it served at the wicket, until it comes back.
    pub(super) async fn at_the_wicket(self) -> Result<Self, Gone> {
        let Self {
            hall,
            seat,
            stream,
            decoder,
            ..
        } = self;
        let guest = Guest {
            decoder,
            request: None,
            unread: Vec::new(),
            unsent: Vec::new(),
        };
        let stream = stream.detach().map_err(|_| Gone)?;
        let mut returned = hall.wicket.take((stream, guest), seat.lend());
        let returned = tokio::select! {
            returned = &mut returned => returned,
            () = poll_fn(|cx| seat.poll_woken(cx)) => {
                seat.recall();
                returned.await
            }
            () = idle_too_long(&hall, &seat) => {
                seat.kill();
                returned.await
            }
        };
        seat.take_back();
        // Without a word it has left.
        let (stream, guest) = returned.map_err(|_| Gone)?;
        let stream = stream.attach().map_err(|_| Gone)?;
        let mut client = Self::new((hall, Rc::clone(&seat)), stream, guest.decoder);
        client.held = guest.request;
        client.unread = guest.unread;
        client.out = guest.unsent;
        Ok(client)
    }
}
