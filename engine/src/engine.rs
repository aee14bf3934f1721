//! The engine: a data folder (or memory), its tenants, and the hub they share.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use homeroom_protocol::{CloseCode, ConnectionId, TenantName, Timestamp};

use tokio::sync::{OnceCell, mpsc::error::TrySendError};

use crate::{
    connection::Connection,
    hub::{Gauge, Sink, SocketSink},
    identity::Identity,
    log::{
        Verified,
        disk::{Disk, RealDisk},
    },
    metrics::{Figures, Health, MeasuredDisk, Metrics},
    runtime::{
        clock,
        directory::{Directory, VisitError},
        folder::{DataFolder, FolderError},
        pool::Pool,
        rooms::RoomHost,
        shards::{Attach, ShardInput, Shards},
        wake::WakeError,
        writer::{Command, Habits},
    },
    session::{self, Events, Session},
    tenant::{Disconnection, Input, ServiceCall, ServiceRequest, Settings, Whom},
};

/// How an engine works. Every default has its reason on its field.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept; `None`: in memory, gone with the engine.
    pub folder: Option<PathBuf>,
    /// The rules' bounds and times.
    pub settings: Settings,
    /// Hub shards, each a task. Default: one per core, as each can fill one.
    pub shards: usize,
    /// Blocking storage calls under way at once: so many commits, and so many others. Default 8: enough to keep a disk's queue busy while
    /// many tenants sync, few enough that a slow disk does not pile up threads.
    pub storage_calls_max: usize,
    /// How long nobody is connected before a tenant sleeps, in ms. Default 60,000: a page reload or a
    /// bus tunnel should not cost a wake.
    pub sleep_after_ms: u64,
    /// Log records after which a snapshot is due. Default 50,000: replaying that many takes about a
    /// tenth of a second.
    pub snapshot_every_records: u64,
    /// Index databases open at once. Default 64: each costs a few MB of cache.
    pub open_indexes_max: usize,
    /// Size at which a log segment is closed and the next begun, in bytes. Default 64 MiB: a thousand
    /// of them hold 64 GB, and dropping one frees something worth freeing.
    pub segment_bytes: u64,
    /// How files are reached. Default: the system's; tests put one that fails in its place.
    pub disk: Arc<dyn Disk>,
    /// Bytes queued for one connection before its durable events are left to the log, default 256 KiB:
    /// a few seconds of a busy room, and 10,000 stalled readers stay under 3 GB.
    pub outbox_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: None,
            settings: Settings::default(),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
            storage_calls_max: 8,
            sleep_after_ms: 60_000,
            snapshot_every_records: 50_000,
            open_indexes_max: 64,
            segment_bytes: 64 * 1024 * 1024,
            disk: Arc::new(RealDisk),
            outbox_bytes_max: 256 * 1024,
        }
    }
}

impl Config {
    /// Keeps everything in `folder`.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            ..Self::default()
        }
    }
}

/// A running engine; clones share it.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) host: Arc<RoomHost>,
    pub(crate) tenants: Directory<crate::tenant::Tenant, RoomHost>,
    pub(crate) shards: Shards,
    pub(crate) pool: Pool,
    metrics: Arc<Metrics>,
    connections: AtomicU64,
    shut_down: OnceCell<()>,
    closed: AtomicBool,
}

/// Why a tenant cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Its files are damaged or the storage failed; other tenants go on.
    #[error(transparent)]
    Wake(#[from] WakeError),
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The engine was shut down.
    #[error("the engine is shut down")]
    ShutDown,
}

/// One tenant in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSummary {
    /// Its name.
    pub name: TenantName,
    /// Whether it is awake.
    pub awake: bool,
    /// Whether an operator suspended it. One whose record cannot be read counts as not suspended.
    pub suspended: bool,
}

impl From<VisitError<WakeError>> for TenantError {
    fn from(error: VisitError<WakeError>) -> Self {
        match error {
            VisitError::Closed => Self::ShutDown,
            VisitError::Asleep(error) => Self::Wake(error),
        }
    }
}

