//! `ACL …`: the commands that show and change users.

use std::path::Path;
use std::rc::Rc;

use bartizan_wire::reply;
use bartizan_wire::request::{self, AclCall};
use bartizan_wire::resp::{Argv, Frame};

use super::error::shown;
use super::selector::Selector;
use super::{Channel, DEFAULT_USER, Denial, Users, Wanted};
use crate::disk;
use crate::replace::replace;
use crate::server::Hall;
use crate::server::pubsub::Kind;
use crate::server::seat::Seat;

/// More than any file of users that makes sense.
const LARGEST_FILE: u64 = 64 << 20;
const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want \
to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a \
Redis configuration file set) in order to store users in the Redis configuration.";
const NOT_SAVED: &str = "ERR There was an error trying to save the ACLs. Please check the server \
logs for more information";

/// Answers one call of the client at `seat`.
pub(in crate::server) async fn answer(hall: &Rc<Hall>, seat: &Seat, call: AclCall) -> Frame {
    match call {
        AclCall::WhoAmI => match seat.user.borrow().as_deref() {
            Some(user) => Frame::bulk(user),
            None => Frame::Null,
        },
        AclCall::Users => bulks(hall.users.borrow().names()),
        AclCall::List => bulks(hall.users.borrow().texts()),
        AclCall::GetUser(name) => show(&hall.users.borrow(), &name),
        AclCall::SetUser { name, rules } => set(hall, &name, &rules),
        AclCall::DelUser(names) => delete(hall, &names),
        AclCall::GenPass(bits) => generate(bits),
        AclCall::Log(count) => hall.refusals.borrow().frame(hall.clock.now(), count),
        AclCall::LogReset => {
            hall.refusals.borrow_mut().clear();
            Frame::simple("OK")
        }
        AclCall::Load => load(hall).await,
        AclCall::Save => save(hall).await,
        AclCall::DryRun { name, argv } => dry_run(&hall.users.borrow(), &name, &argv),
    }
}

fn show(users: &Users, name: &[u8]) -> Frame {
    let Some(user) = users.find(name) else {
        return Frame::Null;
    };
    let flags = user.flags().into_iter().map(Frame::bulk).collect();
    let selectors = user.selectors().iter();
    let selectors = selectors.map(|selector| Frame::Map(permissions(selector)));
    let mut fields = vec![
        (Frame::bulk("flags"), Frame::Set(flags)),
        (Frame::bulk("passwords"), bulks(user.hashes())),
    ];
    fields.extend(permissions(user.root()));
    let selectors = Frame::Array(selectors.collect());
    fields.push((Frame::bulk("selectors"), selectors));
    Frame::Map(fields)
}

fn permissions(selector: &Selector) -> Vec<(Frame, Frame)> {
    let field = |name, value: String| (Frame::bulk(name), Frame::bulk(&value));
    vec![
        field("commands", selector.commands()),
        field("keys", selector.keys()),
        field("channels", selector.channels()),
    ]
}

fn set(hall: &Hall, name: &[u8], rules: &[Vec<u8>]) -> Frame {
    let changed = hall.users.borrow_mut().set(name, rules);
    match changed {
        Ok(()) => {
            hall.users_changed();
            // Who listens where they may not any more is closed.
            hall.close_all(|seat| !hears_all(&hall.users.borrow(), seat));
            Frame::simple("OK")
        }
        Err(why) => error(&format!("ERR {why}")),
    }
}

/// Whether a client may still listen to everything that it listens to.
fn hears_all(users: &Users, seat: &Seat) -> bool {
    let user = seat.user.borrow();
    let user = user.as_deref().unwrap_or(DEFAULT_USER);
    let channels = seat.subscriptions(Kind::Channel).borrow();
    let patterns = seat.subscriptions(Kind::Pattern).borrow();
    channels
        .iter()
        .map(|name| Channel::Named(name))
        .chain(patterns.iter().map(|name| Channel::Pattern(name)))
        .all(|channel| users.hears(user, channel))
}

