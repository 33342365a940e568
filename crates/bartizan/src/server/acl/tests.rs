//! Who may come in, and what they may do.

use bartizan_core::time::Mono;
use bartizan_wire::request;
use bartizan_wire::resp::{Protocol, encode_frame};

use super::error::RuleError;
use super::*;

fn line(text: &str) -> UserLine {
    let mut words = text.split(' ').map(str::to_owned);
    UserLine {
        name: words.next().unwrap(),
        rules: words.collect(),
    }
}

fn users(requirepass: Option<&str>, lines: &[&str]) -> Result<Users, (String, UserError)> {
    let lines: Vec<UserLine> = lines.iter().map(|text| line(text)).collect();
    Users::new(requirepass, &lines, NewUserChannels::None)
}

fn one(rules: &str) -> Users {
    users(None, &[format!("u {rules}").trim()]).unwrap()
}

fn permits(users: &Users, request: &str) -> Result<(), Denial> {
    let argv: Vec<Vec<u8>> = request.split(' ').map(|word| word.into()).collect();
    let spec = request::find(&argv).unwrap();
    users.permit("u", &Wanted { spec, argv: &argv })
}

fn text_of(users: &Users) -> String {
    let words = users.find(b"u").unwrap().words();
    words.join(" ")
}

#[test]
fn without_a_word_the_default_user_may_do_everything() {
    let users = users(None, &[]).unwrap();
    assert!(users.is_open());
    assert_eq!(users.texts(), ["user default on nopass ~* &* +@all"]);
}

#[test]
fn a_required_password_closes_the_default_user() {
    let users = users(Some("pw"), &[]).unwrap();
    assert!(!users.is_open());
    assert!(users.authenticate(b"default", b"wrong").is_none());
    assert!(users.authenticate(b"default", b"").is_none());
    let found = users.authenticate(b"default", b"pw");
    assert_eq!(found.as_deref(), Some("default"));
}

#[test]
fn a_required_password_is_not_undone_by_a_rewritten_user_line() {
    let users = users(Some("pw"), &["default on nopass ~* &* +@all"]).unwrap();
    assert!(!users.is_open());
    assert!(users.authenticate(b"default", b"pw").is_some());
    assert!(!users.overrule_requirepass());
}

#[test]
fn a_required_password_that_the_default_user_does_not_have_is_noticed() {
    let users = users(Some("pw"), &["default on >other ~* &* +@all"]).unwrap();
    assert!(users.overrule_requirepass());
    assert!(users.authenticate(b"default", b"pw").is_none());
}

#[test]
fn plain_and_hashed_passwords_are_the_same() {
    let plain = one("on >pw");
    let hashed = one(&text_of(&plain));
    for users in [plain, hashed] {
        assert!(users.authenticate(b"u", b"pw").is_some());
        assert!(users.authenticate(b"u", b"other").is_none());
    }
}

#[test]
fn a_user_who_is_off_or_has_no_password_cannot_come_in() {
    let users = users(None, &["a off >pw", "b on"]).unwrap();
    assert!(users.authenticate(b"a", b"pw").is_none());
    assert!(users.authenticate(b"b", b"").is_none());
    assert!(users.authenticate(b"nobody", b"").is_none());
}

#[test]
fn the_last_rule_that_fits_decides() {
    for (rules, request, wanted) in [
        ("", "ping", false),
        ("+@all", "ping", true),
        ("+@all -@admin", "sentinel masters", false),
        ("+@all -@admin +sentinel|masters", "sentinel masters", true),
        ("+@all -@admin +sentinel|masters", "sentinel reset x", false),
        ("+sentinel -sentinel|reset", "sentinel masters", true),
        ("+sentinel -sentinel|reset", "sentinel reset x", false),
        ("-ping +@all", "ping", true),
        ("+PING", "ping", true),
        ("+ping -@all", "ping", false),
        ("+@all -sentinel|primary", "sentinel master m", false),
        ("+ping|a", "ping A", true),
        ("+ping|a", "ping b", false),
        ("+ping|a -ping", "ping a", false),
        ("+ping|a -@fast", "ping a", false),
        ("(+ping)", "ping", true),
        ("+ping (+info) (+role)", "role", true),
        ("+ping (+info)", "role", false),
    ] {
        let verdict = permits(&one(rules), request);
        assert_eq!(verdict.is_ok(), wanted, "{rules} / {request}");
    }
}

#[test]
fn channels_are_granted_by_pattern_and_patterns_word_by_word() {
    let users = one("on nopass resetchannels &+s* +@all");
    let no = |channel: &str| Err(Denial::Channel(channel.into()));
    assert_eq!(permits(&users, "subscribe +s* +sdown"), Ok(()));
    assert_eq!(permits(&users, "subscribe +sdown -sdown"), no("-sdown"));
    assert_eq!(permits(&users, "psubscribe +s*"), Ok(()));
    assert_eq!(permits(&users, "psubscribe +s* *"), no("*"));
    assert_eq!(permits(&users, "publish x +sdown"), no("x"));
    assert_eq!(permits(&users, "unsubscribe x"), Ok(()));
}

