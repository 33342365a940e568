//! Who is down: subjectively (this Sentinel says so) and objectively (a quorum does). Spec §8.

use crate::ctx::Ctx;
use crate::model::master::{About, Master};
use crate::model::peer::PeerLink;
use crate::model::server::Server;
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::report::Role;
use crate::time::{Mono, Span};

impl Master {
    /// Judges every instance, then the master objectively.
    pub(crate) fn judge(&mut self, cx: &mut Ctx) {
        self.judge_servers(cx);
        self.judge_peers(cx);
        self.judge_objectively(cx);
    }

    /// When time alone would change a verdict.
    pub(crate) fn judge_due(&self, cx: &Ctx) -> Option<Mono> {
        let servers = self.servers.iter().filter_map(|(addr, server)| {
            server
                .sdown
                .is_none()
                .then(|| self.sdown_at(cx, server, self.is_master(addr)))
                .flatten()
        });
        let peers = self.peers.iter().filter_map(|(id, peer)| {
            let down = || peer_sdown_at(cx.peers.get(id)?, self.options.down_after);
            peer.sdown.is_none().then(down).flatten()
        });
        let opinions = self
            .peers
            .values()
            .filter(|peer| peer.says_down)
            .filter_map(|peer| {
                peer.answered_at
                    .map(|at| at + cx.periods.ask * 5 + Span::TICK)
            });
        servers.chain(peers).chain(opinions).min()
    }

    /// The moment from which a server counts as down if nothing changes (spec §8): too long
    /// silent, or a master that calls itself a replica, one that restarted and does not serve, or
    /// one whose process is gone where crash detection is on.
    ///
    /// The former master is left alone until the switch is announced: nobody is told of it as a
    /// replica before that.
    fn sdown_at(&self, cx: &Ctx, server: &Server, is_master: bool) -> Option<Mono> {
        if !is_master && server.link.addr() == self.told_addr() {
            return None;
        }
        let silent = server
            .link
            .silent_since()
            .map(|since| since + self.options.down_after);
        let demoted = (is_master && server.role == Role::Replica)
            .then(|| server.role_since + self.options.down_after + cx.periods.info * 2);
        let rebooted = server
            .rebooted
            .filter(|_| is_master && self.options.master_reboot_down_after > Span::ZERO)
            .map(|since| since + self.options.master_reboot_down_after);
        let crashed = server
            .link
            .trace
            .crashed_at(self.options.crash_detection)
            .filter(|_| is_master);
        // Ours is not there, whoever is.
        let usurped = server.identity.is_stranger().then(|| {
            let patience = if is_master {
                self.options.down_after
            } else {
                Span::ZERO
            };
            server.identity.since() + patience
        });
        [silent, demoted, rebooted, crashed, usurped]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at + Span::TICK)
    }

    fn judge_servers(&mut self, cx: &mut Ctx) {
        // Mostly none.
        let changed: Vec<_> = self
            .servers
            .iter()
            .filter_map(|(addr, server)| {
                let down_at = self.sdown_at(cx, server, self.is_master(addr));
                let is_down = down_at.is_some_and(|at| at <= cx.now);
                (is_down != server.sdown.is_some()).then(|| (addr.clone(), is_down))
            })
            .collect();
        for (addr, is_down) in changed {
            let is_master = self.is_master(&addr);
            let about = if is_master {
                About::Master
            } else {
                About::Replica(&addr)
            };
            if let Some(server) = self.servers.get_mut(&addr) {
                server.sdown = is_down.then_some(cx.now);
                server.last_sdown = server.sdown.or(server.last_sdown);
                server.script_killed = false;
            }
            let kind = if is_down {
                EventKind::Sdown
            } else {
                EventKind::SdownEnd
            };
            // Of a master that nobody has been told of yet, it is told with the switch.
            if !is_master || self.told_addr() == &addr {
                self.tell(cx, kind, about);
            }
            if is_master && is_down {
                // What an answer could tell is asked for now, not at the next period.
                self.ask_at_once();
                self.refresh_replicas();
            }
        }
    }

    fn judge_peers(&mut self, cx: &mut Ctx) {
        let changed: Vec<_> = self
            .peers
            .iter()
            .filter_map(|(id, peer)| {
                let down_at = peer_sdown_at(cx.peers.get(id)?, self.options.down_after);
                let is_down = down_at.is_some_and(|at| at <= cx.now);
                (is_down != peer.sdown.is_some()).then_some((*id, is_down))
            })
            .collect();
        for (id, is_down) in changed {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.sdown = is_down.then_some(cx.now);
            }
            let kind = if is_down {
                EventKind::Sdown
            } else {
                EventKind::SdownEnd
            };
            self.tell(cx, kind, About::Peer(id));
        }
    }

    fn judge_objectively(&mut self, cx: &mut Ctx) {
        for peer in self.peers.values_mut() {
            let limit = cx.periods.ask * 5;
            if peer.says_down && peer.answered_at.is_none_or(|at| cx.now.since(at) > limit) {
                peer.says_down = false;
            }
        }
        let agree = 1 + self.peers.values().filter(|peer| peer.says_down).count();
        let quorum = if cx.is_mutant(Mutant::NoQuorum) {
            1
        } else {
            self.options.quorum.get()
        };
        let sdown = self.primary().is_some_and(|server| server.sdown.is_some());
        let is_down = sdown && agree >= usize::try_from(quorum).unwrap_or(usize::MAX);
        match (is_down, self.odown) {
            (true, None) => {
                // The next failover is about it: who is told of that has to know it.
                self.announce(cx);
                self.odown = Some(cx.now);
                let words = format!("#quorum {agree}/{}", self.options.quorum.get());
                self.tell_more(cx, EventKind::Odown, About::Master, &words);
                self.on_odown(cx);
            }
            (false, Some(_)) => {
                self.odown = None;
                self.tell(cx, EventKind::OdownEnd, About::Master);
                self.on_odown_end();
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

/// The moment from which a peer counts as down if nothing changes.
fn peer_sdown_at(shared: &PeerLink, down_after: Span) -> Option<Mono> {
    shared
        .link
        .silent_since()
        .map(|since| since + down_after + Span::TICK)
}
