//! The hello: eight fields, both ways (spec §7).

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::limits::LARGEST_EPOCH;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::report::Hello;

/// The channel that hellos are published on.
pub const CHANNEL: &str = "__sentinel__:hello";

/// The longest text that is looked at.
const LONGEST: usize = 4096;

/// Reads a hello; `None` unless all eight fields are there and sound.
pub fn parse(text: &[u8]) -> Option<Hello> {
    if text.len() > LONGEST {
        return None;
    }
    let text = core::str::from_utf8(text).ok()?;
    let mut fields = text.split(',');
    let from = Addr::new(Host::parse(fields.next()?)?, port(fields.next()?)?);
    let id = RunId::parse(fields.next()?.as_bytes())?;
    let current_epoch = epoch(fields.next()?)?;
    let master = fields
        .next()
        .filter(|name| !name.is_empty())
        .map(MasterName::new)?;
    let addr = Addr::new(Host::parse(fields.next()?)?, port(fields.next()?)?);
    let configuration = Configuration {
        epoch: epoch(fields.next()?)?,
        addr,
    };
    fields.next().is_none().then_some(Hello {
        from,
        id,
        current_epoch,
        master,
        configuration,
    })
}

/// The text of a hello.
pub fn render(hello: &Hello) -> String {
    let Hello {
        from,
        id,
        current_epoch,
        master,
        configuration,
    } = hello;
    let Configuration { epoch, addr } = configuration;
    format!(
        "{},{},{id},{current_epoch},{master},{},{},{epoch}",
        from.host, from.port, addr.host, addr.port
    )
}

/// Digits only: a sign, a space or an empty field is no number here.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn port(text: &str) -> Option<u16> {
    digits(text).and_then(|n| u16::try_from(n).ok())
}

/// An epoch beyond what a signed reader can hold would be the last one ever, so it is refused.
fn epoch(text: &str) -> Option<Epoch> {
    digits(text).filter(|&n| n <= LARGEST_EPOCH).map(Epoch::new)
}
