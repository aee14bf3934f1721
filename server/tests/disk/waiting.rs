//! Waiting for what must happen, and not longer than anything takes.

use std::{future::Future, time::Duration};

use tokio::time::{sleep, timeout};

use super::crash_support::{
    audit::PATIENCE,
    clients::{Shared, locked},
    ledger::Ledger,
};

/// How often is looked.
const AGAIN: Duration = Duration::from_millis(5);

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_it(what, || std::future::ready(is_so())).await;
}

/// The same of what must be asked for.
pub(crate) async fn until_it<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let looking = async {
        while !is_so().await {
            sleep(AGAIN).await;
        }
    };
    let seen = timeout(PATIENCE, looking).await;
    assert!(seen.is_ok(), "waited in vain: {what}");
}

/// Waits for so many more acknowledgements of a tenant.
pub(crate) async fn until_acked(ledger: &Shared, tenant: &str, more: usize) {
    let goal = acks(&locked(ledger), tenant) + more;
    let what = format!("{more} acknowledgements of {tenant}");
    until(&what, || acks(&locked(ledger), tenant) >= goal).await;
}

/// The acknowledged writes of a tenant.
pub(crate) fn acks(ledger: &Ledger, tenant: &str) -> usize {
    let wishes = ledger.wishes.iter();
    wishes
        .filter(|wish| wish.place.tenant == tenant && wish.acked.is_some())
        .count()
}
