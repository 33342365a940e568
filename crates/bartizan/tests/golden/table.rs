//! The form of a table.
//!
//! ```text
//! config: requirepass sekret          lines of configuration for both programs, at the top
//!
//! == title [resp2] [stranger]         a block: a connection of its own on either side
//! PING hello                          one command, split as redis-cli does; one reply
//! [x3] SUBSCRIBE a b c                three replies
//! [unordered] COMMAND LIST            a reply without a fixed order
//! [shape] CLIENT ID                   only the shape of the reply: numbers are masked
//! [raw] "PING\r\n"                    bytes as they are
//!   differs: why                      about the command above
//! ```
//!
//! A block runs once in RESP2 and once, after `HELLO 3`, in RESP3, unless it says `[resp2]` or
//! `[resp3]`. `[stranger]` leaves out the AUTH that tables with a password begin with.
//! `$PORT`, `$MYID`, `$PEER`, `$MASTER`, `$REPLICA` stand for ports and ids.

use std::fs;
use std::path::PathBuf;

/// One file.
pub struct Table {
    /// Lines for both configuration files.
    pub config: Vec<String>,
    /// The blocks, in their order.
    pub blocks: Vec<Block>,
}

/// Commands that share a connection.
pub struct Block {
    /// Its title.
    pub title: String,
    /// The dialects in which it runs.
    pub protocols: Vec<u8>,
    /// Whether AUTH is left out.
    pub stranger: bool,
    /// The password to begin with, from the table's configuration.
    pub password: Option<String>,
    /// What is sent.
    pub lines: Vec<Line>,
}

/// One thing to send.
pub struct Line {
    /// As the table has it.
    pub shown: String,
    /// The words, or one word of raw bytes.
    pub words: Vec<Vec<u8>>,
    /// Sent without being framed.
    pub raw: bool,
    /// How many replies come.
    pub replies: usize,
    /// The reply has no fixed order.
    pub unordered: bool,
    /// Numbers and hex in the reply are masked.
    pub shape: bool,
    /// Why the replies differ.
    pub differs: Option<String>,
}

impl Table {
    /// Reads `tables/<name>.txt`.
    pub fn read(name: &str) -> Self {
        let path = dir().join(format!("{name}.txt"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut table = Self {
            config: Vec::new(),
            blocks: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            let fail = |what: &str| -> ! { panic!("{name}.txt:{}: {what}", at + 1) };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(config) = line.strip_prefix("config: ") {
                table.config.push(config.to_owned());
            } else if let Some(title) = line.strip_prefix("== ") {
                table.blocks.push(Block::named(title, &table.config));
            } else {
                let Some(block) = table.blocks.last_mut() else {
                    fail("a command before the first block")
                };
                match line.strip_prefix("differs: ") {
                    None => block.lines.push(Line::read(line)),
                    Some(why) => match block.lines.last_mut() {
                        Some(line) if line.differs.is_none() => line.differs = Some(why.to_owned()),
                        _ => fail("differs: without a command"),
                    },
                }
            }
        }
        table
    }

    /// The names of all tables.
    pub fn all() -> Vec<String> {
        let entries = fs::read_dir(dir()).expect("the tables are there");
        entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                Some(name.strip_suffix(".txt")?.to_owned())
            })
            .collect()
    }

    /// How many commands it sends, each counted once a dialect.
    pub fn commands(&self) -> usize {
        self.count(|_| true)
    }

    /// How many of them differ.
    pub fn differing(&self) -> usize {
        self.count(|line| line.differs.is_some())
    }

    fn count(&self, which: impl Fn(&Line) -> bool) -> usize {
        let of = |block: &Block| {
            block.protocols.len() * block.lines.iter().filter(|line| which(line)).count()
        };
        self.blocks.iter().map(of).sum()
    }
}

impl Block {
    fn named(title: &str, config: &[String]) -> Self {
        let protocols = match () {
            () if title.contains("[resp2]") => vec![2],
            () if title.contains("[resp3]") => vec![3],
            () => vec![2, 3],
        };
        Self {
            title: title.split(" [").next().unwrap_or(title).to_owned(),
            protocols,
            stranger: title.contains("[stranger]"),
            password: config
                .iter()
                .find_map(|line| line.strip_prefix("requirepass ").map(str::to_owned)),
            lines: Vec::new(),
        }
    }
}

impl Line {
    fn read(text: &str) -> Self {
        let mut line = Self {
            shown: text.to_owned(),
            words: Vec::new(),
            raw: false,
            replies: 1,
            unordered: false,
            shape: false,
            differs: None,
        };
        let mut rest = text;
        while let Some((mark, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once("] ")) {
            match mark {
                "raw" => line.raw = true,
                "unordered" => line.unordered = true,
                "shape" => line.shape = true,
                _ => line.replies = mark.trim_start_matches('x').parse().expect(text),
            }
            rest = behind;
        }
        line.words = split(rest);
        line
    }
}

/// Splits at spaces; double quotes hold together and know `\r \n \t \" \\ \xHH`.
fn split(text: &str) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut bytes = text.bytes().peekable();
    while let Some(first) = bytes.next_if(|byte| *byte != b' ').or_else(|| {
        while bytes.next_if_eq(&b' ').is_some() {}
        bytes.next()
    }) {
        let mut word = Vec::new();
        if first != b'"' {
            word.push(first);
            while let Some(byte) = bytes.next_if(|byte| *byte != b' ') {
                word.push(byte);
            }
        } else {
            while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                word.push(if byte == b'\\' {
                    escaped(&mut bytes)
                } else {
                    byte
                });
            }
        }
        words.push(word);
    }
    words
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> u8 {
    match bytes.next() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'x') => {
            let hex: String = bytes.take(2).map(char::from).collect();
            u8::from_str_radix(&hex, 16).expect("two hex digits")
        }
        other => other.expect("something after the backslash"),
    }
}

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tables")
}
