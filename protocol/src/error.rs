//! Numbers that tell a client what to do next: the range alone is enough to act on.

/// A macro-made table keeps number, name and meaning on one line each.
macro_rules! code_table {
    ($(#[$doc:meta])* $table:ident { $($number:literal $name:ident $meaning:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum $table {
            $(#[doc = $meaning] $name = $number),+
        }

        impl $table {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code with this number; `None` for one of a later version: act on its range.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning),+
                }
            }
        }
    };
}

code_table! {
    /// Why a request was refused. 1000–1999: fix the request, the same one will be refused again.
    /// 2000–2999: retry after the given time. 3000–3999: authenticate again.
    /// 4000–4999: not allowed, stop asking.
    ErrorCode {
        1000 Malformed "The bytes are not a frame of this protocol.",
        1001 UnknownKind "This server knows no frame of this kind.",
        1002 InvalidField "A field is missing, of the wrong type, too long or out of range.",
        1003 UnexpectedFrame "This frame is not allowed at this point of the connection.",
        1004 UnsupportedVersion "No version of the protocol is spoken by both sides.",
        1100 RoomNotFound "There is no such room.",
        1101 RoomExists "A room with this id exists already.",
        1102 KeyConflict "This idempotency key was used for another write.",
        1103 TenantNotFound "There is no such tenant.",
        1104 TooMany "A count of this connection, room or tenant is at its limit.",
        1105 MessageNotFound "There is no such message, or it was deleted.",
        1106 NotHere "This cannot be done in a room like this.",
        1107 RoleNotFound "There is no such role.",
        2000 Overloaded "The server has more work than it takes at once.",
        2001 StorageFull "The disk is full: reading goes on, writing does not.",
        2002 StorageFailed "The storage of this tenant failed and is being recovered.",
        2003 ShuttingDown "The server is going away; come back to its successor.",
        2004 TooFast "This was asked too often; ask again after the given time.",
        3000 Unauthenticated "The hello carried no identity that is accepted here.",
        3001 SessionExpired "The session has expired.",
        4000 Forbidden "This user may not do this.",
        4001 NotMember "Only members of the room may do this.",
        4002 Banned "This user is banned from the room.",
        4003 Muted "This user is muted in the room.",
        4004 Archived "The room is archived: it can only be read.",
        4005 Apart "These two users are kept apart.",
    }
}

/// What a client should do about an error or close code, read off its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Change the request before sending it again.
    Fix,
    /// Send the same again, after the given time.
    Retry,
    /// Authenticate again, then retry.
    Reauthenticate,
    /// Do not try again.
    Stop,
}

impl ErrorCode {
    /// What the range of this number says to do; numbers outside all ranges mean [`Advice::Stop`].
    #[must_use]
    pub const fn advice(number: u16) -> Advice {
        match number {
            1000..=1999 => Advice::Fix,
            2000..=2999 => Advice::Retry,
            3000..=3999 => Advice::Reauthenticate,
            _ => Advice::Stop,
        }
    }
}

code_table! {
    /// Why a connection ends, in its bye and as the WebSocket close code. 4000–4099: reconnect after
    /// the given time, the session resumes. 4100–4199: authenticate again, then reconnect.
    /// 4200–4299: do not reconnect.
    CloseCode {
        4000 ShuttingDown "The server is going away; come back to its successor.",
        4001 TenantRestarted "The tenant's state was rebuilt; reconnect and resume.",
        4002 Idle "Nothing was heard from this client for too long.",
        4003 TooSlow "This client drained no byte for too long.",
        4004 Overloaded "The server takes no more connections at the moment.",
        4006 TenantUnavailable "The tenant cannot be opened at the moment; an operator must look.",
        4100 HelloTimeout "No hello came in time.",
        4101 Unauthenticated "The hello carried no identity that is accepted here.",
        4102 SessionExpired "The session has expired.",
        4200 Protocol "The client broke the protocol.",
        4201 MessageTooBig "A message was larger than the limit.",
        4202 Revoked "The session was revoked.",
        4203 TenantNotFound "There is no such tenant.",
        4204 UnsupportedVersion "No version of the protocol is spoken by both sides.",
        4205 Replaced "Newer connections of this user or device took its place.",
    }
}

impl CloseCode {
    /// What the range of this number says to do; numbers outside all ranges (a lost socket, a proxy's
    /// own code) mean [`Advice::Retry`].
    #[must_use]
    pub const fn advice(number: u16) -> Advice {
        match number {
            4100..=4199 => Advice::Reauthenticate,
            4200..=4299 => Advice::Stop,
            _ => Advice::Retry,
        }
    }
}
