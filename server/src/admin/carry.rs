//! Doing what a command asks, with the engine at hand.

use std::collections::BTreeSet;

use homeroom_engine::{
    Engine, TenantError, UpkeepError,
    log::{LogPosition, Verified},
    upkeep::{Lost, Progress, Watch, unwatched},
};
use homeroom_protocol::{InvalidId, TenantName};
use tokio::sync::mpsc;

use super::words::{Answer, Ask, Checked, Held, Listed, Whole};

/// Takes what is said before the answer. Progress that finds it full is not told.
pub(super) type Teller = mpsc::Sender<Answer>;

/// Does it.
pub(super) async fn carry_out(engine: &Engine, ask: Ask, teller: Teller) -> Answer {
    let done = match ask {
        Ask::CreateTenant { name } => create(engine, &name).await,
        Ask::ListTenants => list(engine).await,
        Ask::Check { name } => check(engine, name.as_deref(), &teller).await,
        Ask::Backup { to, name } => {
            let name = name.as_deref().map(tenant_name).transpose();
            match name {
                Ok(name) => back_up(engine, &to, name, &teller).await,
                Err(refusal) => Err(refusal),
            }
        }
        Ask::Restore {
            from,
            name,
            as_name,
        } => restore(engine, &from, (name, as_name), &teller).await,
        Ask::Repair { name, drop_after } => repair(engine, &name, drop_after, &teller).await,
        Ask::Export { name } => export(engine, &name, &teller).await,
        Ask::SuspendTenant { name } => match tenant_name(&name) {
            Ok(name) => done(engine.suspend_tenant(&name).await),
            Err(refusal) => Err(refusal),
        },
        Ask::ResumeTenant { name } => match tenant_name(&name) {
            Ok(name) => done(engine.resume_tenant(&name).await),
            Err(refusal) => Err(refusal),
        },
        Ask::DeleteTenant { name } => match tenant_name(&name) {
            Ok(name) => done(engine.delete_tenant(&name).await),
            Err(refusal) => Err(refusal),
        },
    };
    done.unwrap_or_else(refused)
}

fn done(done: Result<(), UpkeepError>) -> Result<Answer, Refusal> {
    Ok(done.map(|()| Answer::Done)?)
}

fn watch(teller: &Teller) -> Watch {
    let teller = teller.clone();
    std::sync::Arc::new(move |progress: Progress| {
        let _ = teller.try_send(Answer::Progress {
            tenant: progress.tenant.to_string(),
            done: progress.done,
            total: progress.total,
        });
    })
}

async fn back_up(
    engine: &Engine,
    to: &std::path::Path,
    name: Option<TenantName>,
    teller: &Teller,
) -> Result<Answer, Refusal> {
    let report = engine.back_up(to, name.as_ref(), watch(teller)).await?;
    let tenants = report.tenants.into_iter().map(|it| Held {
        name: it.name.to_string(),
        position: it.position.0,
        bytes: it.bytes,
    });
    let left_out = report.left_out.into_iter().map(|it| Checked {
        name: it.name.to_string(),
        whole: None,
        damage: Some(it.why),
    });
    Ok(Answer::BackedUp {
        folder: report.folder,
        tenants: tenants.collect(),
        left_out: left_out.collect(),
    })
}

async fn restore(
    engine: &Engine,
    from: &std::path::Path,
    (name, as_name): (Option<String>, Option<String>),
    teller: &Teller,
) -> Result<Answer, Refusal> {
    let name = name.as_deref().map(tenant_name).transpose()?;
    let as_name = as_name.as_deref().map(tenant_name).transpose()?;
    let restored = engine.restore(from, name.as_ref(), as_name.as_ref(), watch(teller));
    let tenants = restored.await?.into_iter().map(|it| Held {
        name: it.name.to_string(),
        position: it.position.0,
        bytes: it.bytes,
    });
    Ok(Answer::Restored {
        tenants: tenants.collect(),
    })
}

async fn repair(
    engine: &Engine,
    name: &str,
    drop_after: Option<u64>,
    teller: &Teller,
) -> Result<Answer, Refusal> {
    let name = tenant_name(name)?;
    let repaired = engine.repair_tenant(&name, drop_after.map(LogPosition), watch(teller));
    let repaired = match repaired.await {
        // That nothing would be lost does not make it whole: a log may end before its mark.
        Err(UpkeepError::DropAfter { lost, .. })
            if drop_after.is_none() && *lost == Lost::default() =>
        {
            return match check_one(engine, &name).await? {
                Ok(whole) => Ok(Answer::Checked {
                    tenants: vec![Checked::new(&name, Ok(whole))],
                }),
                Err(why) => Ok(refused(why)),
            };
        }
        repaired => repaired?,
    };
    Ok(Answer::Repaired {
        kept: repaired.kept.0,
        lost: lines_of(&repaired.lost),
        aside: repaired.aside,
    })
}

/// What is lost, for a person.
fn lines_of(lost: &Lost) -> Vec<String> {
    let mut lines: Vec<_> = (lost.rooms.iter())
        .map(|room| {
            let id =
                (room.id.as_ref()).map_or_else(|| room.number.0.to_string(), |id| id.to_string());
            let (first, last) = (room.first.0, room.last.0);
            format!(
                "room {id}: {} events, from {first} to {last} (ms since 1970)",
                room.events
            )
        })
        .collect();
    if lost.more_events > 0 {
        lines.push(format!("further rooms: {} events", lost.more_events));
    }
    if lost.unknown_records > 0 {
        lines.push(format!("{} records nobody knows", lost.unknown_records));
    }
    let places = lost.unreadable.iter();
    lines.extend(
        places.map(|it| format!("{}: bytes {} to {}, {}", it.place, it.from, it.to, it.why)),
    );
    if lost.more_unreadable > 0 {
        lines.push(format!("{} further places", lost.more_unreadable));
    }
    lines
}

