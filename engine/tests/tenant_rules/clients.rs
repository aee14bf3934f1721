//! What clients and back ends do in a world, and what they are told.

use std::sync::{Arc, Mutex};

use homeroom_engine::{
    domain::Domain,
    identity::{Actor, Identity, ServiceName},
    tenant::{Answered, Asker, Disconnection, Input, ServiceCall, ServiceRequest, Whom},
};
use homeroom_protocol::{
    ConnectionId, Draft, ErrorCode, Position, Presence, Request, RequestId, RoomNumber, Seq,
    ServerFrame, Timestamp, UserId, UserPresence,
};

use crate::{
    requests::{create, identity, join, key, refusal_of, send, user, watch},
    support::World,
    table::{name, row_of},
};

impl World {
    /// A user's connection on a device; its welcome is taken out of the inbox.
    pub(crate) fn connect(&mut self, user: &str, device: &str) -> ConnectionId {
        let connection = self.connect_as(identity(user, device));
        let inbox = self.inbox(connection);
        assert!(matches!(&inbox[..], [ServerFrame::Welcome(_)]), "{inbox:?}");
        connection
    }

    pub(crate) fn connect_as(&mut self, identity: Identity) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.hub.open(connection);
        self.input(Input::Connect {
            connection,
            identity,
        });
        connection
    }

    /// Ends the sessions of all who have connected so far.
    pub(crate) fn revoke(&mut self, whom: Whom) {
        let before = ConnectionId(self.connections + 1);
        self.input(Input::Revoke { whom, before });
    }

    pub(crate) fn disconnect(&mut self, connection: ConnectionId, how: Disconnection) {
        self.hub.close(connection);
        self.input(Input::Disconnect { connection, how });
    }

    /// Sends a request; its reply is in the inbox once it may be.
    pub(crate) fn post(&mut self, connection: ConnectionId, request: Request) -> RequestId {
        let input = self.input_of(connection, request);
        let Input::Request { id, .. } = input else {
            unreachable!("a request was made");
        };
        self.input(input);
        id
    }

    pub(crate) fn input_of(&mut self, connection: ConnectionId, request: Request) -> Input {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.asked.insert(id, name(&request));
        Input::Request {
            connection,
            id,
            request,
        }
    }

    /// Sends a request and takes its reply; other frames stay in the inbox.
    pub(crate) fn request(&mut self, connection: ConnectionId, request: Request) -> ServerFrame {
        let id = self.post(connection, request);
        self.reply(connection, id).expect("a reply that may leave")
    }

    /// The reply to a request, if it has come.
    pub(crate) fn reply(&mut self, connection: ConnectionId, id: RequestId) -> Option<ServerFrame> {
        let reply = self.hub.take_reply(connection, id)?;
        if let (Some(code), Some(kind)) = (refusal_of(&reply), self.asked.remove(&id)) {
            assert!(
                row_of(kind).tells(code),
                "SPEC.md does not say that {kind} may be refused with {code:?}: {reply:?}"
            );
        }
        Some(reply)
    }

    /// Everything a connection was told since this was last called, besides who is there.
    pub(crate) fn inbox(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        self.hub.inbox(connection)
    }

    pub(crate) fn create(&mut self, connection: ConnectionId, room: &str) -> RoomNumber {
        let key = self.fresh_key();
        match self.request(connection, create(key, room)) {
            ServerFrame::Created { room, .. } => room,
            other => panic!("not created: {other:?}"),
        }
    }

    pub(crate) fn join(&mut self, connection: ConnectionId, id: &str) -> RoomNumber {
        match self.request(connection, join(id, None)) {
            ServerFrame::Joined { room, .. } => room,
            other => panic!("not joined: {other:?}"),
        }
    }

    /// Creates a room and listens to it.
    pub(crate) fn open_room(&mut self, connection: ConnectionId, id: &str) -> RoomNumber {
        self.create(connection, id);
        let room = self.join(connection, id);
        self.inbox(connection);
        room
    }

    pub(crate) fn say(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        text: &str,
    ) -> Position {
        let key = self.fresh_key();
        match self.request(connection, send(key, room, text)) {
            ServerFrame::Sent { position, .. } => position,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// Says something in a thread.
    pub(crate) fn reply_in(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        root: Seq,
        text: &str,
    ) -> Position {
        let draft = Draft {
            thread: Some(root),
            ..Draft::from(text)
        };
        let key = key(self.fresh_key());
        match self.request(connection, Request::Send { key, room, draft }) {
            ServerFrame::Sent { position, .. } => position,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// The code a request is refused with.
    pub(crate) fn refusal(&mut self, connection: ConnectionId, request: Request) -> ErrorCode {
        let reply = self.request(connection, request);
        refusal_of(&reply).unwrap_or_else(|| panic!("not refused: {reply:?}"))
    }

    pub(crate) fn fresh_key(&mut self) -> u64 {
        self.requests += 1;
        u64::MAX - self.requests
    }
}

/// A place for one answer to a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerBox(Arc<Mutex<Option<Answered>>>);

impl AnswerBox {
    /// The answer, if it has come since this was last called.
    pub(crate) fn take(&self) -> Option<Answered> {
        self.0.lock().unwrap().take()
    }
}

impl Asker for AnswerBox {
    fn answer(&self, answer: Answered) {
        let before = self.0.lock().unwrap().replace(answer);
        assert!(before.is_none(), "one answer to each request");
    }
}

/// What a service does.
impl World {
    /// Sends a request; its answer is in the box once it may be.
    pub(crate) fn serve_later(&mut self, actor: Actor, request: ServiceRequest) -> AnswerBox {
        let (input, answer) = service_input(actor, request);
        self.input(input);
        answer
    }

    /// Sends a request and takes its answer.
    pub(crate) fn serve(&mut self, actor: Actor, request: ServiceRequest) -> Answered {
        let answer = self.serve_later(actor, request);
        answer.take().expect("an answer that may leave")
    }
}

pub(crate) fn service_input(actor: Actor, request: ServiceRequest) -> (Input, AnswerBox) {
    let answer = AnswerBox::default();
    let call = ServiceCall {
        actor,
        request,
        asker: Arc::new(answer.clone()),
    };
    (Input::Service(call), answer)
}

/// The service that speaks for itself.
pub(crate) fn itself() -> Actor {
    Actor::Service(ServiceName::new("timetable").unwrap())
}

/// A service that speaks as a user.
pub(crate) fn as_user(name: &str) -> Actor {
    Actor::User(user(name))
}

pub(crate) fn watched_bob() -> (World, ConnectionId) {
    let (mut world, ada, bob, _) = two_in_a_room();
    world.disconnect(bob, Disconnection::Clean);
    world.request(ada, watch(&["bob"]));
    world.inbox(ada);
    (world, ada)
}

pub(crate) fn two_in_a_room() -> (World, ConnectionId, ConnectionId, RoomNumber) {
    two_in(World::new())
}

pub(crate) fn two_in(mut world: World) -> (World, ConnectionId, ConnectionId, RoomNumber) {
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, "math");
    world.join(bob, "math");
    world.inbox(ada);
    world.inbox(bob);
    (world, ada, bob, room)
}

/// Users and their presence alone.
pub(crate) fn shown(users: &[UserPresence]) -> Vec<(UserId, Presence)> {
    let each = |it: &UserPresence| (it.user.clone(), it.presence);
    users.iter().map(each).collect()
}

impl World {
    /// The presence changes of bob a connection was told since last time.
    pub(crate) fn told(&mut self, connection: ConnectionId) -> Vec<Presence> {
        let frames = self.inbox(connection).into_iter();
        let states = frames.filter_map(|frame| match frame {
            ServerFrame::Presence { users } => Some(users),
            _ => None,
        });
        states.flatten().map(|user| user.presence).collect()
    }

    /// The typing lists a connection was told since last time.
    pub(crate) fn typists(&mut self, connection: ConnectionId) -> Vec<(Vec<String>, u32)> {
        let frames = self.inbox(connection).into_iter();
        let lists = frames.filter_map(|frame| match frame {
            ServerFrame::Typing { users, count, .. } => Some((users, count)),
            _ => None,
        });
        let names = |(users, count): (Vec<UserId>, u32)| {
            (users.iter().map(ToString::to_string).collect(), count)
        };
        lists.map(names).collect()
    }

    /// After a crash: the first connection's user is back under the same id.
    pub(crate) fn connections_again(&mut self) {
        self.connect_again(ConnectionId(1), "ada");
    }

    /// After a crash: a user is back under an id that was used before.
    pub(crate) fn connect_again(&mut self, connection: ConnectionId, name: &str) {
        self.hub.open(connection);
        self.input(Input::Connect {
            connection,
            identity: identity(name, "web"),
        });
        self.inbox(connection);
    }

    pub(crate) fn deadlines_after_grace(&mut self) -> Option<Timestamp> {
        self.pass(60_000);
        self.tenant.next_deadline()
    }
}
