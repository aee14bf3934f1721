//! Both ends of every connection: what clients do with theirs, and the host with its.

use std::sync::Arc;

use homeroom_client::machine::State;
use homeroom_engine::{
    hub::{Delivery, Push},
    identity::Identity,
    tenant::Input,
};
use homeroom_protocol::{
    Auth, ClientFrame, ConnectionId, ServerFrame, decode_client_message,
    limit::CLIENT_MESSAGE_BYTES_MAX,
};

use crate::{
    broken::{Broken, Checked},
    link::Link,
    people,
    world::{World, hash},
};

/// Requests of one connection that may be unanswered, as a welcome says.
const IN_FLIGHT_MAX: usize = 32;

impl World {
    /// A client reads, writes, and its app listens.
    pub(crate) fn client_works(&mut self, index: usize) -> Result<bool, Broken> {
        let now = self.moment();
        let mut worked = false;
        let client = &mut self.clients[index];
        if client.machine.deadline().is_some_and(|at| at <= now) {
            client.machine.tick(now);
        }
        let state = client.machine.state();
        if let Some(connection) = client.link
            && !matches!(state, State::Welcoming | State::Live)
        {
            // The machine gave it up by itself.
            client.link = None;
            self.cut(connection, false);
        }
        let client = &mut self.clients[index];
        if client.on && client.link.is_none() && state == State::Connecting {
            client.machine.opened(now);
            let connection = self.host.next_connection();
            let (tenant, user) = (client.tenant, client.user.clone());
            client.link = Some(connection);
            let link = Link::new(tenant, user, self.shape.socket_bytes);
            self.links.insert(connection, link);
            worked = true;
        }
        let client = &mut self.clients[index];
        let mut told = Vec::new();
        if let Some(connection) = client.link {
            let departures = self.ledgers[client.tenant].departures;
            match self.links.get_mut(&connection) {
                None => client.lose(now),
                Some(link) => {
                    if !link.stalled {
                        let bytes = link.wire.read(usize::MAX);
                        self.trace = hash(self.trace, &bytes);
                        worked |= !bytes.is_empty();
                        told = client.receive(now, &bytes, departures)?;
                    }
                    if link.gone && (link.stalled || !link.wire.has_bytes()) {
                        self.links.remove(&connection);
                        client.lose(now);
                        worked = true;
                    }
                }
            }
        }
        worked |= self.client_writes(index);
        let client = &mut self.clients[index];
        let departures = self.ledgers[client.tenant].departures;
        told.extend(client.listen(now, departures)?);
        for told in told {
            worked = true;
            self.judge(index, told)?;
        }
        Ok(worked)
    }

    pub(crate) fn client_writes(&mut self, index: usize) -> bool {
        let now = self.moment();
        let client = &mut self.clients[index];
        let Some(link) = client.link.and_then(|link| self.links.get_mut(&link)) else {
            return false;
        };
        let mut message = Vec::new();
        let mut wrote = false;
        while client.machine.transmit(now, &mut message) {
            link.up.push_back(message.clone());
            wrote = true;
        }
        wrote
    }

    /// The client's end of a connection is gone; the host notices later.
    pub(crate) fn cut(&mut self, connection: ConnectionId, clean: bool) {
        let now = self.host_now();
        if let Some(link) = self.links.get_mut(&connection) {
            link.cut = true;
            if clean {
                link.notices = Some((now, true));
            } else {
                link.up.clear();
                let later = connection.0.wrapping_mul(7_919) % 1_500;
                link.notices = Some((now.plus_ms(later), false));
            }
        }
    }

