//! An engine to play scenes on, and short ways to read what it said.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses its part of it"
)]

pub(crate) mod failing_disk;
pub(crate) mod gated_disk;

use std::path::Path;

use homeroom_engine::{
    Config, Engine, Event, Events, Identity, Session, Tenant, session::RequestError,
};
use homeroom_protocol::{CloseCode, ErrorCode, EventBody, Seq, TenantName, TimelineEvent};
use tempfile::TempDir;

/// One engine with one tenant, `school`.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    folder: Option<TempDir>,
}

impl Scene {
    pub(crate) async fn in_memory() -> Self {
        Self::with(Config::default(), None).await
    }

    pub(crate) async fn on_disk() -> Self {
        Self::on_disk_with(|_| {}).await
    }

    pub(crate) async fn on_disk_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_folder(folder.path());
        change(&mut config);
        Self::with(config, Some(folder)).await
    }

    async fn with(config: Config, folder: Option<TempDir>) -> Self {
        let engine = Engine::open(config.clone()).await.unwrap();
        Self {
            engine,
            config,
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("this scene is on disk").path()
    }

    pub(crate) async fn tenant(&self) -> Tenant {
        self.engine.tenant(&name("school")).await.unwrap()
    }

    pub(crate) async fn connect(&self, user: &str) -> (Session, Events) {
        self.tenant()
            .await
            .connect(Identity::user(user).unwrap())
            .await
            .unwrap()
    }

    pub(crate) async fn stop(&self) {
        self.engine
            .shut_down(CloseCode::ShuttingDown, Some(0))
            .await;
    }

    pub(crate) async fn start(&mut self) {
        self.engine = Engine::open(self.config.clone()).await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Waits, looking again whenever anything else had its turn, until the tenant sleeps.
    pub(crate) async fn until_asleep(&self) {
        while self
            .engine
            .tenants()
            .await
            .unwrap()
            .iter()
            .any(|tenant| tenant.awake)
        {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

pub(crate) fn text(event: &TimelineEvent) -> Option<String> {
    match &event.body {
        EventBody::Message(message) => Some(message.text.clone()),
        _ => None,
    }
}

pub(crate) const fn event_seq(event: &Event) -> Option<Seq> {
    match event {
        Event::Timeline { event, .. } => Some(event.seq),
        _ => None,
    }
}

/// The messages heard, up to and with `last`.
pub(crate) async fn texts_until(events: &mut Events, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|heard| heard != last) {
        let event = events.next().await.expect("the session lives");
        if let Event::Timeline { event, .. } = event {
            heard.extend(text(&event));
        }
    }
    heard
}

/// Why a request was refused.
pub(crate) fn code(error: &RequestError) -> ErrorCode {
    match error {
        RequestError::Refused { code, .. } => *code,
        RequestError::Ended => panic!("the session ended"),
    }
}
