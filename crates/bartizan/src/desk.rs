//! The core, where clients' questions reach it.
//!
//! A question changes nothing, so it need not wait its turn behind what the world says: it is
//! answered in the task of the client that asks. Clients ask far more than they change.

use std::cell::{Cell, RefCell, RefMut};

use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::sentinel::Sentinel;

use crate::pace::Pace;

/// The core and its time.
#[derive(Debug)]
pub(crate) struct Desk {
    core: RefCell<Sentinel>,
    pace: Pace,
    is_open: Cell<bool>,
}

impl Desk {
    /// The desk of a core. It opens now, or when the first write has ended, so that nobody is told
    /// a new id that the file does not have.
    pub(crate) const fn new(core: Sentinel, pace: Pace, is_open: bool) -> Self {
        Self {
            core: RefCell::new(core),
            pace,
            is_open: Cell::new(is_open),
        }
    }

    /// From now on clients are answered.
    pub(crate) fn open(&self) {
        self.is_open.set(true);
    }

    /// Whether clients are answered.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// The core's time.
    pub(crate) const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The core, for the driver, which gives it back before anybody else runs.
    pub(crate) fn core(&self) -> RefMut<'_, Sentinel> {
        self.core.borrow_mut()
    }

    /// What the core answers, if it can be asked now.
    pub(crate) fn ask(&self, query: &Query) -> Option<Reply> {
        let core = self.core.try_borrow().ok().filter(|_| self.is_open())?;
        Some(core.query(self.pace.now(), query))
    }
}