async fn export(engine: &Engine, name: &str, teller: &Teller) -> Result<Answer, Refusal> {
    let name = tenant_name(name)?;
    let (pieces, mut taken) = mpsc::channel::<bytes::Bytes>(1);
    let give = async {
        while let Some(piece) = taken.recv().await {
            // Pieces are whole lines of JSON, and JSON is Unicode.
            let text = String::from_utf8_lossy(&piece).into_owned();
            if teller.send(Answer::Lines { text }).await.is_err() {
                // The export sees it by its next piece.
                taken.close();
            }
        }
    };
    let (exported, ()) = tokio::join!(engine.export_tenant(&name, pieces, watch(teller)), give);
    let exported = exported?;
    Ok(Answer::Exported {
        position: exported.position.0,
        events: exported.events,
    })
}

pub(super) fn refused(error: impl std::fmt::Display) -> Answer {
    Answer::Refused {
        why: error.to_string(),
    }
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{name:?} names no tenant: it {cause}")]
    Name { name: String, cause: InvalidId },
    #[error("there is no tenant {name}")]
    NotFound { name: TenantName },
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
}

async fn create(engine: &Engine, name: &str) -> Result<Answer, Refusal> {
    let made = engine.create_tenant(&tenant_name(name)?).await?;
    Ok(Answer::Created {
        name: made.name().to_string(),
    })
}

async fn list(engine: &Engine) -> Result<Answer, Refusal> {
    let listed = engine.tenants().await?.into_iter().map(|tenant| Listed {
        name: tenant.name.to_string(),
        awake: tenant.awake,
        suspended: tenant.suspended,
    });
    Ok(Answer::Tenants {
        tenants: listed.collect(),
    })
}

async fn check(engine: &Engine, name: Option<&str>, teller: &Teller) -> Result<Answer, Refusal> {
    let backed_up = engine.backed_up().await?;
    let names = match name {
        Some(name) => vec![tenant_name(name)?],
        None => {
            let tenants = engine.tenants().await?.into_iter();
            let there = tenants.map(|tenant| tenant.name);
            let names: BTreeSet<_> = there.chain(backed_up.iter().flatten().cloned()).collect();
            names.into_iter().collect()
        }
    };
    let mut tenants = Vec::with_capacity(names.len());
    for (done, name) in (0..).zip(&names) {
        watch(teller)(Progress {
            tenant: name.clone(),
            done,
            total: names.len() as u64,
        });
        let found = match &backed_up {
            None => check_one(engine, name).await?,
            Some(held) => check_backed_up(engine, name, held).await?,
        };
        tenants.push(Checked::new(name, found));
    }
    Ok(Answer::Checked { tenants })
}

/// What is whole of a tenant, or what is wrong with it, for a person.
type Found = Result<Option<Verified>, String>;

impl Checked {
    fn new(name: &TenantName, found: Found) -> Self {
        let (whole, damage) = match found {
            Ok(verified) => (verified, None),
            Err(why) => (None, Some(why)),
        };
        Self {
            name: name.to_string(),
            whole: whole.map(|it| Whole {
                last: it.last.0,
                segments: it.segments,
                bytes: it.bytes,
            }),
            damage,
        }
    }
}

async fn check_one(engine: &Engine, name: &TenantName) -> Result<Found, Refusal> {
    let found = match engine.find_tenant(name).await {
        Ok(None) => return Err(Refusal::NotFound { name: name.clone() }),
        Ok(Some(_)) => engine.check_tenant(name).await,
        Err(error) => Err(error),
    };
    Ok(match found {
        Ok(verified) => Ok(verified),
        Err(error) => Err(with_way_out(engine, name, &error).await),
    })
}

/// In a backup, what is whole has to be what was backed up, too.
async fn check_backed_up(
    engine: &Engine,
    name: &TenantName,
    held: &[TenantName],
) -> Result<Found, Refusal> {
    let found: Result<_, UpkeepError> = async {
        if engine.find_tenant(name).await?.is_none() {
            return Ok(None);
        }
        let verified = engine.check_tenant(name).await?;
        engine.check_backed_up(name, unwatched()).await?;
        Ok(Some(verified))
    }
    .await;
    Ok(match found {
        Ok(Some(verified)) => Ok(verified),
        Ok(None) if held.contains(name) => Err(format!(
            "the backup should hold {name} and does not; use another backup"
        )),
        Ok(None) => return Err(Refusal::NotFound { name: name.clone() }),
        Err(error) => Err(error.to_string()),
    })
}

fn tenant_name(name: &str) -> Result<TenantName, Refusal> {
    name.parse().map_err(|cause| Refusal::Name {
        name: name.to_owned(),
        cause,
    })
}

/// What is damaged, and what a repair could keep.
async fn with_way_out(engine: &Engine, name: &TenantName, error: &TenantError) -> String {
    match engine.examine_tenant(name, unwatched()).await {
        Ok((good, lost)) => format!(
            "{error}; if there is no backup, `homeroom repair {name} --drop-after {good}` keeps everything up to position {good} and drops {lost}"
        ),
        // What keeps it from being looked at was told already.
        Err(_) => error.to_string(),
    }
}
