//! Down or not (spec §8), and what the peers think (spec §9.1).

use bartizan_core::ids::MasterName;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, LinkKind};
use bartizan_core::report::Role;
use bartizan_core::time::{Mono, Span};

use super::Upstream;
use super::line::{Purpose, Socket};
use super::state::{InstId, Kind, State, older};

/// Ask periods after which a peer's opinion is forgotten: until then it may be about a master
/// that was replaced meanwhile (hazard L).
const OPINION_KEPT: u64 = 5;

impl Upstream {
    /// Enters TILT when the timer is late, and leaves it after its period.
    pub(super) fn check_tilt(&mut self, now: Mono) {
        if now.since(self.last_tick) > self.periods.tilt_trigger {
            self.tilt = Some(now);
            self.event_as(EventKind::Tilt, "#tilt mode entered".to_owned(), None);
        }
        self.last_tick = now;
        if self
            .tilt
            .is_some_and(|since| now.since(since) >= self.periods.tilt)
        {
            self.tilt = None;
            self.event_as(EventKind::TiltEnd, "#tilt mode exited".to_owned(), None);
        }
    }

    /// Closes what seems dead (spec §5.4): a silent command side after half of down-after, a
    /// silent Pub/Sub side after three publish periods, neither of them when young.
    pub(super) fn check_health(&mut self, now: Mono, id: InstId) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let (line_id, name) = (inst.line, &inst.master);
        let Some(half) = self.masters.get(name).map(|m| m.options.down_after.over(2)) else {
            return;
        };
        let Some(line) = self.lines.get(&line_id) else {
            return;
        };
        let young = self.periods.min_link_reconnect;
        let old = |socket: &Option<Socket>| {
            socket
                .as_ref()
                .is_some_and(|socket| now.since(socket.since) > young)
        };
        let mute = line.unanswered.is_some_and(|since| now.since(since) > half)
            && older(now, Some(line.last_pong), half);
        let command = old(&line.command) && mute;
        let silent = older(now, Some(line.heard), self.periods.publish * 3);
        let pubsub = old(&line.pubsub) && silent;
        if command {
            self.close(line_id, LinkKind::Command);
        }
        if pubsub {
            self.close(line_id, LinkKind::PubSub);
        }
    }

    /// Decides whether an instance is down, as seen from here.
    pub(super) fn check_sdown(&mut self, now: Mono, id: InstId) {
        let down = self.seems_down(now, id);
        let Some(inst) = self.instances.get_mut(&id) else {
            return;
        };
        if down == inst.s_down {
            return;
        }
        inst.s_down = down;
        if down {
            inst.s_down_at = Some(now);
            self.event(EventKind::Sdown, id, "");
        } else {
            inst.script_kill_sent = false;
            self.event(EventKind::SdownEnd, id, "");
        }
    }

    fn seems_down(&self, now: Mono, id: InstId) -> bool {
        let Some(inst) = self.instances.get(&id) else {
            return false;
        };
        let Some(master) = self.masters.get(&inst.master) else {
            return false;
        };
        let Some(line) = self.lines.get(&inst.line) else {
            return false;
        };
        let down_after = master.options.down_after;
        let silent = match line.unanswered {
            Some(since) => now.since(since),
            None if line.disconnected() => now.since(line.last_ok),
            None => Span::ZERO,
        };
        let is_master = inst.kind == Kind::Master;
        let patience = down_after + self.periods.info * 2;
        let wrong_role = is_master
            && inst.server.role == Some(Role::Replica)
            && older(now, Some(inst.server.role_since), patience);
        let reboot = master.options.master_reboot_down_after;
        let rebooting = is_master
            && reboot != Span::ZERO
            && inst
                .server
                .rebooted
                .is_some_and(|since| now.since(since) > reboot);
        silent > down_after || wrong_role || rebooting
    }

    /// Decides whether a quorum holds a master to be down.
    pub(super) fn check_odown(&mut self, _now: Mono, name: &MasterName) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let (id, quorum) = (master.inst, master.options.quorum.get());
        let peers = master
            .peers
            .values()
            .filter_map(|peer| self.instances.get(peer));
        let agree = 1 + peers.filter(|peer| peer.view.down).count();
        let Some(inst) = self.instances.get_mut(&id) else {
            return;
        };
        let down = inst.s_down && agree >= usize::try_from(quorum).unwrap_or(usize::MAX);
        if down == inst.o_down {
            return;
        }
        inst.o_down = down;
        if down {
            self.event(EventKind::Odown, id, &format!("#quorum {agree}/{quorum}"));
        } else {
            self.event(EventKind::OdownEnd, id, "");
        }
    }

    /// Asks every peer about a master that seems down, and for a vote while failing over.
    /// `forced` asks whatever the age of the last answer.
    pub(super) fn ask_peers(&mut self, now: Mono, name: &MasterName, forced: bool) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let Some(inst) = self.instances.get(&master.inst) else {
            return;
        };
        let (s_down, addr, epoch) = (inst.s_down, inst.addr.clone(), self.epoch);
        let candidate = (master.failover.state != State::None).then_some(self.id);
        let peers: Vec<InstId> = master.peers.values().copied().collect();
        for id in peers {
            let Some(peer) = self.instances.get_mut(&id) else {
                continue;
            };
            if older(now, peer.view.answered, self.periods.ask * OPINION_KEPT) {
                peer.view.down = false;
                peer.view.vote = None;
            }
            let due = forced || older(now, peer.view.answered, self.periods.ask);
            let connected = self.line(id).is_some_and(|line| !line.disconnected());
            if s_down && due && connected && self.has_room(id) {
                let call = Call::Ask {
                    addr: addr.clone(),
                    epoch,
                    candidate,
                };
                self.send(id, call, Purpose::Ask);
            }
        }
    }
}
