//! Which words each command knows. A word that is misspelt must not start a run of other things
//! than were asked for.

/// The options of a plan, which `Args::adjust` reads.
const PLAN: &[&str] = &["--sentinels", "--upstream", "--upstream-first", "--bytes"];

/// What a command takes: words of its own, whether it has a plan (and its options), flags.
struct Known {
    name: &'static str,
    /// How many words without a name.
    operands: usize,
    plan: bool,
    valued: &'static [&'static str],
    flags: &'static [&'static str],
}

const fn known(name: &'static str, valued: &'static [&'static str]) -> Known {
    Known {
        name,
        operands: 0,
        plan: false,
        valued,
        flags: &[],
    }
}

const KNOWN: &[Known] = &[
    Known {
        plan: true,
        flags: &["--all"],
        ..known("run", &["--seeds", "--minutes", "--from", "--threads"])
    },
    Known {
        plan: true,
        operands: 1,
        ..known("replay", &["--mutant"])
    },
    Known {
        plan: true,
        operands: 1,
        ..known("shrink", &["--tries", "--mutant"])
    },
    Known {
        plan: true,
        operands: 1,
        ..known("story", &["--seeds"])
    },
    Known {
        plan: true,
        ..known("bench", &["--seeds"])
    },
    known(
        "election",
        &[
            "--masters",
            "--lost-within-ms",
            "--delay",
            "--sentinels",
            "--upstream",
            "--failover-timeout-ms",
            "--seeds",
        ],
    ),
    Known {
        flags: &["--all"],
        ..known("hazards", &["--variations"])
    },
    known("mutants", &["--only", "--from"]),
    Known {
        plan: true,
        operands: 1,
        ..known("plan", &["--of"])
    },
];

/// Refuses what the command does not know; a command that nobody knows is left to the caller.
pub(crate) fn check(words: &[String]) -> Result<(), String> {
    let Some((name, rest)) = words.split_first() else {
        return Ok(());
    };
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        return Ok(());
    };
    let mut operands = 0;
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let word = word.as_str();
        if known.valued.contains(&word) || (known.plan && PLAN.contains(&word)) {
            if rest.next().is_none_or(|value| value.starts_with("--")) {
                return Err(format!("{word} wants a value\n"));
            }
        } else if word.starts_with('-') || operands == known.operands {
            if !known.flags.contains(&word) {
                return Err(format!("{name} does not know {word}; try --help\n"));
            }
        } else {
            operands += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    fn checked(line: &str) -> Result<(), String> {
        check(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_command_knows_is_taken() {
        for line in [
            "run --seeds 0..250 --threads 1 --all --bytes 1",
            "replay 12 --upstream 2 --mutant x",
            "election --masters 10 --delay 1..20 --seeds 2",
            "hazards --all --variations 3",
        ] {
            assert_eq!(checked(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        for (line, word) in [
            ("run --seed 0..250", "--seed"),
            ("run 12", "12"),
            ("replay 12 13", "13"),
            ("hazards --seeds 0..2", "--seeds"),
            ("run --minutes", "--minutes"),
            ("run --minutes --all", "--minutes"),
        ] {
            let why = checked(line).expect_err(line);
            assert!(why.contains(word), "{why}");
        }
    }
}
