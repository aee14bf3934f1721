//! `homeroom repair`: keeps what an operator chose of a damaged tenant, and says what is lost.

use std::path::Path;

use super::{CommandError, ask_existing, check, print, refusal};
use crate::admin::{Answer, Ask};

pub(crate) async fn run(
    folder: &Path,
    name: String,
    drop_after: Option<u64>,
) -> Result<(), CommandError> {
    let asked = Ask::Repair {
        name: name.clone(),
        drop_after,
    };
    match ask_existing(folder, asked).await? {
        Answer::Repaired { kept, lost, aside } => {
            print(&format!("{name}\tkept up to position {kept}"))?;
            for line in &lost {
                print(&format!("lost\t{line}"))?;
            }
            if lost.is_empty() {
                print("lost\tnothing that can be read")?;
            }
            if let Some(aside) = aside {
                print(&format!(
                    "the old files are in {}; remove them when nothing more is to be found there",
                    aside.display()
                ))?;
            }
            Ok(())
        }
        // Without a position it only says what there is to do: nothing.
        Answer::Checked { tenants } => tenants
            .iter()
            .try_for_each(|it| print(&format!("{}; it needs no repair", check::verdict(it)))),
        other => Err(refusal(other)),
    }
}
