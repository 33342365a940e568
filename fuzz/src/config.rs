//! `sentinel.conf`, read and written.

use bartizan_conf::{ConfError, Loaded, PaperWorld, Source, load, render};
use bartizan_core::ids::RunId;
use bartizan_core::provide::options::Periods;

/// A file that loads is written as one that means the same, and writing that again changes
/// nothing. An error points into its line.
pub fn config(data: &[u8]) {
    match read(data) {
        Err(error) => {
            assert!(error.text.get(error.span.clone()).is_some(), "{error:?}");
            let _ = error.redis_lines("7.0.15");
        }
        Ok(mut first) => {
            let text = render(data, &first.durable, &first.server);
            let again = read(&text).unwrap_or_else(|error| {
                panic!(
                    "{error:?}\nin what was written:\n{}",
                    String::from_utf8_lossy(&text)
                )
            });
            first.durable.periods = Periods::default();
            let mut durable = again.durable.clone();
            durable.periods = Periods::default();
            assert_eq!(durable, first.durable);
            if first.server.users.is_empty() {
                // What the default user may do is written out, as Redis does it.
                assert!(again.server.users.iter().all(|user| user.name == "default"));
                first.server.users.clone_from(&again.server.users);
            }
            assert_eq!(again.server, first.server);
            assert!(!again.fresh, "our id is written");
            let twice = render(&text, &again.durable, &again.server);
            assert_eq!(
                String::from_utf8_lossy(&twice),
                String::from_utf8_lossy(&text)
            );
        }
    }
}

fn read(text: &[u8]) -> Result<Loaded, ConfError> {
    let source = Source {
        path: "sentinel.conf",
        text,
        extra: b"",
    };
    load(&source, RunId::from_random([7; 20]), &mut PaperWorld)
}
