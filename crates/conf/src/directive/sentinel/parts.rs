//! Parts of `sentinel` lines that several directives have: names, numbers, times, addresses.

use std::sync::Arc;

use bartizan_core::addr::Addr;
use bartizan_core::ids::Epoch;
use bartizan_core::limits;
use bartizan_core::time::Span;

use crate::directive::number;
use crate::draft::{Draft, MasterDraft};
use crate::line::Fault;

/// The longest time that is believed: what a signed 64-bit reader can hold.
pub(super) const LONGEST_MS: u64 = i64::MAX.unsigned_abs();

pub(super) fn second<'a>(args: &[&'a str]) -> &'a str {
    args.get(1).copied().unwrap_or_default()
}

pub(super) fn master<'a>(
    draft: &'a mut Draft<'_>,
    args: &[&str],
) -> Result<&'a mut MasterDraft, Fault> {
    draft.master(args.first().copied().unwrap_or_default())
}

/// A number as C's `atoi` reads it; what it does not read is told.
pub(super) fn number(draft: &mut Draft<'_>, text: &str) -> i128 {
    let (number, clean) = number::lenient(text);
    if !clean {
        draft.warn(format!("`{text}` is read as the number {number}"));
    }
    number
}

pub(super) fn time_message(ms: i128, low: &str) -> String {
    if ms > 0 {
        "time parameter is out of range.".to_owned()
    } else {
        low.to_owned()
    }
}

pub(super) fn positive_span(draft: &mut Draft<'_>, args: &[&str]) -> Result<Span, Fault> {
    master(draft, args)?;
    let ms = number(draft, second(args));
    let span = u64::try_from(ms)
        .ok()
        .filter(|ms| (1..=LONGEST_MS).contains(ms))
        .map(Span::ms);
    span.ok_or_else(|| Fault::at(1, time_message(ms, "negative or zero time parameter."), ""))
}

pub(super) fn epoch(draft: &mut Draft<'_>, argument: usize, text: &str) -> Result<Epoch, Fault> {
    let n = u64::try_from(number(draft, text))
        .ok()
        .filter(|n| *n <= limits::LARGEST_EPOCH);
    let help = format!("a number from 0 to {}", limits::LARGEST_EPOCH);
    n.map(Epoch::new)
        .ok_or_else(|| Fault::at(argument, "Epoch is out of range.", help))
}

pub(super) fn port(draft: &mut Draft<'_>, argument: usize, text: &str) -> Result<u16, Fault> {
    let port = u16::try_from(number(draft, text));
    port.map_err(|_| Fault::at(argument, "Invalid port number.", "a port is 0 to 65535"))
}

/// A host and a port; `argument` is the host's place in the line. Redis looks at the port first.
pub(super) fn addr(
    draft: &mut Draft<'_>,
    argument: usize,
    [host, port_text]: [&str; 2],
) -> Result<Addr, Fault> {
    let port = port(draft, argument + 1, port_text)?;
    Ok(Addr::new(draft.host(argument, host)?, port))
}

pub(super) fn script(draft: &Draft<'_>, args: &[&str], message: &str) -> Result<Arc<str>, Fault> {
    let path = second(args);
    if draft.world.is_executable(path) {
        Ok(Arc::from(path))
    } else {
        Err(Fault::at(
            1,
            message,
            "the path of a program that we may run (chmod +x)",
        ))
    }
}
