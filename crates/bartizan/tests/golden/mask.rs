//! What must differ between two programs that run side by side: ids, ports, ages, addresses, and
//! the sentences in which each explains itself.

use super::reply::Reply;

/// Fields whose number is an age or a count of its own; a text that is no number stays.
const NUMBERS: &[&str] = &[
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "last-hello-message",
    "info-refresh",
    "role-reported-time",
    "link-pending-commands",
    "s-down-time",
    "o-down-time",
    "slave-repl-offset",
    "pid",
    "run-time",
    "id",
];

/// Lines of INFO whose value is the program's own.
const INFO: &[&str] = &[
    "redis_git_sha1",
    "redis_git_dirty",
    "redis_build_id",
    "os",
    "monotonic_clock",
    "atomicvar_api",
    "gcc_version",
    "process_id",
    "run_id",
    "server_time_usec",
    "uptime_in_seconds",
    "hz",
    "lru_clock",
    "executable",
    "config_file",
    "client_recent_max_input_buffer",
    "client_recent_max_output_buffer",
    "total_connections_received",
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "instantaneous_input_kbps",
    "instantaneous_output_kbps",
    "total_reads_processed",
    "total_writes_processed",
    "total_error_replies",
    "connected_clients",
    "reply_buffer_shrinks",
    "reply_buffer_expands",
    "used_cpu_sys",
    "used_cpu_user",
    "used_cpu_sys_children",
    "used_cpu_user_children",
    "used_cpu_sys_main_thread",
    "used_cpu_user_main_thread",
];

/// Fields of a line of CLIENT LIST whose number is the program's own.
const CLIENT: &[&str] = &[
    "id",
    "addr",
    "fd",
    "age",
    "idle",
    "qbuf",
    "qbuf-free",
    "argv-mem",
    "rbs",
    "rbp",
    "omem",
    "tot-mem",
    "obl",
    "oll",
    "events",
];

/// What Bartizan says beyond redis-sentinel 7.0, left out so that the rest is compared: its own
/// version in INFO, and the library of 7.2's `CLIENT SETINFO` at the end of a line of CLIENT LIST.
const BEYOND: &[&str] = &["bartizan_version", "lib-name", "lib-ver"];

/// What a Bartizan says in HELP beyond redis-sentinel 7.0: the lines that name these subcommands
/// are left out on both sides, so that the others are compared.
const BEYOND_HELP: &[&str] = &[
    "CONFIG SET ",
    "CONFIG GET ",
    "DRAIN ",
    "FAILOVER <master-name> COORDINATED ",
    "SETINFO ",
];

