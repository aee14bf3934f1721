//! `homeroom check`: says of each tenant whether every byte of its log is whole.

use std::path::Path;

use super::{CommandError, ask_existing, print, refusal};
use crate::admin::{Answer, Ask, Checked, Whole};

pub(crate) async fn run(folder: &Path, name: Option<String>) -> Result<(), CommandError> {
    match ask_existing(folder, Ask::Check { name }).await? {
        Answer::Checked { tenants } => {
            for tenant in &tenants {
                print(&verdict(tenant))?;
            }
            match tenants.iter().filter(|it| it.damage.is_some()).count() {
                0 => Ok(()),
                count => Err(CommandError::Damaged { count }),
            }
        }
        other => Err(refusal(other)),
    }
}

/// What was found of a tenant, on one line.
pub(super) fn verdict(tenant: &Checked) -> String {
    let name = &tenant.name;
    match (&tenant.damage, tenant.whole) {
        (Some(damage), _) => format!("{name}\tdamaged: {damage}"),
        (None, Some(Whole { segments: 0, .. }) | None) => format!("{name}\tnothing written yet"),
        (None, Some(whole)) => format!(
            "{name}\twhole up to position {} ({} bytes in {} segments)",
            whole.last, whole.bytes, whole.segments
        ),
    }
}
