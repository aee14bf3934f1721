//! `homeroom tenant`: make, list, suspend, resume and delete tenants, beside a running host or without one.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use super::{CommandError, ask_existing, is_there, print, refusal};
use crate::admin::{Answer, Ask, ask};

pub(crate) async fn create(folder: &Path, name: String) -> Result<(), CommandError> {
    is_there(folder)?;
    match ask(folder, Ask::CreateTenant { name }, &mut |_| ()).await? {
        Answer::Created { name } => print(&format!("made tenant {name}")),
        other => Err(refusal(other)),
    }
}

pub(crate) async fn list(folder: &Path) -> Result<(), CommandError> {
    match ask_existing(folder, Ask::ListTenants).await? {
        Answer::Tenants { tenants } => tenants.iter().try_for_each(|tenant| {
            let state = match (tenant.suspended, tenant.awake) {
                (true, _) => "suspended",
                (false, true) => "awake",
                (false, false) => "asleep",
            };
            print(&format!("{}\t{state}", tenant.name))
        }),
        other => Err(refusal(other)),
    }
}

pub(crate) async fn suspend(folder: &Path, name: String) -> Result<(), CommandError> {
    let asked = Ask::SuspendTenant { name: name.clone() };
    done(folder, asked, &format!("suspended tenant {name}")).await
}

pub(crate) async fn resume(folder: &Path, name: String) -> Result<(), CommandError> {
    let asked = Ask::ResumeTenant { name: name.clone() };
    done(folder, asked, &format!("resumed tenant {name}")).await
}

pub(crate) async fn delete(folder: &Path, name: String, yes: bool) -> Result<(), CommandError> {
    if !yes && !confirmed(&name) {
        return Err(CommandError::NotConfirmed { name });
    }
    let asked = Ask::DeleteTenant { name: name.clone() };
    done(folder, asked, &format!("deleted tenant {name}")).await
}

async fn done(folder: &Path, asked: Ask, said: &str) -> Result<(), CommandError> {
    match ask_existing(folder, asked).await? {
        Answer::Done => print(said),
        other => Err(refusal(other)),
    }
}

/// Whether whoever sits at the terminal types the name.
fn confirmed(name: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    let mut error = io::stderr().lock();
    let asked = write!(error, "type {name} to delete it with all it holds: ");
    let mut typed = String::new();
    asked.and_then(|()| error.flush()).is_ok()
        && io::stdin().read_line(&mut typed).is_ok()
        && typed.trim() == name
}