#[test]
fn one_selector_has_to_allow_both_the_command_and_the_channel() {
    let users = one("+ping &b (+subscribe &a)");
    assert_eq!(permits(&users, "subscribe a"), Ok(()));
    let denial = permits(&users, "subscribe b");
    assert_eq!(denial, Err(Denial::Channel(b"b".to_vec())));
}

#[test]
fn a_rule_that_is_not_understood_is_refused() {
    for (rule, error) in [
        ("bogus", RuleError::Syntax),
        ("+@bogus", RuleError::Unknown),
        ("+get", RuleError::Unknown),
        ("+", RuleError::Unknown),
        ("+|", RuleError::Unknown),
        ("+|x", RuleError::Unknown),
        ("+ping|", RuleError::Syntax),
        ("-ping|x", RuleError::Unknown),
        ("+ping|x|y", RuleError::Unknown),
        ("+sentinel|", RuleError::Syntax),
        ("+sentinel|nope", RuleError::Unknown),
        ("+sentinel|masters|x", RuleError::ArgumentOfSubcommand),
        ("#123", RuleError::BadHash),
        ("!123", RuleError::BadHash),
        ("<pw", RuleError::NoSuchPassword),
        ("%", RuleError::Syntax),
        ("%X~a", RuleError::Syntax),
        ("%RR~a", RuleError::Syntax),
        ("%~a", RuleError::Syntax),
        ("~a b", RuleError::Syntax),
        ("&\n", RuleError::Syntax),
        (")", RuleError::Syntax),
        ("(on)", RuleError::Syntax),
        ("(>x)", RuleError::Syntax),
        ("((+ping))", RuleError::Syntax),
        ("(+nope)", RuleError::Unknown),
    ] {
        let mut user = User::fresh(NewUserChannels::None);
        let before = user.clone();
        let refused = user.apply(rule.as_bytes(), NewUserChannels::None);
        assert_eq!(refused, Err(error), "{rule}");
        assert!(user == before, "{rule}");
    }
    let mut user = User::allowed_everything();
    let mut refused = |rule: &str| user.apply(rule.as_bytes(), NewUserChannels::None);
    assert_eq!(refused("~a"), Err(RuleError::KeysBeyondAll));
    assert_eq!(refused("&a"), Err(RuleError::ChannelsBeyondAll));
}

#[test]
fn rules_are_shown_in_their_shortest_form() {
    for (rules, shown) in [
        ("", "off resetchannels -@all"),
        ("+ping -ping +ping", "off resetchannels -@all +ping"),
        ("+@read", "off resetchannels -@all"),
        ("-ping", "off resetchannels -@all"),
        ("+@all +ping|x", "off resetchannels +@all"),
        ("+ping|x +ping", "off resetchannels -@all +ping"),
        ("+ping|X +ping|y", "off resetchannels -@all +ping|X +ping|y"),
        ("+sentinel|masters -sentinel", "off resetchannels -@all"),
        (
            "+@all -@admin +sentinel|masters",
            "off resetchannels +@all -@admin +sentinel|masters",
        ),
        ("%R~a %W~a %R~b %RW~c", "off ~a %R~b ~c resetchannels -@all"),
        ("&a &a &b", "off resetchannels &a &b -@all"),
        ("reset", "off sanitize-payload resetchannels -@all"),
        (
            "on nopass skip-sanitize-payload allkeys allchannels allcommands",
            "on nopass skip-sanitize-payload ~* &* +@all",
        ),
        (
            "(%R~x +ping) ()",
            "off resetchannels -@all (%R~x resetchannels -@all +ping) (resetchannels -@all)",
        ),
        ("(+ping) clearselectors", "off resetchannels -@all"),
    ] {
        let users = one(rules);
        assert_eq!(text_of(&users), shown, "{rules}");
        assert_eq!(text_of(&one(shown)), shown, "{rules}");
    }
}

#[test]
fn a_change_is_made_whole_or_not_at_all() {
    let mut users = one("on >pw");
    let rules = [b"+ping".to_vec(), b"bogus".to_vec()];
    let before = text_of(&users);
    let error = users.set(b"u", &rules).unwrap_err();
    let wanted = "Error in ACL SETUSER modifier 'bogus': Syntax error";
    assert_eq!(error.to_string(), wanted);
    assert_eq!(text_of(&users), before);
    assert!(users.set(b"new", &rules).is_err());
    assert!(users.find(b"new").is_none());
}