/// Words that stand for something else on either side.
pub struct Masks(Vec<(String, &'static str)>);

impl Masks {
    /// Masks these texts, the longer ones first.
    pub fn new(mut words: Vec<(String, &'static str)>) -> Self {
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        Self(words)
    }

    /// Masks a whole reply.
    pub fn apply(&self, reply: &mut Reply) {
        self.apply_behind(None, reply);
    }

    fn apply_behind(&self, key: Option<&str>, reply: &mut Reply) {
        match reply {
            Reply::Closed => {}
            Reply::Line(text) if text.starts_with(':') => {
                if key.is_some_and(|key| NUMBERS.contains(&key)) {
                    *text = ":<n>".to_owned();
                }
            }
            Reply::Line(text) => *text = self.words(text),
            Reply::Bulk(_, bytes) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let text = match key {
                    Some(key) if NUMBERS.contains(&key) => number(&text),
                    _ if text.starts_with("# ") => lines(&text, "\r\n", ':', INFO),
                    _ if text.starts_with("id=") || text.starts_with("txt:id=") => clients(&text),
                    _ => text,
                };
                *bytes = self.words(&text).into_bytes();
            }
            Reply::List(_, items) => {
                if is_help(items) {
                    keep_names(items);
                }
                let mut key: Option<String> = None;
                for item in items {
                    self.apply_behind(key.as_deref(), item);
                    if let Some(key) = &key {
                        hide_sentences(key, item);
                    }
                    key = item.text();
                }
            }
        }
    }

    fn words(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, mask) in &self.0 {
            text = replace_whole(&text, word, mask);
        }
        text
    }
}

/// Whether this is the reply to a HELP: it begins with how the container is called.
fn is_help(items: &[Reply]) -> bool {
    matches!(items.first(), Some(Reply::Line(line)) if line.contains(" <subcommand> [<arg> "))
}

/// Of a HELP, leaves the shape of a call and the lines that name subcommands; sentences, which
/// are each program's own, lie deeper.
fn keep_names(items: &mut Vec<Reply>) {
    items.retain_mut(|item| {
        let Reply::Line(line) = item else {
            return true;
        };
        if line.contains(" <subcommand> [<arg> ") {
            let end = line.rfind(']').map_or(line.len(), |at| at + 1);
            line.truncate(end);
        }
        let name = line.trim_start_matches('+');
        !name.starts_with("    ") && !BEYOND_HELP.iter().any(|beyond| name.starts_with(beyond))
    });
}

/// In COMMAND DOCS, hides the sentences, which are each program's own. How a cost grows, and in
/// which version something changed, stay.
fn hide_sentences(key: &str, value: &mut Reply) {
    match (key, value) {
        ("summary", Reply::Bulk(_, text)) => *text = b"<sentence>".to_vec(),
        ("complexity", Reply::Bulk(_, text)) => {
            let whole = String::from_utf8_lossy(text).into_owned();
            let growth = whole.split_inclusive(')').next();
            let growth = growth.filter(|growth| growth.starts_with("O("));
            *text = growth.unwrap_or("<sentence>").as_bytes().to_vec();
        }
        ("history", Reply::List(_, changes)) => {
            for change in changes {
                if let Reply::List(_, halves) = change
                    && let [_version, Reply::Bulk(_, what)] = halves.as_mut_slice()
                {
                    *what = b"<sentence>".to_vec();
                }
            }
        }
        _ => {}
    }
}

/// Replaces a word where it does not stand within a longer number or name.
fn replace_whole(text: &str, word: &str, mask: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once(word) {
        out.push_str(before);
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inside = joins(before.chars().last()) || joins(behind.chars().next());
        out.push_str(if inside { word } else { mask });
        rest = behind;
    }
    out + rest
}

/// Masks every number and every long run of hex in a reply.
pub fn shape(reply: &mut Reply) {
    match reply {
        Reply::Closed => {}
        Reply::Line(text) => *text = without_numbers(text),
        Reply::Bulk(_, bytes) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let hex = text.len() >= 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let text = if text.starts_with("# Server\r\n") {
                names(&text)
            } else if hex {
                format!("<{} hex>", text.len())
            } else {
                without_numbers(&text)
            };
            *bytes = text.into_bytes();
        }
        Reply::List(_, items) => items.iter_mut().for_each(shape),
    }
}

/// The names in an INFO of a data server, which the two may have asked for at different moments.
fn names(info: &str) -> String {
    let name = |line: &str| line.split(':').next().unwrap_or(line).to_owned();
    let steady = |name: &String| !name.starts_with("errorstat_");
    let names: Vec<String> = info.lines().map(name).filter(steady).collect();
    names.join("\r\n")
}

fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with("<n>") {
            out.push_str("<n>");
        }
    }
    out
}

fn number(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        "<n>".to_owned()
    } else {
        text.to_owned()
    }
}

/// Masks values by their name, in lines or words of `name<between>value`.
fn lines(text: &str, end: &str, between: char, masked: &[&str]) -> String {
    let one = |line: &str| match line.split_once(between) {
        Some((name, _)) if BEYOND.contains(&name) => None,
        Some((name, _)) if masked.contains(&name) => Some(format!("{name}{between}<own>")),
        _ => Some(line.to_owned()),
    };
    text.split(end)
        .filter_map(one)
        .collect::<Vec<_>>()
        .join(end)
}

/// The clients' own lines, in the order of the list; the programs' links to each other are left
/// out, for they come and go.
fn clients(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains(" name=sentinel-"))
        .map(|line| lines(line, " ", '=', CLIENT) + "\n")
        .collect()
}
