//! From a request to what is said in return: the checks of spec §3.1, in Redis's order, then the
//! command itself.

use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_wire::reply::{self, Subscription};
use bartizan_wire::request::{self, ClientCall, Local, ReplyMode, Request, Spec};
use bartizan_wire::resp::{Argv, Frame, Limits, Protocol, encode_frame};

use super::acl::{self, DEFAULT_USER, Denial, Reason, Wanted};
use super::client::Client;
use super::info::{self, REDIS_VERSION, Section};
use super::pause::Pause;
use super::pubsub::{Kind, SUBSCRIBED_BYTES_PER_CLIENT, SUBSCRIPTIONS_PER_CLIENT};
use super::seat::{Shape, Slot, Waiting};
use super::{clients, count};
use crate::driver::Errand;

const NO_AUTH: Reply = Reply::Error(std::borrow::Cow::Borrowed(
    "NOAUTH Authentication required.",
));
const WRONG_PASSWORD: Reply = Reply::Error(std::borrow::Cow::Borrowed(
    "WRONGPASS invalid username-password pair or user is disabled.",
));
const NO_PASSWORD_SET: Reply = Reply::Error(std::borrow::Cow::Borrowed(
    "ERR AUTH <password> called without any password configured for the default user. Are you \
     sure your configuration is correct?",
));
const HELLO_NEEDS_AUTH: Reply = Reply::Error(std::borrow::Cow::Borrowed(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
     AUTH <user> <pass> option can be used to authenticate the client and select the \
     RESP protocol version at the same time",
));
const NO_CHANNEL: Reply = Reply::Error(std::borrow::Cow::Borrowed(
    "NOPERM this user has no permissions to access one of the channels used as arguments",
));

/// Whether anybody wants to hear the reply (`CLIENT REPLY`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Heard,
    Muted,
}

impl Client {
    /// Handles one request; its reply is put in its place in the order. While clients are paused
    /// it may be held back, and is to be handed in again.
    pub(super) async fn respond(&mut self, argv: Argv) {
        if self.is_held(&argv) {
            self.held = Some(argv);
            return;
        }
        count(&self.hall.tally.commands, 1);
        let questions = std::mem::take(&mut self.questions);
        let voice = match self.seat.mode.get() {
            ReplyMode::On => Voice::Heard,
            ReplyMode::Off => Voice::Muted,
            ReplyMode::Skip => {
                self.seat.mode.set(ReplyMode::On);
                Voice::Muted
            }
        };
        let argv = match self.unrenamed(argv) {
            Ok(argv) => argv,
            Err(refusal) => return self.say(voice, &refusal),
        };
        let admitted = request::find(&argv).and_then(|spec| {
            self.seat.command.set(spec.name);
            if let Some(tracking) = self.seat.tracking.borrow_mut().as_mut() {
                tracking.command_was(spec.name);
            }
            self.admit(spec, &argv)?;
            spec.parse(&argv)
        });
        match admitted {
            Ok(Request::Command(mut command)) => {
                command.check_scripts(crate::scripts::is_executable);
                self.owe(voice, Errand::Command(command), Shape::Whole)
                    .await;
            }
            Ok(Request::Query(query)) => {
                if matches!(query, Query::MasterAddr(_)) {
                    self.questions = questions.saturating_add(1);
                }
                self.ask(voice, query, Shape::Whole).await;
            }
            Ok(Request::Answered(frame)) => self.say_frame(voice, &frame),
            Ok(Request::Local(local)) => self.local(voice, &argv, local).await,
            Err(refusal) => self.say(voice, &refusal),
        }
    }

    /// Whether `CLIENT PAUSE` holds this back. Who is refused anyway need not wait.
    fn is_held(&self, argv: &Argv) -> bool {
        let spec = |argv| request::find(&argv);
        // It may be handed in again, so what it means is looked up in a copy.
        self.hall.pause.is_on(self.hall.clock)
            && self
                .unrenamed(argv.clone())
                .and_then(spec)
                .is_ok_and(|spec| !Pause::spares(spec.name))
    }

    /// Applies `rename-command` for our own commands: the new word means the old command, and the
    /// old word means nothing.
    fn unrenamed(&self, mut argv: Argv) -> Result<Argv, Reply> {
        let renamed = &self.hall.options.renamed_commands;
        let Some(first) = argv.first_mut() else {
            return Ok(argv);
        };
        if renamed.is_empty() {
            return Ok(argv);
        }
        let meant = renamed
            .iter()
            .find(|(_, new)| new.as_bytes().eq_ignore_ascii_case(first));
        if let Some((old, _)) = meant {
            *first = old.as_bytes().to_vec();
        } else if renamed
            .keys()
            .any(|old| old.as_bytes().eq_ignore_ascii_case(first))
        {
            let word = String::from_utf8_lossy(first);
            return Err(Reply::error(format!(
                "ERR unknown command '{}', with args beginning with: ",
                word.chars().take(128).collect::<String>()
            )));
        }
        Ok(argv)
    }