#[test]
fn no_error_repeats_a_password() {
    let mut users = one("on");
    for rule in ["<secret", "!secret", "#secret"] {
        let error = users.set(b"u", &[rule.into()]).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let text = b"user u on #secret <secret";
    let error = Users::from_file("f", text, None, NewUserChannels::None).unwrap_err();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn everything_about_a_user_has_a_bound() {
    let refused = |rules: Vec<String>| {
        let mut users = one("on");
        let rules: Vec<Vec<u8>> = rules.into_iter().map(String::into_bytes).collect();
        matches!(users.set(b"u", &rules), Err(UserError::Rule { .. }))
    };
    let many = |count: usize, rule: fn(usize) -> String| (0..count).map(rule).collect();
    assert!(!refused(many(limits::PASSWORDS, |n| format!(">{n}"))));
    assert!(refused(many(limits::PASSWORDS + 1, |n| format!(">{n}"))));
    assert!(refused(many(limits::SELECTORS + 1, |_| "(~a)".to_owned())));
    assert!(refused(many(limits::RULES + 1, |n| format!("&{n}"))));
    assert!(refused(many(limits::RULES + 1, |n| format!("~{n}"))));
    assert!(refused(many(limits::RULES + 1, |n| format!("+ping|{n}"))));
    assert!(refused(vec![format!("~{}", "x".repeat(limits::BYTES + 1))]));
    assert!(refused(vec![format!(
        "({})",
        "x".repeat(limits::BYTES + 1)
    )]));
    let mut users = one("on");
    let count = users.names().count();
    for n in count..limits::USERS {
        users.set(format!("u{n}").as_bytes(), &[]).unwrap();
    }
    assert_eq!(users.set(b"late", &[]), Err(UserError::TooManyUsers));
    assert_eq!(users.set(b"u", &[]), Ok(()));
}

#[test]
fn names_and_patterns_of_users_are_text() {
    let mut users = one("on");
    assert_eq!(users.set(b"caf\xe9", &[]), Err(UserError::Name));
    for rule in [&b"~caf\xe9"[..], b"&caf\xe9"] {
        assert!(users.set(b"u", &[rule.to_vec()]).is_err());
    }
    users.set(b"u", &[b">caf\xe9".to_vec()]).unwrap();
    assert!(users.authenticate(b"u", b"caf\xe9").is_some());
}

#[test]
fn a_file_of_users_reads_back_as_the_same_users() {
    let lines = ["a on >x (+ping ~k)", "b off nopass &c +@pubsub"];
    let before = users(None, &lines).unwrap();
    let text = before.to_file();
    let after = Users::from_file("f", text.as_bytes(), None, NewUserChannels::None).unwrap();
    assert_eq!(after.texts(), before.texts());
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_all_of_them_are_told() {
    let text =
        "user a +ping\r\n\nuser  on\nUSER b\nuser c +get (+x) foo\nuser a on\nuser d (+ping\n";
    let error = Users::from_file("/f", text.as_bytes(), None, NewUserChannels::None).unwrap_err();
    assert_eq!(
        error,
        "/f:4 should start with user keyword followed by the username. \
         /f:5: Error in applying operation '+get': Unknown command or category name in ACL. \
         /f:5: Error in applying operation '(+x)': Unknown command or category name in ACL. \
         /f:5: Syntax error. WARNING: Duplicate user 'a' found on line 6. \
         /f:7: Unmatched parenthesis in acl selector starting at '(+ping'. \
         WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
    );
}

#[test]
fn the_same_refusal_within_a_minute_is_counted_and_the_log_is_bounded() {
    let at = |secs: u64| Mono::from_ms(secs * 1_000);
    let mut log = Refusals::new(2);
    let mut add = |secs: u64, user: &str| {
        let what = (Reason::Auth, &b"auth"[..]);
        log.add(at(secs), what, user.as_bytes(), b"id=1".to_vec());
        let mut out = Vec::new();
        encode_frame(&log.frame(at(secs), None), Protocol::Resp2, &mut out);
        let shown = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = shown.split("\r\n").collect();
        let after = |word: &str, by: usize| -> Vec<String> {
            let found = (0..lines.len()).filter(|at| lines[*at] == word);
            found.map(|at| lines[at + by].to_owned()).collect()
        };
        (after("username", 2), after("count", 1))
    };
    let is = |users: &[&str], counts: &[&str]| {
        let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        (owned(users), owned(counts))
    };
    assert_eq!(add(0, "a"), is(&["a"], &[":1"]));
    assert_eq!(add(60, "a"), is(&["a"], &[":2"]));
    assert_eq!(add(121, "a"), is(&["a", "a"], &[":1", ":2"]));
    assert_eq!(add(122, "b"), is(&["b", "a"], &[":1", ":1"]));
    assert_eq!(add(123, "a"), is(&["a", "b"], &[":2", ":1"]));
}