impl Engine {
    /// Opens an engine. Must be called in a tokio runtime, which then runs the engine's tasks.
    ///
    /// # Errors
    /// [`FolderError`] when the folder cannot be used, [`FolderError::Locked`] when another process has
    /// it.
    pub async fn open(mut config: Config) -> Result<Self, FolderError> {
        let metrics = Metrics::new(clock::now);
        config.disk = Arc::new(MeasuredDisk::new(config.disk, Arc::clone(&metrics)));
        let pool = Pool::new(config.storage_calls_max);
        let habits = Habits {
            sleep_after: Duration::from_millis(config.sleep_after_ms),
            snapshot_every: config.snapshot_every_records.max(1),
        };
        let shards = Shards::start(config.shards, config.outbox_bytes_max, Arc::clone(&metrics));
        let host_shards = shards.clone();
        let host = pool.run(move || RoomHost::open(&config, host_shards));
        let (host, tombs) = host.await.expect("opening a folder does not panic")?;
        let host = Arc::new(host);
        if !tombs.is_empty() {
            drop(pool.run(move || tombs.iter().for_each(|tomb| DataFolder::purge(tomb))));
        }
        let tenants = Directory::new(
            Arc::clone(&host),
            pool.clone(),
            habits,
            Arc::clone(&metrics),
        );
        let shared = Shared {
            host,
            tenants,
            shards,
            pool,
            metrics,
            connections: AtomicU64::new(1),
            shut_down: OnceCell::new(),
            closed: AtomicBool::new(false),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// An engine that keeps everything in memory: for tests and for what need not be kept.
    ///
    /// # Errors
    /// None that is known.
    pub async fn in_memory() -> Result<Self, FolderError> {
        Self::open(Config::default()).await
    }

    /// The tenant of this name, made if there is none.
    ///
    /// # Errors
    /// [`TenantError`].
    pub async fn tenant(&self, name: &TenantName) -> Result<Tenant, TenantError> {
        if let Some(folder) = self.shared.host.folder() {
            folder.refuse_backup()?;
        }
        match self.find_tenant(name).await? {
            Some(tenant) => Ok(tenant),
            None => match self.create_tenant(name).await {
                // Somebody else was quicker.
                Err(TenantError::Folder(FolderError::Exists { .. })) => Ok(self.handle(name)),
                other => other,
            },
        }
    }

    /// The tenant of this name, if there is one. One that was found before is found again without a
    /// look at its files: whether they can be used shows when it is entered.
    ///
    /// # Errors
    /// [`TenantError`].
    pub async fn find_tenant(&self, name: &TenantName) -> Result<Option<Tenant>, TenantError> {
        self.check_open()?;
        if self.shared.host.knows(name) {
            return Ok(Some(self.handle(name)));
        }
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let exists = self.shared.pool.run(move || host.exists(&wanted)).await;
        let exists = exists.expect("looking for a folder does not panic")?;
        Ok(exists.then(|| self.handle(name)))
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`TenantError`]; [`FolderError::Exists`] when there is one.
    pub async fn create_tenant(&self, name: &TenantName) -> Result<Tenant, TenantError> {
        self.check_open()?;
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let made = self.shared.pool.run(move || host.create(&wanted));
        made.await.expect("making a folder does not panic")?;
        Ok(self.handle(name))
    }

    /// All tenants, by name. Reads a small file for each that sleeps.
    ///
    /// # Errors
    /// [`TenantError`].
    pub async fn tenants(&self) -> Result<Vec<TenantSummary>, TenantError> {
        self.check_open()?;
        let host = Arc::clone(&self.shared.host);
        let list = move || -> Result<Vec<_>, FolderError> {
            let suspended = |name: &TenantName| host.record(name).is_ok_and(|it| it.suspended);
            let names = host.names()?.into_iter();
            Ok(names.map(|name| (suspended(&name), name)).collect())
        };
        let listed = self.shared.pool.run(list).await;
        let listed = listed
            .expect("listing a folder does not panic")?
            .into_iter();
        let summary = |(suspended, name)| TenantSummary {
            awake: self.shared.tenants.is_awake(&name),
            name,
            suspended,
        };
        Ok(listed.map(summary).collect())
    }

    /// Reads every byte of a tenant's log, beside whatever it is doing; `None` when nothing was
    /// written yet, and in memory.
    ///
    /// # Errors
    /// [`TenantError::Wake`] names the folder, the position and the way out.
    pub async fn check_tenant(&self, name: &TenantName) -> Result<Option<Verified>, TenantError> {
        self.check_open()?;
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let check = move || {
            // A log that is being written may roll over between two looks: what is damaged stays so.
            let mut result = host.check(&wanted);
            for _ in 0..2 {
                if result.is_ok() {
                    break;
                }
                result = host.check(&wanted);
            }
            result
        };
        let checked = tokio::task::spawn_blocking(check).await;
        Ok(checked.expect("checking files does not panic")?)
    }

    /// What it has done and is doing, in numbers. Cheap: it reads some hundred counters.
    #[must_use]
    pub fn metrics(&self) -> Figures {
        self.shared.metrics.read()
    }

    /// What does not work just now, tenant by tenant. Reads no file: what nobody has touched since the
    /// start is not known to be broken.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.metrics.health.health()
    }

    /// The bounds and times its tenants keep to.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.shared.host.settings()
    }

