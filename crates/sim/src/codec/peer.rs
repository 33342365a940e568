//! Bytes at a Sentinel: those of links that it opened, and those of peers and applications.

use std::rc::Rc;

use bartizan_core::ids::{CallId, LinkId};
use bartizan_core::input::{Input, LinkError};
use bartizan_core::output::Call;
use bartizan_core::provide::options::Renames;
use bartizan_core::provide::reply::Reply;
use bartizan_wire::answer::LinkFault;
use bartizan_wire::reply::encode;
use bartizan_wire::request::{ClientCall, Local, Request, find};
use bartizan_wire::resp::{Argv, Protocol, command, encode_frame};

use super::{Far, Near, Read};
use crate::msg::Msg;
use crate::net::{ConnId, Side};
use crate::world::World;

impl World {
    /// A link stands: the greeting is the first thing on it.
    pub(crate) fn greet(&mut self, conn: ConnId) {
        let Some(near) = self.net.ends(conn).and_then(|ends| ends.near.as_mut()) else {
            return;
        };
        let bytes = near.take_greeting();
        self.send_bytes(conn, Side::Far, &bytes);
    }

    pub(crate) fn send_bytes(&mut self, conn: ConnId, towards: Side, bytes: &[u8]) {
        if !bytes.is_empty() {
            let msg = Msg::Bytes(Rc::from(bytes));
            self.net.send(&mut self.sched, conn, towards, msg);
        }
    }

    /// A Sentinel makes a call.
    pub(crate) fn call_in_bytes(
        &mut self,
        conn: ConnId,
        call: CallId,
        what: &Call,
        renames: &Renames,
    ) {
        let near = self
            .net
            .ends(conn)
            .and_then(|ends| ends.near.as_deref_mut());
        let mut bytes = Vec::new();
        match near {
            Some(Near::Calls(link, _)) => link.call(call, what, renames, &mut bytes),
            Some(Near::Hellos(link, _)) => link.call(call, what, renames, &mut bytes),
            Some(Near::Trial(link, _)) => link.call(call, renames, &mut bytes),
            None => return,
        }
        self.send_bytes(conn, Side::Far, &bytes);
    }

    /// Bytes reach a Sentinel over a link that it opened.
    pub(crate) fn host_reads(&mut self, h: usize, link: LinkId, conn: ConnId, bytes: &[u8]) {
        let near = self.net.ends(conn).and_then(|ends| ends.near.as_mut());
        let Some((read, fault)) = near.map(|near| near.receive(bytes)) else {
            return;
        };
        for one in read {
            let input = match one {
                Read::Answer(call, answer) => Input::Answer { link, call, answer },
                Read::Subscribed(talk) => Input::Subscribed { link, talk },
                Read::Heard(hello) => Input::Heard { link, hello },
            };
            // The one before may have made the Sentinel close the link, or die.
            if !self.has_link(h, link) {
                return;
            }
            self.host_input(h, input);
        }
        let Some(fault) = fault.filter(|_| self.has_link(h, link)) else {
            return;
        };
        if !matches!(fault, LinkFault::Refused(_)) {
            self.checks.fail("wire", format!("s{h} reads {fault}"));
        }
        self.drop_link(h, link);
        self.net.close(&mut self.sched, conn, Side::Near);
        let why = LinkError::Failed(fault.to_string().into());
        self.host_input(h, Input::LinkDown { link, why });
    }

    /// Bytes reach a Sentinel from a peer or an application.
    pub(crate) fn host_is_asked(&mut self, h: usize, conn: ConnId, bytes: &[u8]) {
        let Some(ends) = self.net.ends(conn) else {
            return;
        };
        let far = ends.far.get_or_insert_with(|| Box::new(Far::new()));
        let requests = match far.receive(bytes) {
            Ok(requests) => requests,
            Err(error) => return self.checks.fail("wire", format!("s{h} reads {error}")),
        };
        for argv in requests {
            let far = self.net.ends(conn).and_then(|ends| ends.far.as_mut());
            let Some(place) = far.map(|far| far.next()) else {
                return;
            };
            self.host_request(h, conn, place, &argv);
        }
    }

    fn host_request(&mut self, h: usize, conn: ConnId, place: CallId, argv: &Argv) {
        let Some(host) = self.hosts.get(h) else {
            return;
        };
        let Some(brain) = &host.brain else { return };
        let mut out = Vec::new();
        match find(argv).and_then(|spec| spec.parse(argv)) {
            Ok(Request::Command(command)) => return self.ask(h, command, Some((conn, place))),
            Ok(Request::Query(query)) => {
                let reply = brain.query(host.clock.mono(self.sched.now()), &query);
                encode(&reply, Protocol::Resp2, &mut out);
            }
            Ok(Request::Local(Local::Ping(None))) => {
                encode(&Reply::Status("PONG".into()), Protocol::Resp2, &mut out);
            }
            Ok(Request::Local(Local::Client(ClientCall::SetName(_)))) => {
                encode(&Reply::OK, Protocol::Resp2, &mut out);
            }
            Ok(Request::Local(other)) => {
                return self
                    .checks
                    .fail("wire", format!("s{h} is asked for {other:?}"));
            }
            Ok(Request::Answered(frame)) => encode_frame(&frame, Protocol::Resp2, &mut out),
            Err(reply) => encode(&reply, Protocol::Resp2, &mut out),
        }
        self.queue_reply(h, conn, place, Msg::Bytes(Rc::from(out)));
    }

    /// A reply as it goes to the peer that asked.
    pub(crate) fn reply_in_bytes(reply: &Reply) -> Msg {
        let mut out = Vec::new();
        encode(reply, Protocol::Resp2, &mut out);
        Msg::Bytes(Rc::from(out))
    }

    /// An application asks a Sentinel where the master of its group is.
    pub(crate) fn where_in_bytes(&self, c: usize) -> Option<Msg> {
        let name = self.groups.name(self.clients.get(c)?.group)?;
        let mut out = Vec::new();
        command(
            &["SENTINEL", "get-master-addr-by-name", name.as_str()],
            &mut out,
        );
        Some(Msg::Bytes(Rc::from(out)))
    }
}
