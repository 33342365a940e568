//! `ACL …`

use bartizan_core::provide::reply::Reply;

use super::args::{integer, is, shown, text, word, words};
use super::{AclCall, CATEGORIES, Local, Request, table};
use crate::resp::{Argv, Frame};

type Parsed = Result<Request, Reply>;

fn call(call: AclCall) -> Parsed {
    Ok(Request::Local(Local::Acl(call)))
}

pub(super) fn who_am_i(_: &Argv) -> Parsed {
    call(AclCall::WhoAmI)
}

pub(super) fn users(_: &Argv) -> Parsed {
    call(AclCall::Users)
}

pub(super) fn list(_: &Argv) -> Parsed {
    call(AclCall::List)
}

pub(super) fn load(_: &Argv) -> Parsed {
    call(AclCall::Load)
}

pub(super) fn save(_: &Argv) -> Parsed {
    call(AclCall::Save)
}

pub(super) fn get_user(argv: &Argv) -> Parsed {
    call(AclCall::GetUser(word(argv, 2).to_vec()))
}

pub(super) fn set_user(argv: &Argv) -> Parsed {
    let (name, rules) = (word(argv, 2).to_vec(), words(argv, 3).to_vec());
    call(AclCall::SetUser { name, rules })
}

pub(super) fn del_user(argv: &Argv) -> Parsed {
    call(AclCall::DelUser(words(argv, 2).to_vec()))
}

pub(super) fn dry_run(argv: &Argv) -> Parsed {
    let (name, argv) = (word(argv, 2).to_vec(), words(argv, 3).to_vec());
    call(AclCall::DryRun { name, argv })
}

/// The categories, or the commands of one.
pub(super) fn cat(argv: &Argv) -> Parsed {
    if argv.len() > 3 {
        return Err(too_many(argv));
    }
    let names: Vec<&str> = if argv.len() == 2 {
        CATEGORIES.to_vec()
    } else {
        let category = text(argv, 2).to_ascii_lowercase();
        if !CATEGORIES.contains(&category.as_str()) {
            let shown = shown(word(argv, 2), 128);
            return Err(Reply::error(format!("ERR Unknown category '{shown}'")));
        }
        let inside = |name: &&&str| name.strip_prefix('@') == Some(&category);
        table()
            .filter(|spec| spec.listed)
            .filter(|spec| spec.categories.iter().find(inside).is_some())
            .map(|spec| spec.name)
            .collect()
    };
    Ok(Request::Answered(Frame::Array(
        names.into_iter().map(Frame::bulk).collect(),
    )))
}

pub(super) fn gen_pass(argv: &Argv) -> Parsed {
    let bits = match argv.len() {
        2 => 256,
        3 => integer(argv, 2)?,
        _ => return Err(too_many(argv)),
    };
    match u16::try_from(bits) {
        Ok(bits @ 1..=4096) => call(AclCall::GenPass(bits)),
        _ => Err(Reply::error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, \
             a positive number up to 4096",
        )),
    }
}

pub(super) fn log(argv: &Argv) -> Parsed {
    match argv.len() {
        2 => call(AclCall::Log(None)),
        3 if is(argv, 2, "reset") => call(AclCall::LogReset),
        3 => call(AclCall::Log(Some(
            usize::try_from(integer(argv, 2)?).unwrap_or(0),
        ))),
        _ => Err(too_many(argv)),
    }
}

fn too_many(argv: &Argv) -> Reply {
    let sub = shown(word(argv, 1), 128);
    Reply::error(format!(
        "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try ACL HELP."
    ))
}
