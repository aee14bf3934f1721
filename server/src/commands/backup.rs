//! `homeroom backup`: one tenant or all into a folder, beside a running host or without one.

use std::path::Path;

use super::{CommandError, absolute, ask_existing, print, refusal};
use crate::admin::{Answer, Ask};

pub(crate) async fn run(
    folder: &Path,
    to: &Path,
    name: Option<String>,
) -> Result<(), CommandError> {
    let to = absolute(to)?;
    match ask_existing(folder, Ask::Backup { to, name }).await? {
        Answer::BackedUp {
            folder,
            tenants,
            left_out,
        } => {
            for it in &tenants {
                print(&format!(
                    "{}\tbacked up to position {} ({} bytes)",
                    it.name, it.position, it.bytes
                ))?;
            }
            for it in &left_out {
                let why = it.damage.as_deref().unwrap_or_default();
                print(&format!("{}\tleft out: {why}", it.name))?;
            }
            print(&format!("{}", folder.display()))?;
            match left_out.len() {
                0 => Ok(()),
                count => Err(CommandError::Damaged { count }),
            }
        }
        other => Err(refusal(other)),
    }
}