    /// Ends everything in order: what was taken is brought to disk and answered, the logs are sealed,
    /// every connection gets a bye. Afterwards everything refuses.
    ///
    /// `reconnect_after_ms` is for the first to come back: of many, each is given a time of its own behind
    /// it, so that they do not come back at once.
    pub async fn shut_down(&self, code: CloseCode, reconnect_after_ms: Option<u64>) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let shared = &self.shared;
        let end = async {
            let open = shared.metrics.read().connections;
            let among = open.sockets_open + open.sessions_open;
            for life in shared.tenants.close().await {
                shared
                    .shards
                    .close_all(life, code, reconnect_after_ms, among)
                    .await;
            }
            shared.shards.flush().await;
            shared.host.close();
        };
        // Whoever comes second waits for the first; should that one give up, it goes on from there.
        shared.shut_down.get_or_init(|| end).await;
    }

    fn handle(&self, name: &TenantName) -> Tenant {
        Tenant {
            engine: self.clone(),
            name: name.clone(),
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), TenantError> {
        if self.shared.closed.load(Ordering::SeqCst) {
            return Err(TenantError::ShutDown);
        }
        Ok(())
    }
}

/// One tenant. Code that holds one cannot name another.
#[derive(Debug, Clone)]
pub struct Tenant {
    engine: Engine,
    name: TenantName,
}

impl Tenant {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &TenantName {
        &self.name
    }

    /// Connects someone in this process: what they ask goes through the [`Session`], what happens
    /// comes out of the [`Events`].
    ///
    /// # Errors
    /// [`session::ConnectError`].
    pub async fn connect(
        &self,
        identity: Identity,
    ) -> Result<(Session, Events), session::ConnectError> {
        session::connect(self, identity).await
    }

    /// Attaches someone behind a socket. The first frame through the sink is the welcome.
    ///
    /// # Errors
    /// [`TenantError`].
    pub async fn attach(
        &self,
        identity: Identity,
        sink: Arc<dyn SocketSink>,
    ) -> Result<Connection, TenantError> {
        self.attach_sink(identity, Sink::Socket(sink), Arc::default())
            .await
    }

