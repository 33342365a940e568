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

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "127.0.0.1,20011,27bc0000000000000000000000000000000000ff,7,mymaster,\
                        db.example,20000,5";

    #[test]
    fn a_hello_reads_back_as_it_was_written() {
        let hello = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(hello.from.to_string(), "127.0.0.1:20011");
        assert_eq!(
            hello.id.as_str(),
            "27bc0000000000000000000000000000000000ff"
        );
        assert_eq!(hello.current_epoch, Epoch::new(7));
        assert_eq!(hello.master, MasterName::new("mymaster"));
        assert_eq!(hello.configuration.addr.to_string(), "db.example:20000");
        assert_eq!(hello.configuration.epoch, Epoch::new(5));
        assert_eq!(render(&hello), GOOD);
    }

    #[test]
    fn ipv6_addresses_are_written_without_brackets() {
        let text = GOOD.replace("127.0.0.1", "::1");
        assert_eq!(render(&parse(text.as_bytes()).unwrap()), text);
    }

    #[test]
    fn anything_but_eight_sound_fields_is_no_hello() {
        let field = |at: usize, value: &str| {
            let mut fields: Vec<&str> = GOOD.split(',').collect();
            fields[at] = value;
            fields.join(",")
        };
        let bad = [
            String::new(),
            ",,,,,,,".into(),
            GOOD.replace(",5", ""),
            format!("{GOOD},"),
            field(0, ""),
            field(0, "a b"),
            field(1, "65536"),
            field(1, "-1"),
            field(1, "+1"),
            field(1, ""),
            field(2, "27bc"),
            field(2, ""),
            field(3, "-1"),
            field(3, "x"),
            field(3, "9223372036854775808"),
            field(3, "18446744073709551615"),
            field(4, ""),
            field(5, ""),
            field(6, "99999"),
            field(7, "9223372036854775808"),
            field(7, " 1"),
            format!("{GOOD}{}", "0".repeat(LONGEST)),
        ];
        for text in bad {
            assert_eq!(parse(text.as_bytes()), None, "{text:.80}");
        }
        assert_eq!(parse(b"\xff,1,2,3,4,5,6,7"), None);
        assert!(parse(field(3, "9223372036854775807").as_bytes()).is_some());
    }
}
