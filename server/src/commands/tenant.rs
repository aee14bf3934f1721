//! `homeroom tenant`: make and list tenants, beside a running host or without one.

use std::path::Path;

use super::{CommandError, ask_existing, print, refusal};
use crate::admin::{Answer, Ask, ask};

pub(crate) async fn create(folder: &Path, name: String) -> Result<(), CommandError> {
    match ask(folder, Ask::CreateTenant { name }).await? {
        Answer::Created { name } => print(&format!("made tenant {name}")),
        other => Err(refusal(other)),
    }
}

pub(crate) async fn list(folder: &Path) -> Result<(), CommandError> {
    match ask_existing(folder, Ask::ListTenants).await? {
        Answer::Tenants { tenants } => tenants.iter().try_for_each(|tenant| {
            let state = if tenant.awake { "awake" } else { "asleep" };
            print(&format!("{}\t{state}", tenant.name))
        }),
        other => Err(refusal(other)),
    }
}
