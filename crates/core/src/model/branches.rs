//! Where the histories of a group's masters were left at promotions, and by which (data-safety §3).

use crate::ids::ReplId;
use crate::report::Fork;

/// A history that began where another one was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Where that was.
    pub left: Fork,
    /// The one that began; `None` where nobody wrote that down.
    pub id: Option<ReplId>,
}

/// Where the present history left another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// By the way from the one to the other.
    Sure(Fork),
    /// That way is not known: the first place where any left it.
    Guess(Fork),
    /// Nowhere: it is the present one.
    Never,
}

impl Parting {
    pub(crate) const fn fork(self) -> Option<Fork> {
        match self {
            Self::Sure(fork) | Self::Guess(fork) => Some(fork),
            Self::Never => None,
        }
    }
}

/// Those that are remembered, oldest first, at most [`crate::limits::FORKS`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Branches(Vec<Branch>);

impl Branches {
    pub(crate) fn new(remembered: Vec<Branch>) -> Self {
        Self(remembered)
    }

    pub(crate) fn as_slice(&self) -> &[Branch] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers one more; whether that is news.
    pub(crate) fn remember(&mut self, branch: Branch) -> bool {
        if self.0.contains(&branch) {
            return false;
        }
        let unnamed = Branch { id: None, ..branch };
        self.0.retain(|one| *one != unnamed);
        self.0.push(branch);
        if self.0.len() > crate::limits::FORKS {
            self.0.remove(0);
        }
        true
    }

    /// Whether any history left this one.
    pub(crate) fn is_left(&self, id: ReplId) -> bool {
        self.0.iter().any(|branch| branch.left.id == id)
    }

    /// Where the history `present` left the history `id`. Where a promotion was undone, by another
    /// one from the history that it had left, several left it, and the way back from the present
    /// one tells which counts.
    pub(crate) fn parting(&self, id: ReplId, present: Option<ReplId>) -> Option<Parting> {
        if present == Some(id) {
            return Some(Parting::Never);
        }
        let mut way = present;
        for _ in &self.0 {
            let Some(left) = way.and_then(|id| self.beginning(id)) else {
                break;
            };
            if left.id == id {
                return Some(Parting::Sure(left));
            }
            way = Some(left.id);
        }
        let all = self.0.iter().map(|branch| branch.left);
        all.filter(|left| left.id == id)
            .min_by_key(|left| left.offset)
            .map(Parting::Guess)
    }

    /// Where a history began.
    fn beginning(&self, id: ReplId) -> Option<Fork> {
        let mut newest = self.0.iter().rev();
        newest
            .find(|branch| branch.id == Some(id))
            .map(|branch| branch.left)
    }
}