    /// Whether this client may give this command now (spec §3.1).
    fn admit(&self, spec: &'static Spec, argv: &Argv) -> Result<(), Reply> {
        if spec.no_auth {
            return Ok(());
        }
        self.hall.let_in(&self.seat);
        if self.seat.user.borrow().is_none() {
            return Err(NO_AUTH);
        }
        let wanted = Wanted { spec, argv };
        self.hall
            .permit(&self.seat, &wanted)
            .map_err(|denial| match denial {
                Denial::Command => Reply::error(format!(
                    "NOPERM this user has no permissions to run the '{}' command",
                    spec.name
                )),
                Denial::Channel(_) => NO_CHANNEL,
            })?;
        let listening = self.seat.protocol.get() == Protocol::Resp2 && self.seat.subscribed() > 0;
        if listening && !spec.while_subscribed {
            return Err(Reply::error(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
                spec.name
            )));
        }
        Ok(())
    }

    async fn local(&mut self, voice: Voice, argv: &Argv, local: Local) {
        let word = argv.first().map_or(&[][..], Vec::as_slice);
        match local {
            Local::Ping(message) => self.ping(voice, message),
            Local::Info(words) => self.info(voice, &words).await,
            Local::Hello {
                protocol,
                auth,
                name,
            } => {
                if let Some(credentials) = auth
                    && !self.log_in(word, &credentials)
                {
                    return self.say(voice, &WRONG_PASSWORD);
                }
                self.hello(voice, protocol, name);
            }
            Local::Auth { user, password } => self.auth(voice, word, user, password),
            Local::Client(call) => self.client_call(voice, call),
            Local::Acl(call) => {
                let frame = acl::answer::answer(&self.hall, &self.seat, call).await;
                self.say_frame(voice, &frame);
            }
            Local::Subscribe(names) => self.subscribe(Kind::Channel, &names),
            Local::PSubscribe(names) => self.subscribe(Kind::Pattern, &names),
            Local::Unsubscribe(names) => self.unsubscribe(Kind::Channel, names),
            Local::PUnsubscribe(names) => self.unsubscribe(Kind::Pattern, names),
            Local::Quit => {
                self.say(voice, &Reply::OK);
                self.hang_up();
            }
            Local::Reset => self.reset(),
            Local::Shutdown => self.hall.shut_down().await,
        }
    }

    fn ping(&mut self, voice: Voice, message: Option<Vec<u8>>) {
        if self.seat.protocol.get() == Protocol::Resp2 && self.seat.subscribed() > 0 {
            return self.put(|out| reply::subscriber_pong(&message.unwrap_or_default(), out));
        }
        match message {
            None => self.say_frame(voice, &Frame::simple("PONG")),
            Some(message) => self.say_frame(voice, &Frame::Bulk(message)),
        }
    }

    async fn info(&mut self, voice: Voice, words: &[String]) {
        let wanted = Section::wanted(words);
        let text = info::text(&self.hall, &wanted);
        if wanted.contains(&Section::Sentinel) {
            self.ask(voice, Query::InfoSection, Shape::EndOf(text))
                .await;
        } else {
            self.say(voice, &Reply::bulk(text));
        }
    }

    fn auth(&mut self, voice: Voice, word: &[u8], user: Option<Vec<u8>>, password: Vec<u8>) {
        if user.is_none() && self.hall.users.borrow().default_has_no_password() {
            return self.say(voice, &NO_PASSWORD_SET);
        }
        let user = user.unwrap_or_else(|| DEFAULT_USER.into());
        let reply = if self.log_in(word, &(user, password)) {
            Reply::OK
        } else {
            WRONG_PASSWORD
        };
        self.say(voice, &reply);
    }

    /// Becomes that user, if the password is right. A wrong one leaves who it was, and is logged
    /// with the word of the command that it came in.
    fn log_in(&mut self, word: &[u8], (user, password): &(Vec<u8>, Vec<u8>)) -> bool {
        let found = self.hall.users.borrow().authenticate(user, password);
        let Some(user) = found else {
            self.hall
                .log_refusal(&self.seat, (Reason::Auth, word), user);
            return false;
        };
        *self.seat.user.borrow_mut() = Some(user);
        self.decoder.set_limits(Limits::CLIENT);
        true
    }

    fn hello(&mut self, voice: Voice, protocol: Option<Protocol>, name: Option<Vec<u8>>) {
        self.hall.let_in(&self.seat);
        if self.seat.user.borrow().is_none() {
            return self.say(voice, &HELLO_NEEDS_AUTH);
        }
        if let Some(name) = name {
            *self.seat.name.borrow_mut() = name;
        }
        if let Some(protocol) = protocol {
            self.seat.protocol.set(protocol);
        }
        let version = match self.seat.protocol.get() {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        };
        let id = i64::try_from(self.seat.id).unwrap_or(i64::MAX);
        let fields = vec![
            (Frame::bulk("server"), Frame::bulk("redis")),
            (Frame::bulk("version"), Frame::bulk(REDIS_VERSION)),
            (Frame::bulk("proto"), Frame::Integer(version)),
            (Frame::bulk("id"), Frame::Integer(id)),
            (Frame::bulk("mode"), Frame::bulk("sentinel")),
            (Frame::bulk("modules"), Frame::Array(Vec::new())),
        ];
        self.say_frame(voice, &Frame::Map(fields));
    }

    /// Takes back everything that was said on this connection, as if it had just been made.
    fn reset(&mut self) {
        self.hall.pubsub.borrow_mut().forget(&self.seat);
        self.seat.name.borrow_mut().clear();
        self.seat.tracking.take();
        self.seat.no_evict.set(false);
        self.seat.mode.set(ReplyMode::On);
        self.seat.protocol.set(Protocol::Resp2);
        self.seat.user.take();
        self.hall.let_in(&self.seat);
        self.decoder
            .set_limits(if self.seat.user.borrow().is_some() {
                Limits::CLIENT
            } else {
                Limits::UNAUTHENTICATED
            });
        self.say_frame(Voice::Heard, &Frame::simple("RESET"));
    }

    fn client_call(&mut self, voice: Voice, call: ClientCall) {
        match call {
            ClientCall::Reply(ReplyMode::On) => {
                self.seat.mode.set(ReplyMode::On);
                self.say(Voice::Heard, &Reply::OK);
            }
            ClientCall::Reply(ReplyMode::Off) => self.seat.mode.set(ReplyMode::Off),
            ClientCall::Reply(ReplyMode::Skip) => {
                if self.seat.mode.get() == ReplyMode::On {
                    self.seat.mode.set(ReplyMode::Skip);
                }
            }
            call => {
                let frame = clients::answer(&self.hall, &self.seat, call);
                self.say_frame(voice, &frame);
                if self.seat.is_killed() {
                    // It killed itself, and hears so before it goes.
                    self.hang_up();
                }
            }
        }
    }

    fn subscribe(&mut self, kind: Kind, names: &[Vec<u8>]) {
        let bytes: usize = names.iter().map(Vec::len).sum();
        if self.seat.subscribed().saturating_add(names.len()) > SUBSCRIPTIONS_PER_CLIENT
            || self.seat.subscribed_bytes().saturating_add(bytes) > SUBSCRIBED_BYTES_PER_CLIENT
        {
            let refusal = Reply::error("ERR too many subscriptions, or too long names");
            return self.say(Voice::Heard, &refusal);
        }
        let what = match kind {
            Kind::Channel => Subscription::Subscribe,
            Kind::Pattern => Subscription::PSubscribe,
        };
        for name in names {
            self.hall
                .pubsub
                .borrow_mut()
                .subscribe(&self.seat, kind, name);
            self.confirm(what, Some(name));
        }
    }

    fn unsubscribe(&mut self, kind: Kind, names: Vec<Vec<u8>>) {
        let names = if names.is_empty() {
            self.seat
                .subscriptions(kind)
                .borrow()
                .iter()
                .cloned()
                .collect()
        } else {
            names
        };
        let what = match kind {
            Kind::Channel => Subscription::Unsubscribe,
            Kind::Pattern => Subscription::PUnsubscribe,
        };
        for name in &names {
            self.hall
                .pubsub
                .borrow_mut()
                .unsubscribe(&self.seat, kind, name);
            self.confirm(what, Some(name));
        }
        if names.is_empty() {
            self.confirm(what, None);
        }
    }

    fn confirm(&mut self, what: Subscription, name: Option<&[u8]>) {
        let (count, protocol) = (self.seat.subscribed(), self.seat.protocol.get());
        self.put(|out| reply::subscription(what, name, count, protocol, out));
    }

    /// Asks the core, at once unless the answer would overtake one that it owes.
    async fn ask(&mut self, voice: Voice, query: Query, shape: Shape) {
        let now = (!self.seat.is_owed()).then(|| self.hall.desk.ask(&query));
        let Some(reply) = now.flatten() else {
            return self.owe(voice, Errand::Query(query), shape).await;
        };
        if matches!(reply, Reply::Error(_)) {
            count(&self.hall.tally.errors, 1);
        }
        if voice == Voice::Heard {
            let protocol = self.seat.protocol.get();
            self.put(|out| shape.encode(&reply, protocol, out));
        }
    }

    /// Hands something to the core, whose reply is put here in the order when it comes.
    async fn owe(&self, voice: Voice, errand: Errand, shape: Shape) {
        let reply = self.hall.send(errand).await;
        let shape = if voice == Voice::Muted {
            Shape::Dropped
        } else {
            shape
        };
        let protocol = self.seat.protocol.get();
        self.seat.push(Slot::Waiting(Waiting {
            reply,
            shape,
            protocol,
        }));
    }

    fn say(&mut self, voice: Voice, reply: &Reply) {
        self.say_frame(voice, &reply::frame(reply));
    }

    fn say_frame(&mut self, voice: Voice, frame: &Frame) {
        if matches!(frame, Frame::Error(_)) {
            count(&self.hall.tally.errors, 1);
        }
        if voice == Voice::Heard {
            let protocol = self.seat.protocol.get();
            self.put(|out| encode_frame(frame, protocol, out));
        }
    }
}
