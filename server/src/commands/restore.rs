//! `homeroom restore`: tenants out of a backup, into a data folder that does not hold them.

use std::path::Path;

use super::{CommandError, absolute, is_there, print, progress::Bar, refusal};
use crate::admin::{Answer, Ask, ask};

pub(crate) async fn run(
    folder: &Path,
    from: &Path,
    name: Option<String>,
    as_name: Option<String>,
) -> Result<(), CommandError> {
    is_there(folder)?;
    let from = absolute(from)?;
    let asked = Ask::Restore {
        from,
        name,
        as_name,
    };
    let mut bar = Bar::new();
    let answer = ask(folder, asked, &mut |said| bar.tell(&said)).await?;
    drop(bar);
    match answer {
        Answer::Restored { tenants } => tenants.iter().try_for_each(|it| {
            print(&format!(
                "{}\trestored up to position {} ({} bytes)",
                it.name, it.position, it.bytes
            ))
        }),
        other => Err(refusal(other)),
    }
}