    /// Ends sessions by revocation: their sockets hear nothing more of any room, get a bye that says
    /// not to come back, and are closed. Every connection meets it that was attached before it was called.
    /// That acts at once; the return waits for a place in the tenant's queue.
    ///
    /// # Errors
    /// [`TenantError`].
    pub async fn revoke(&self, whom: Whom) -> Result<(), TenantError> {
        self.engine.check_open()?;
        let shared = &self.engine.shared;
        let before = ConnectionId(shared.connections.load(Ordering::Relaxed));
        // Who sleeps has no sessions. A tenant that ends this instant closes all its connections.
        if let Some(tenant) = shared.tenants.awake(&self.name).await {
            let whom_too = whom.clone();
            let revoke = |whom| Command::Input(Input::Revoke { whom, before });
            let _ = tenant.urgent.send(revoke(whom)).await;
            // That overtakes whoever was attached and still waits to be let in: they meet this one.
            let _ = tenant.inbox.send(revoke(whom_too)).await;
        }
        Ok(())
    }

    /// Takes a service's request to the tenant, waking it if it sleeps. When the tenant ends before it
    /// has decided, whoever asked is dropped.
    pub(crate) async fn serve(&self, call: ServiceCall) -> Result<(), TenantError> {
        self.engine.check_open()?;
        let visit = self.engine.shared.tenants.visit(&self.name).await?;
        let queue = match call.request {
            // A removal waits behind no slow disk and no flood of other requests.
            ServiceRequest::RemoveMember { .. } => &visit.address().urgent,
            ServiceRequest::Roles(ref request) if request.may_revoke() => &visit.address().urgent,
            ServiceRequest::Moderate { ref moderation, .. } if moderation.may_revoke() => {
                &visit.address().urgent
            }
            ServiceRequest::CreateRoom { .. }
            | ServiceRequest::ChangeRoom { .. }
            | ServiceRequest::Moderate { .. }
            | ServiceRequest::Edit { .. }
            | ServiceRequest::Delete { .. }
            | ServiceRequest::AddMember { .. }
            | ServiceRequest::Publish { .. }
            | ServiceRequest::History { .. }
            | ServiceRequest::Members { .. }
            | ServiceRequest::Presence { .. }
            | ServiceRequest::Room { .. }
            | ServiceRequest::Roles(_) => &visit.address().inbox,
        };
        self.engine.shared.metrics.requested_by_backend();
        let command = Command::Input(Input::Service(call));
        if let Err(TrySendError::Full(command)) = queue.try_send(command) {
            // Others must not wait for this tenant's address meanwhile.
            let queue = queue.clone();
            drop(visit);
            let _ = queue.send(command).await;
        }
        Ok(())
    }

    pub(crate) async fn attach_sink(
        &self,
        identity: Identity,
        sink: Sink,
        gauge: Arc<Gauge>,
    ) -> Result<Connection, TenantError> {
        self.engine.check_open()?;
        let when_dropped = match &sink {
            Sink::Socket(_) => Disconnection::Vanished,
            Sink::Session(_) => Disconnection::Clean,
        };
        let shared = &self.engine.shared;
        let visit = shared.tenants.visit(&self.name).await?;
        let address = visit.address().clone();
        let id = ConnectionId(shared.connections.fetch_add(1, Ordering::Relaxed));
        let attach = Attach {
            life: address.life,
            tenant: address.inbox.clone(),
            connection: id,
            sink,
            gauge: Arc::clone(&gauge),
        };
        // Before anybody is told: cut off from here on, its drop takes everything back.
        let connection = Connection::new(
            id,
            address.life,
            address.inbox.clone(),
            shared.shards.clone(),
            gauge,
            when_dropped,
        );
        shared
            .shards
            .tell(id, ShardInput::Attach(Box::new(attach)))
            .await;
        let connect = Input::Connect {
            connection: id,
            identity,
        };
        if address.inbox.send(Command::Input(connect)).await.is_err() {
            connection.disconnected(when_dropped).await;
            return Err(TenantError::ShutDown);
        }
        Ok(connection)
    }
}

/// A session that expires `after_ms` from now.
#[must_use]
pub fn expiry_in_ms(after_ms: u64) -> Timestamp {
    clock::now().plus_ms(after_ms)
}
