//! Which reply answers which request, and what the app gets of it.

use homeroom_protocol::{Request, ServerFrame};

use crate::command::{Answer, Explanation, MembersPage, Page, ReadersPage, RoomsPage, Sent};

/// `None` when this is no answer to that.
pub(super) fn answer(request: &Request, reply: ServerFrame) -> Option<Answer> {
    let answer = match reply {
        ServerFrame::Done { .. } => Answer::Done,
        ServerFrame::Created { position, time, .. } => Answer::Created(Sent { position, time }),
        ServerFrame::Sent { position, time, .. } => Answer::Sent(Sent { position, time }),
        ServerFrame::Page {
            epoch,
            events,
            more,
            more_above,
            ..
        } => Answer::Page(Page {
            epoch,
            events,
            more,
            more_above,
        }),
        ServerFrame::Watching { users, .. } => Answer::Watching(users),
        ServerFrame::Members { users, more, .. } => Answer::Members(MembersPage { users, more }),
        ServerFrame::Marked { mark, .. } => Answer::Marked(mark),
        ServerFrame::Readers {
            users, more, after, ..
        } => {
            let next = after.or_else(|| users.last().cloned());
            Answer::Readers(ReadersPage {
                users,
                next: next.filter(|_| more),
            })
        }
        ServerFrame::Rooms { rooms, more, .. } => Answer::Rooms(RoomsPage { rooms, more }),
        ServerFrame::Overwrites { overwrites, .. } => Answer::Overwrites(overwrites),
        ServerFrame::Me { me, .. } => Answer::Me(me),
        ServerFrame::Roles { roles, .. } => Answer::Roles(roles),
        ServerFrame::Explained {
            allowed, reasons, ..
        } => Answer::Explained(Explanation { allowed, reasons }),
        _ => return None,
    };
    is_answer(request, &answer).then_some(answer)
}

const fn is_answer(request: &Request, answer: &Answer) -> bool {
    match request {
        Request::Create { .. } => matches!(answer, Answer::Created(_)),
        Request::Join { .. } | Request::Stream { .. } => matches!(answer, Answer::Joined(_)),
        Request::Send { .. }
        | Request::Edit { .. }
        | Request::Delete { .. }
        | Request::React { .. }
        | Request::Pin { .. }
        | Request::ChangeRoom { .. }
        | Request::Moderate { .. }
        | Request::Overwrite { .. }
        | Request::Report { .. } => matches!(answer, Answer::Sent(_)),
        Request::History { .. } | Request::Versions { .. } => matches!(answer, Answer::Page(_)),
        Request::Watch { .. } => matches!(answer, Answer::Watching(_)),
        Request::Members { .. } => matches!(answer, Answer::Members(_)),
        Request::Mark(_) => matches!(answer, Answer::Marked(_)),
        Request::Readers { .. } => matches!(answer, Answer::Readers(_)),
        Request::Rooms { .. } => matches!(answer, Answer::Rooms(_)),
        Request::Overwrites { .. } => matches!(answer, Answer::Overwrites(_)),
        Request::Me => matches!(answer, Answer::Me(_)),
        Request::Roles => matches!(answer, Answer::Roles(_)),
        Request::Explain { .. } => matches!(answer, Answer::Explained(_)),
        Request::Leave { .. }
        | Request::Typing { .. }
        | Request::Presence { .. }
        | Request::MarkAll { .. }
        | Request::Follow { .. }
        | Request::Level { .. }
        | Request::Status(_)
        | Request::Block { .. }
        | Request::SetRole(_)
        | Request::RemoveRole { .. }
        | Request::GiveRoles { .. }
        | Request::Policy { .. }
        | Request::View { .. } => matches!(answer, Answer::Done),
    }
}
