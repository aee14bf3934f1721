//! Values of the types that fields have.

use homeroom_protocol::{
    DeviceId, Emoji, Epoch, IdempotencyKey, Permissions, Position, RequestId, RoleId, RoomId,
    RoomNumber, Seq, SignalName, TenantName, Timestamp, UserId, limit,
};
use proptest::{collection::vec, prelude::*};

pub(crate) fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, 0..=limit::INTEGER_MAX, Just(limit::INTEGER_MAX)]
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..60).prop_map(String::from_iter)
}

pub(crate) fn user() -> impl Strategy<Value = UserId> {
    vec(
        any::<char>().prop_filter("no control", |c| !c.is_control()),
        1..16,
    )
    .prop_map(|name| UserId::new(String::from_iter(name)).unwrap())
}

pub(crate) fn room_id() -> impl Strategy<Value = RoomId> {
    user().prop_map(|id| RoomId::new(id.as_str()).unwrap())
}

pub(crate) fn device() -> impl Strategy<Value = DeviceId> {
    user().prop_map(|id| DeviceId::new(id.as_str()).unwrap())
}

pub(crate) fn tenant() -> impl Strategy<Value = TenantName> {
    vec(prop::sample::select(b"abz019".to_vec()), 1..63)
        .prop_map(|name| TenantName::new(String::from_utf8(name).unwrap()).unwrap())
}

pub(crate) fn id() -> impl Strategy<Value = RequestId> {
    integer().prop_map(RequestId)
}

pub(crate) fn room() -> impl Strategy<Value = RoomNumber> {
    any::<u32>().prop_map(RoomNumber)
}

pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    integer().prop_map(Timestamp)
}

pub(crate) fn epoch() -> impl Strategy<Value = Epoch> {
    integer().prop_map(|number| Epoch::new(number.max(1)).unwrap())
}

pub(crate) fn position() -> impl Strategy<Value = Position> {
    (epoch(), integer()).prop_map(|(epoch, seq)| Position {
        epoch,
        seq: Seq(seq),
    })
}

pub(crate) fn key() -> impl Strategy<Value = IdempotencyKey> {
    any::<[u8; 16]>().prop_map(IdempotencyKey)
}

pub(crate) fn capabilities() -> impl Strategy<Value = Vec<String>> {
    vec("[a-z]{0,32}", 0..=limit::CAPABILITIES_MAX)
}

pub(crate) fn seq() -> impl Strategy<Value = Seq> {
    integer().prop_map(Seq)
}

pub(crate) fn roles() -> impl Strategy<Value = Vec<RoleId>> {
    vec(role_id(), 0..4)
}

pub(crate) fn role_id() -> impl Strategy<Value = RoleId> {
    any::<u32>().prop_map(RoleId)
}

pub(crate) fn users() -> impl Strategy<Value = Vec<UserId>> {
    vec(user(), 0..4)
}

pub(crate) fn emoji() -> impl Strategy<Value = Emoji> {
    prop::sample::select(vec!["👍", "👩‍🏫", ":party:"]).prop_map(|emoji| Emoji::new(emoji).unwrap())
}

pub(crate) fn signal_name() -> impl Strategy<Value = SignalName> {
    "[a-z]{1,32}".prop_map(|name| SignalName::new(name).unwrap())
}

pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

pub(crate) fn permissions() -> impl Strategy<Value = Permissions> {
    (0..=Permissions::ALL.0).prop_map(Permissions)
}
