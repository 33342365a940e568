//! `ACL`: what can be asked about users. Changing them while running is not built yet, and says so.

use bartizan_wire::request::{self, AclCall};
use bartizan_wire::resp::{Argv, Frame};

use super::Hall;
use super::seat::Seat;

/// Answers one call of the client at `seat`.
pub(super) fn answer(hall: &Hall, seat: &Seat, call: AclCall) -> Frame {
    match call {
        AclCall::WhoAmI => match seat.user.borrow().as_deref() {
            Some(user) => Frame::bulk(user),
            None => Frame::Null,
        },
        AclCall::Users => Frame::Array(hall.access.names().map(Frame::bulk).collect()),
        AclCall::List => Frame::Array(
            hall.access
                .lines()
                .iter()
                .map(|line| Frame::bulk(line))
                .collect(),
        ),
        AclCall::GenPass(bits) => generate(bits),
        AclCall::Log(_) => Frame::Array(Vec::new()),
        AclCall::LogReset => Frame::simple("OK"),
        AclCall::DryRun { name, argv } => dry_run(hall, &name, &argv),
        AclCall::GetUser(_)
        | AclCall::SetUser { .. }
        | AclCall::DelUser(_)
        | AclCall::Load
        | AclCall::Save => error(
            "ERR this Bartizan reads its users from the configuration file at start and cannot \
             change them while it runs",
        ),
    }
}

/// A password of that many random bits, in hex.
fn generate(bits: u16) -> Frame {
    let digits = usize::from(bits).div_ceil(4);
    let mut random = vec![0; digits.div_ceil(2)];
    if getrandom::fill(&mut random).is_err() {
        return error("ERR the operating system gives no randomness");
    }
    let mut text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    Frame::bulk(&text)
}

fn dry_run(hall: &Hall, name: &[u8], argv: &Argv) -> Frame {
    let shown = String::from_utf8_lossy(name);
    if !hall.access.names().any(|user| user == shown) {
        return error(&format!("ERR User '{shown}' not found"));
    }
    match request::find(argv) {
        Err(refusal) => bartizan_wire::reply::frame(&refusal),
        Ok(spec) if spec.no_auth || hall.access.permits(&shown, spec) => Frame::simple("OK"),
        Ok(spec) => Frame::bulk(&format!(
            "This user has no permissions to run the '{}' command",
            spec.name
        )),
    }
}

fn error(text: &str) -> Frame {
    Frame::Error(text.as_bytes().to_vec())
}