fn delete(hall: &Hall, names: &[Vec<u8>]) -> Frame {
    if names.iter().any(|name| name == DEFAULT_USER.as_bytes()) {
        return error("ERR The 'default' user cannot be removed");
    }
    let deleted: Vec<&Vec<u8>> = {
        let mut users = hall.users.borrow_mut();
        names.iter().filter(|name| users.delete(name)).collect()
    };
    hall.users_changed();
    hall.close_all(|seat| {
        seat.user
            .borrow()
            .as_deref()
            .is_some_and(|user| deleted.iter().any(|name| *name == user.as_bytes()))
    });
    Frame::Integer(i64::try_from(deleted.len()).unwrap_or(i64::MAX))
}

/// `ACL LOAD`: all of the file or nothing. Clients whose user is not what it was are closed.
async fn load(hall: &Rc<Hall>) -> Frame {
    let Some(path) = hall.acl_file() else {
        return error(NO_FILE);
    };
    let from = path.clone();
    let text = tokio::task::spawn_blocking(move || disk::read(Path::new(&from), LARGEST_FILE));
    let text = match text.await {
        Ok(Ok(text)) => text,
        Ok(Err(why)) => return error(&cannot_open(&path, &why)),
        Err(_) => return error("ERR Error loading ACLs"),
    };
    let newer = match hall.users.borrow().reread(&path, &text) {
        Ok(newer) => newer,
        Err(complaints) => return error(&format!("ERR {complaints}")),
    };
    let older = hall.users.replace(newer);
    hall.users_changed();
    hall.close_all(|seat| {
        let users = hall.users.borrow();
        seat.user
            .borrow()
            .as_deref()
            .is_some_and(|user| user != DEFAULT_USER && !older.is_same_in(&users, user))
            || !hears_all(&users, seat)
    });
    Frame::simple("OK")
}

/// What is said when an `aclfile` cannot be read.
pub(super) fn cannot_open(path: &str, why: &std::io::Error) -> String {
    let why = disk::reason(why);
    format!("ERR Error loading ACLs, opening file '{path}': {why}")
}

async fn save(hall: &Rc<Hall>) -> Frame {
    let Some(path) = hall.acl_file() else {
        return error(NO_FILE);
    };
    let text = hall.users.borrow().to_file();
    let saved = tokio::task::spawn_blocking(move || replace(Path::new(&path), text.as_bytes()));
    match saved.await {
        Ok(Ok(_)) => Frame::simple("OK"),
        Ok(Err(why)) => {
            hall.log
                .warning(format!("Saving the ACL file: {}", disk::reason(&why)));
            error(NOT_SAVED)
        }
        Err(_) => error(NOT_SAVED),
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

fn dry_run(users: &Users, name: &[u8], argv: &Argv) -> Frame {
    let name_shown = shown(name);
    let Some(user) = users.find(name) else {
        return error(&format!("ERR User '{name_shown}' not found"));
    };
    let command = argv.first().map_or(&[][..], Vec::as_slice);
    let spec = match request::find(argv) {
        Ok(spec) => spec,
        Err(refusal) if request::exists(argv) => return reply::frame(&refusal),
        Err(_) => {
            let command = shown(command);
            return error(&format!("ERR Command '{command}' not found"));
        }
    };
    let wanted = Wanted { spec, argv };
    match user.permit(&wanted) {
        _ if spec.no_auth => Frame::simple("OK"),
        Ok(()) => Frame::simple("OK"),
        Err(Denial::Command) => Frame::bulk(&format!(
            "This user has no permissions to run the '{}' command",
            spec.name
        )),
        Err(Denial::Channel(channel)) => Frame::Bulk(
            [
                b"This user has no permissions to access the '",
                channel.as_slice(),
                b"' channel",
            ]
            .concat(),
        ),
    }
}

fn bulks<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Frame {
    let texts = texts.into_iter();
    Frame::Array(texts.map(|text| Frame::bulk(text.as_ref())).collect())
}

fn error(text: &str) -> Frame {
    Frame::Error(text.as_bytes().to_vec())
}