    /// The host reads what came on a connection, and notices what became of it.
    pub(crate) fn host_reads(&mut self, connection: ConnectionId) -> Result<bool, Broken> {
        let now = self.host_now();
        let Some(link) = self.links.get_mut(&connection) else {
            return Ok(false);
        };
        let mut worked = false;
        if let Some(life) = link.life
            && link.wire.take_hunger()
        {
            self.host.writable(life, connection);
            worked = true;
        }
        let link = self.links.get_mut(&connection).expect("just seen");
        if !link.gone
            && link.wire.closed().is_none()
            && link.gauge.unanswered() < IN_FLIGHT_MAX
            && !link.gauge.replies_are_full()
            && let Some(message) = link.up.pop_front()
        {
            self.trace = hash(self.trace, &message);
            self.host_takes(connection, &message)?;
            return Ok(true);
        }
        let link = self.links.get_mut(&connection).expect("just seen");
        let due = link.notices;
        let due = due.filter(|(at, _)| *at <= now || at.since_ms(now) > 3_000);
        let closed = link.wire.closed().is_some();
        if !link.gone && (due.is_some() && link.up.is_empty() || closed) {
            let clean = due.is_some_and(|(_, clean)| clean) && !closed;
            link.gone = true;
            let life = link.life;
            if let Some(life) = life {
                self.host.detach(life, connection);
                if let Some(life) = self.host.life_mut(life) {
                    life.inbox.push_back(people::gone(connection, clean));
                }
            }
            worked = true;
        }
        let link = self.links.get(&connection).expect("just seen");
        if link.gone && link.cut {
            self.links.remove(&connection);
        }
        Ok(worked)
    }

    /// One message of a client.
    pub(crate) fn host_takes(&mut self, connection: ConnectionId, message: &[u8]) -> Checked {
        let frames = decode_client_message(message, CLIENT_MESSAGE_BYTES_MAX);
        let frames = frames.map_err(|error| Broken::new("clients keep to the protocol", error))?;
        for frame in frames {
            let frame =
                frame.map_err(|error| Broken::new("clients keep to the protocol", error))?;
            self.note(|| format!("{connection:?} > {frame:?}"));
            match frame {
                ClientFrame::Hello(hello) => {
                    let Auth::Guest { name } = hello.auth else {
                        return Err(Broken::new("clients keep to the protocol", "a token"));
                    };
                    self.admit(connection, Identity::new(name, hello.device))?;
                }
                ClientFrame::Ping { nonce } => {
                    let link = &self.links[&connection];
                    let frame = ServerFrame::Pong {
                        nonce,
                        time: self.host_now(),
                    };
                    let push = Arc::new(Push::new(frame));
                    if let Some(life) = link.life {
                        let pong = Delivery::Direct { connection, push };
                        self.host.release(life, vec![pong]);
                    }
                }
                ClientFrame::Signal { room, name, body } => {
                    let input = Input::Signal {
                        connection,
                        room,
                        name,
                        body,
                    };
                    self.tell(connection, input);
                }
                ClientFrame::Request { id, request } => {
                    let link = self.links.get_mut(&connection).expect("it is read");
                    link.gauge.add_request(id, &request);
                    link.ask(id);
                    let input = Input::Request {
                        connection,
                        id,
                        request,
                    };
                    self.tell(connection, input);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn tell(&mut self, connection: ConnectionId, input: Input) {
        let life = self.links.get(&connection).and_then(|link| link.life);
        if let Some(life) = life.and_then(|life| self.host.life_mut(life)) {
            life.inbox.push_back(input);
        }
    }

    /// A client said who it is: it is let in, if its tenant wakes.
    pub(crate) fn admit(&mut self, connection: ConnectionId, identity: Identity) -> Checked {
        let tenant = self.links[&connection].tenant;
        if !self.awake(tenant)? {
            let link = self.links.get_mut(&connection).expect("it is read");
            link.gone = true;
            return Ok(());
        }
        let life = self.host.lives[tenant].as_mut().expect("it is awake");
        let id = life.id;
        life.inbox.push_back(Input::Connect {
            connection,
            identity,
        });
        let link = self.links.get_mut(&connection).expect("it is read");
        link.life = Some(id);
        self.host.attach(id, connection, (&link.wire, &link.gauge));
        Ok(())
    }
}
