//! Suspending, resuming and deleting a tenant. Each is one durable step while nobody is in: whoever comes
//! at that moment finds the tenant as it was, or as it is then.

use std::sync::Arc;

use homeroom_protocol::{CloseCode, TenantName};

use super::UpkeepError;
use crate::{
    engine::{Engine, TenantError},
    hub::TenantLife,
    runtime::{directory::Hold, folder::DataFolder, rooms::AtWork},
    tenant::Tenant,
};

/// After this long clients may ask again for a suspended tenant, in ms: 5 minutes. They come back by
/// themselves when it is resumed, and cost next to nothing until then.
pub const SUSPENDED_RETRY_MS: u64 = 300_000;
/// The same for a tenant that is being repaired, in ms: half a minute.
pub const WORK_RETRY_MS: u64 = 30_000;

impl Engine {
    /// Closes a tenant to everybody until it is resumed, across restarts. Its connections get a bye;
    /// backup, check and export go on.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn suspend_tenant(&self, name: &TenantName) -> Result<(), UpkeepError> {
        let (engine, name) = (self.clone(), name.clone());
        Self::to_the_end(async move {
            let (at_work, mut hold) = engine.take_in_hand(&name).await?;
            let life = hold.put_to_bed().await;
            let host = Arc::clone(&engine.shared.host);
            let suspended = engine.blocking(move || host.suspend(&name, true)).await;
            drop((hold, at_work));
            let retry_ms = match suspended {
                Ok(()) => SUSPENDED_RETRY_MS,
                Err(_) => 0,
            };
            let code = CloseCode::TenantUnavailable;
            engine.say_bye(life, code, Some(retry_ms)).await;
            Ok(suspended?)
        })
        .await
    }

    /// Lets people into a suspended tenant again; fine if it was not suspended.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn resume_tenant(&self, name: &TenantName) -> Result<(), UpkeepError> {
        let (engine, name) = (self.clone(), name.clone());
        Self::to_the_end(async move {
            let held = engine.take_in_hand(&name).await?;
            let host = Arc::clone(&engine.shared.host);
            let resumed = engine
                .blocking(move || match host.record(&name) {
                    Ok(record) if !record.suspended => Ok(()),
                    Ok(_) => host.suspend(&name, false),
                    Err(error) => Err(error),
                })
                .await;
            drop(held);
            Ok(resumed?)
        })
        .await
    }

    /// Deletes a tenant with all it holds. It is gone at once, and for good; a tenant made under its name
    /// later is another one. Returns when its files are removed; should that be cut short, it is finished
    /// at the next start.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn delete_tenant(&self, name: &TenantName) -> Result<(), UpkeepError> {
        let (engine, name) = (self.clone(), name.clone());
        Self::to_the_end(async move {
            let (at_work, mut hold) = engine.take_in_hand(&name).await?;
            let life = hold.put_to_bed().await;
            let (host, wanted) = (Arc::clone(&engine.shared.host), name.clone());
            let tomb = engine.blocking(move || host.entomb(&wanted)).await;
            engine.shared.tenants.forget(&name, hold);
            drop(at_work);
            let (code, retry_ms) = match tomb {
                Ok(_) => (CloseCode::TenantNotFound, None),
                Err(_) => (CloseCode::TenantRestarted, Some(0)),
            };
            engine.say_bye(life, code, retry_ms).await;
            if let Some(tomb) = tomb? {
                engine.blocking(move || DataFolder::purge(&tomb)).await;
            }
            Ok(())
        })
        .await
    }

    /// Keeps others from working on a tenant, and from waking it.
    pub(super) async fn take_in_hand(
        &self,
        name: &TenantName,
    ) -> Result<(AtWork, Hold<Tenant>), UpkeepError> {
        self.check_open()?;
        let at_work = self.shared.host.work_on(name);
        let at_work = at_work.ok_or_else(|| UpkeepError::Busy(name.clone()))?;
        let hold = self.shared.tenants.hold(name).await;
        Ok((at_work, hold.ok_or(TenantError::ShutDown)?))
    }

    /// Ends the connections of a life that is over.
    pub(super) async fn say_bye(
        &self,
        life: Option<TenantLife>,
        code: CloseCode,
        reconnect_after_ms: Option<u64>,
    ) {
        if let Some(life) = life {
            let shards = &self.shared.shards;
            shards.close_all(life, code, reconnect_after_ms, 0).await;
        }
    }
}
