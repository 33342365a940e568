//! Which keys a command of the stream touches. Only what stands in a replication stream matters:
//! effects, not calls.

/// The keys of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys<'a> {
    /// These.
    Of(Vec<&'a [u8]>),
    /// None: it changes no data (a message, say).
    None,
    /// Not known, or all of a database.
    Unknown,
}

/// Where the keys of a command stand.
enum Shape {
    /// The first argument alone.
    First,
    /// The second argument alone.
    Second,
    /// The first two.
    FirstTwo,
    /// All arguments.
    All,
    /// All from the second on.
    AllFromSecond,
    /// Every other argument, from the first on.
    Pairs,
    /// The first, and as many from the third on as the second says.
    Counted,
    /// The first, and the one behind the last of these words.
    Store,
    /// Nothing that is data.
    Nothing,
    /// Not known.
    Unknown,
}

/// The keys of a command.
pub(crate) fn keys(argv: &[Vec<u8>]) -> Keys<'_> {
    let Some((name, args)) = argv.split_first() else {
        return Keys::None;
    };
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let mut found: Vec<&[u8]> = match shape(&name) {
        Shape::First => args.iter().take(1).copied().collect(),
        Shape::Second => args.iter().skip(1).take(1).copied().collect(),
        Shape::FirstTwo => args.iter().take(2).copied().collect(),
        Shape::All => args,
        Shape::AllFromSecond => args.iter().skip(1).copied().collect(),
        Shape::Pairs => args.iter().step_by(2).copied().collect(),
        Shape::Counted => counted(&args).unwrap_or_default(),
        Shape::Store => stored(&args),
        Shape::Nothing => return Keys::None,
        Shape::Unknown => Vec::new(),
    };
    if found.is_empty() {
        return Keys::Unknown;
    }
    found.sort_unstable();
    found.dedup();
    Keys::Of(found)
}

fn shape(name: &str) -> Shape {
    match name {
        "DEL" | "UNLINK" | "PFMERGE" | "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" | "TOUCH" => {
            Shape::All
        }
        "MSET" | "MSETNX" => Shape::Pairs,
        "RENAME" | "RENAMENX" | "COPY" | "SMOVE" | "RPOPLPUSH" | "LMOVE" | "ZRANGESTORE"
        | "GEOSEARCHSTORE" => Shape::FirstTwo,
        "BITOP" => Shape::AllFromSecond,
        "XGROUP" => Shape::Second,
        "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => Shape::Counted,
        "SORT" | "GEORADIUS" | "GEORADIUSBYMEMBER" => Shape::Store,
        "PUBLISH" | "SPUBLISH" | "PING" | "REPLCONF" | "SELECT" | "MULTI" | "EXEC" | "DISCARD"
        | "SCRIPT" => Shape::Nothing,
        _ if FIRST.contains(&name) => Shape::First,
        _ => Shape::Unknown,
    }
}

/// Commands whose first argument is their one key.
const FIRST: &[&str] = &[
    "APPEND",
    "BITFIELD",
    "DECR",
    "DECRBY",
    "EXPIRE",
    "EXPIREAT",
    "GEOADD",
    "GETDEL",
    "GETEX",
    "GETSET",
    "HDEL",
    "HEXPIRE",
    "HEXPIREAT",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HMSET",
    "HPERSIST",
    "HPEXPIRE",
    "HPEXPIREAT",
    "HSET",
    "HSETEX",
    "HSETNX",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LINSERT",
    "LPOP",
    "LPUSH",
    "LPUSHX",
    "LREM",
    "LSET",
    "LTRIM",
    "MOVE",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PFADD",
    "PSETEX",
    "RESTORE",
    "RPOP",
    "RPUSH",
    "RPUSHX",
    "SADD",
    "SET",
    "SETBIT",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "SPOP",
    "SREM",
    "XACK",
    "XADD",
    "XAUTOCLAIM",
    "XCLAIM",
    "XDEL",
    "XSETID",
    "XTRIM",
    "ZADD",
    "ZINCRBY",
    "ZPOPMAX",
    "ZPOPMIN",
    "ZREM",
    "ZREMRANGEBYLEX",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
];

fn counted<'a>(args: &[&'a [u8]]) -> Option<Vec<&'a [u8]>> {
    let (first, rest) = args.split_first()?;
    let (count, rest) = rest.split_first()?;
    let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
    let mut keys = rest.get(..count)?.to_vec();
    keys.push(first);
    Some(keys)
}

fn stored<'a>(args: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let is_store =
        |arg: &&[u8]| arg.eq_ignore_ascii_case(b"STORE") || arg.eq_ignore_ascii_case(b"STOREDIST");
    let target = args
        .iter()
        .rposition(is_store)
        .and_then(|at| args.get(at + 1));
    args.first().into_iter().chain(target).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_command_stand_where_its_kind_says() {
        for (line, want) in [
            ("SET k v", Some("k")),
            ("del b a a", Some("a b")),
            ("MSET a 1 b 2", Some("a b")),
            ("RENAME a b", Some("a b")),
            ("BITOP AND d a b", Some("a b d")),
            ("XGROUP CREATE s g 0", Some("s")),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", Some("a b d")),
            ("SORT a BY x STORE d", Some("a d")),
            ("PUBLISH c m", Some("")),
            ("FLUSHALL", None),
            ("ZUNIONSTORE d 9 a", None),
            ("module.write k", None),
        ] {
            let argv: Vec<Vec<u8>> = line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
            let found = match keys(&argv) {
                Keys::Of(keys) => Some(keys.join(&b' ')),
                Keys::None => Some(Vec::new()),
                Keys::Unknown => None,
            };
            assert_eq!(found.as_deref(), want.map(str::as_bytes), "{line}");
        }
    }
}
