//! From a request to what is said in return: the checks of spec §3.1, in Redis's order, then the
//! command itself.

use std::rc::Rc;

use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_wire::reply::{self, Subscription};
use bartizan_wire::request::{self, ClientCall, Local, ReplyMode, Request, Spec};
use bartizan_wire::resp::{Argv, Frame, Limits, Protocol, encode_frame};

use super::access::DEFAULT_USER;
use super::client::Client;
use super::info::{self, REDIS_VERSION, Section};
use super::pubsub::{Kind, SUBSCRIPTIONS_PER_CLIENT};
use super::seat::{Shape, Slot, Waiting};
use super::{acl, clients, count};
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
     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
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
    /// Handles one request; its reply is put in its place in the order.
    pub(super) async fn respond(&mut self, argv: Argv) {
        count(&self.hall.tally.commands, 1);
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
            self.admit(spec, &argv)?;
            spec.parse(&argv)
        });
        match admitted {
            Ok(Request::Command(command)) => {
                self.owe(voice, Errand::Command(command), Shape::Whole)
                    .await;
            }
            Ok(Request::Query(query)) => {
                self.owe(voice, Errand::Query(query), Shape::Whole).await;
            }
            Ok(Request::Answered(frame)) => self.say_frame(voice, &frame),
            Ok(Request::Local(local)) => self.local(voice, local).await,
            Err(refusal) => self.say(voice, &refusal),
        }
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
    fn admit(&self, spec: &Spec, argv: &Argv) -> Result<(), Reply> {
        if spec.no_auth {
            return Ok(());
        }
        let user = self.seat.user.borrow();
        let Some(user) = user.as_deref() else {
            return Err(NO_AUTH);
        };
        if !self.hall.access.permits(user, spec) {
            return Err(Reply::error(format!(
                "NOPERM this user has no permissions to run the '{}' command",
                spec.name
            )));
        }
        if spec.name == "publish"
            && argv
                .get(1)
                .is_some_and(|channel| !self.hall.access.permits_channel(user, channel))
        {
            return Err(NO_CHANNEL);
        }
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

    async fn local(&mut self, voice: Voice, local: Local) {
        match local {
            Local::Ping(message) => self.ping(voice, message),
            Local::Info(words) => self.info(voice, &words).await,
            Local::Hello {
                protocol,
                auth,
                name,
            } => self.hello(voice, protocol, auth, name),
            Local::Auth { user, password } => self.auth(voice, user.as_deref(), &password),
            Local::Client(call) => self.client_call(voice, call),
            Local::Acl(call) => {
                let frame = acl::answer(&self.hall, &self.seat, call);
                self.say_frame(voice, &frame);
            }
            Local::Subscribe(names) => self.subscribe(Kind::Channel, &names),
            Local::PSubscribe(names) => self.subscribe(Kind::Pattern, &names),
            Local::Unsubscribe(names) => self.unsubscribe(Kind::Channel, names),
            Local::PUnsubscribe(names) => self.unsubscribe(Kind::Pattern, names),
            Local::Shutdown => self.hall.shut_down().await,
        }
    }

    fn ping(&self, voice: Voice, message: Option<Vec<u8>>) {
        if self.seat.protocol.get() == Protocol::Resp2 && self.seat.subscribed() > 0 {
            let mut out = Vec::new();
            reply::subscriber_pong(&message.unwrap_or_default(), &mut out);
            self.seat.push(Slot::Ready(Rc::from(out)));
            return;
        }
        match message {
            None => self.say_frame(voice, &Frame::simple("PONG")),
            Some(message) => self.say_frame(voice, &Frame::Bulk(message)),
        }
    }

    async fn info(&self, voice: Voice, words: &[String]) {
        let wanted = Section::wanted(words);
        let text = info::text(&self.hall, &wanted);
        if wanted.contains(&Section::Sentinel) {
            self.owe(voice, Errand::Query(Query::InfoSection), Shape::EndOf(text))
                .await;
        } else {
            self.say(voice, &Reply::bulk(text));
        }
    }

    fn auth(&mut self, voice: Voice, user: Option<&[u8]>, password: &[u8]) {
        if user.is_none() && self.hall.access.default_has_no_password() {
            return self.say(voice, &NO_PASSWORD_SET);
        }
        let user = user.unwrap_or(DEFAULT_USER.as_bytes());
        let reply = if self.log_in(user, password) {
            Reply::OK
        } else {
            WRONG_PASSWORD
        };
        self.say(voice, &reply);
    }

    /// Becomes that user, if the password is right. A wrong one leaves who it was.
    fn log_in(&mut self, user: &[u8], password: &[u8]) -> bool {
        let Some(user) = self.hall.access.authenticate(user, password) else {
            return false;
        };
        *self.seat.user.borrow_mut() = Some(user);
        self.decoder.set_limits(Limits::CLIENT);
        true
    }

    fn hello(
        &mut self,
        voice: Voice,
        protocol: Option<Protocol>,
        auth: Option<(Vec<u8>, Vec<u8>)>,
        name: Option<Vec<u8>>,
    ) {
        if let Some((user, password)) = auth
            && !self.log_in(&user, &password)
        {
            return self.say(voice, &WRONG_PASSWORD);
        }
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
                    self.seat.push(Slot::Close);
                }
            }
        }
    }

    fn subscribe(&self, kind: Kind, names: &[Vec<u8>]) {
        let access = &self.hall.access;
        let permitted = match self.seat.user.borrow().as_deref() {
            None => false,
            Some(user) => names.iter().all(|name| match kind {
                Kind::Channel => access.permits_channel(user, name),
                Kind::Pattern => access.permits_pattern(user, name),
            }),
        };
        if !permitted {
            return self.say(Voice::Heard, &NO_CHANNEL);
        }
        if self.seat.subscribed().saturating_add(names.len()) > SUBSCRIPTIONS_PER_CLIENT {
            return self.say(Voice::Heard, &Reply::error("ERR too many subscriptions"));
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

    fn unsubscribe(&self, kind: Kind, names: Vec<Vec<u8>>) {
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

    fn confirm(&self, what: Subscription, name: Option<&[u8]>) {
        let mut out = Vec::new();
        let count = self.seat.subscribed();
        reply::subscription(what, name, count, self.seat.protocol.get(), &mut out);
        self.seat.push(Slot::Ready(Rc::from(out)));
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

    fn say(&self, voice: Voice, reply: &Reply) {
        self.say_frame(voice, &reply::frame(reply));
    }

    fn say_frame(&self, voice: Voice, frame: &Frame) {
        if matches!(frame, Frame::Error(_)) {
            count(&self.hall.tally.errors, 1);
        }
        if voice == Voice::Heard {
            let mut out = Vec::new();
            encode_frame(frame, self.seat.protocol.get(), &mut out);
            self.seat.push(Slot::Ready(Rc::from(out)));
        }
    }
}
