//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use bartizan_core::provide::options::Renames;
use bartizan_wire::request::{self, Request};
use bartizan_wire::resp::{Argv, Frame, Limits, Protocol, ReplyDecoder, RequestDecoder};

/// The words of a line that has no spaces inside words.
pub(crate) fn argv(line: &str) -> Argv {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// What a request line means, or the text of the error it gets.
pub(crate) fn parse(line: &str) -> Result<Request, String> {
    parse_words(&argv(line))
}

/// The same for words with spaces or odd bytes.
pub(crate) fn parse_words(argv: &Argv) -> Result<Request, String> {
    let parsed = request::find(argv).and_then(|spec| spec.parse(argv));
    parsed.map_err(|reply| {
        let mut out = Vec::new();
        bartizan_wire::reply::encode(&reply, Protocol::Resp2, &mut out);
        String::from_utf8(out).unwrap()
    })
}

/// Every request in `input`, given in pieces of these sizes, over and over.
pub(crate) fn requests(input: &[u8], sizes: &[usize]) -> Result<Vec<Argv>, String> {
    let mut decoder = RequestDecoder::new(Limits::CLIENT);
    let mut found = Vec::new();
    for mut piece in pieces(input, sizes) {
        while !piece.is_empty() {
            let (used, argv) = decoder.decode(piece).map_err(|error| error.to_string())?;
            assert!(used <= piece.len() && (argv.is_some() || used == piece.len()));
            piece = &piece[used..];
            found.extend(argv);
        }
    }
    Ok(found)
}

/// Every frame in `input`, given in pieces of these sizes, over and over.
pub(crate) fn frames(input: &[u8], sizes: &[usize]) -> Result<Vec<Frame>, String> {
    let mut decoder = ReplyDecoder::new(Limits::LINK);
    let mut found = Vec::new();
    for mut piece in pieces(input, sizes) {
        while !piece.is_empty() {
            let (used, frame) = decoder.decode(piece).map_err(|error| error.to_string())?;
            assert!(used <= piece.len() && (frame.is_some() || used == piece.len()));
            piece = &piece[used..];
            found.extend(frame);
        }
    }
    Ok(found)
}

fn pieces<'a>(input: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    let mut sizes = sizes.iter().cycle();
    core::iter::from_fn(move || {
        let size = (*sizes.next()?).clamp(1, rest.len().max(1));
        let (piece, behind) = rest.split_at_checked(size)?;
        rest = behind;
        Some(piece)
    })
}

/// Bytes as people read them.
pub(crate) fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A `rename-command` table.
pub(crate) fn renames(pairs: &[(&str, &str)]) -> Renames {
    let mut renames = Renames::default();
    for (old, new) in pairs {
        renames.insert(old, new);
    }
    renames
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Less than `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % u64::try_from(sides).unwrap()).unwrap()
    }

    /// So many bytes out of `alphabet`.
    pub(crate) fn bytes(&mut self, length: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..length)
            .map(|_| alphabet[self.roll(alphabet.len())])
            .collect()
    }
}
