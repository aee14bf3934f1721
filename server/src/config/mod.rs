//! Everything an operator can decide, in one struct with one default.
//!
//! A value comes from the last of these that names its key: the default, the file, the environment, the
//! command line. Whatever is wrong with any of them is told at once, with the place it stands in.
//!
//! - **File**: TOML. `--config FILE`, else the variable `HOMEROOM_CONFIG`, else `./homeroom.toml` if there
//!   is one, else none.
//! - **Environment**: `HOMEROOM_` and the key in capitals, its section set off by two underscores:
//!   `HOMEROOM_LISTEN` is `listen`, `HOMEROOM_RULES__ROOMS_MAX` is `rooms_max` in `[rules]`. Text stands
//!   as it is, a list may be written with commas, everything else as in the file.
//! - **Command line**: `--set rules.rooms_max=100`, written as in the environment, and flags of their own for
//!   what is set often.
//!
//! A config holds no secrets: what is secret stands in a file of its own, and the config names that file. So
//! all of it can be printed, and a value that is wrong can be quoted.
//!
//! A new section is a struct in its own module, wrapped in [`described!`](homeroom_engine::described!); a field
//! of [`Config`]; a line in `keys.rs`; and bounds in `check.rs` where those of its unit do not fit.
//!
//! The layers are merged here over the `toml` crate, as figment and config know neither which keys there are
//! nor the line one stands in, so that they could name neither the nearest key nor all that is wrong.

mod check;
mod error;
mod keys;
mod layers;
mod print;
mod text;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use homeroom_engine::{described, tenant};
use serde::{Deserialize, Serialize};

pub use self::{
    error::{ConfigError, Fault, Problem},
    layers::{FILE_BYTES_MAX, Flag, InForce, Origin, Sources},
};
use crate::{
    admission::{AdmissionSettings, MemorySettings},
    host::{DrainSettings, HostConfig, OperationsSettings},
    http::{ApiSettings, OriginSettings},
    identity::Guests,
    service::Terms,
    telemetry::{logs::LogSettings, traces::TraceSettings},
    tls::TlsSettings,
};

described! {
    /// How a host works. Every default has its reason on its field.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct Config {
        /// The address clients connect to; port 0 chooses a free one. Default 127.0.0.1:7400: nobody
        /// else's machine until somebody says so.
        pub listen: SocketAddr,
        /// The data folder. Default ./homeroom-data, in the folder the host was started in: to try it, no
        /// rights and no set-up are needed.
        pub data: PathBuf,
        /// Who comes in with a name and no proof: "on_loopback", "allowed" or "refused". Default
        /// "on_loopback", anyone while only this machine reaches `listen`, otherwise nobody: a guest takes
        /// any name in any tenant.
        pub guests: GuestRule,
        /// The door for operations.
        pub operations: OperationsSettings,
        /// The certificate clients are shown.
        pub tls: TlsSettings,
        /// Back ends.
        pub api: ApiSettings,
        /// Pages from elsewhere.
        pub origins: OriginSettings,
        /// How long clients may take to come and to go.
        pub limits: LimitSettings,
        /// How many come in.
        pub admission: AdmissionSettings,
        /// When memory is short.
        pub memory: MemorySettings,
        /// How a host leaves.
        pub drain: DrainSettings,
        /// How the engine stores.
        pub storage: StorageSettings,
        /// The bounds and times of each tenant.
        pub rules: tenant::Settings,
        /// What the host says on its standard error.
        pub log: LogSettings,
        /// Where traces of requests go.
        pub trace: TraceSettings,
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            data: PathBuf::from("./homeroom-data"),
            guests: GuestRule::OnLoopback,
            operations: OperationsSettings::default(),
            tls: TlsSettings::default(),
            api: ApiSettings::default(),
            origins: OriginSettings::default(),
            limits: LimitSettings::default(),
            admission: AdmissionSettings::default(),
            memory: MemorySettings::default(),
            drain: DrainSettings::default(),
            storage: StorageSettings::default(),
            rules: tenant::Settings::default(),
            log: LogSettings::default(),
            trace: TraceSettings::default(),
        }
    }
}

/// Who comes in with a name and no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestRule {
    /// Anyone, while the host listens on loopback; otherwise nobody.
    OnLoopback,
    /// Anyone who reaches the address.
    Allowed,
    /// Nobody.
    Refused,
}

described! {
    /// How long clients may take to come and to go.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct LimitSettings {
        /// How long the head of an HTTP request may take to come, and its answer to be read; a connection
        /// between two requests is as long kept. In ms. Default 10 s: a slow mobile network needs two, an
        /// attacker who holds sockets open would like for ever.
        pub handshake_within_ms: u64,
        /// From the WebSocket to an acceptable hello, in ms. Default 10 s, as for the exchange before it.
        pub hello_within_ms: u64,
        /// From our close frame until the client hangs up, in ms. Default 2 s: it covers a slow round trip,
        /// and closing earlier could take the close frame back.
        pub hang_up_within_ms: u64,
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            handshake_within_ms: 10_000,
            hello_within_ms: 10_000,
            hang_up_within_ms: 2_000,
        }
    }
}

described! {
    /// How the engine stores, and what it keeps in memory meanwhile.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct StorageSettings {
        /// Length at which a log file is closed and the next one begun, in bytes. Default 64 MiB: a
        /// thousand of them hold 64 GB, and dropping one frees something worth freeing.
        pub segment_bytes: u64,
        /// Log records after which a snapshot of a tenant is due. Default 50,000: replaying that many takes
        /// about a tenth of a second; fewer wake faster and write more.
        pub snapshot_every_records: u64,
        /// How long nobody is connected before a tenant sleeps, in ms. Default 60 s: a page reload or a bus
        /// tunnel should not cost a wake.
        pub sleep_after_ms: u64,
        /// Blocking storage calls under way at once: so many commits, and so many others. Default 8: enough
        /// to keep a disk's queue busy while many tenants sync, few enough that a slow disk does not pile
        /// up threads.
        pub storage_calls_max: usize,
        /// Index databases open at once. Default 64: each costs a few MB of cache.
        pub open_indexes_max: usize,
        /// How long a host that starts waits for the data folder while another process has it, in ms.
        /// Default 10 s: the other's drain takes a second less unless it was set otherwise, so that two
        /// take turns on one folder without a gap.
        pub lock_wait_ms: u64,
        /// Tasks that deliver to clients. Default: one per core, as each can fill one.
        pub shards: Option<usize>,
        /// Bytes queued for one client before its durable events are left to the log. Default 256 KiB: a
        /// few seconds of a busy room, and 10,000 stalled readers stay under 3 GB.
        pub outbox_bytes_max: usize,
    }
}

impl Default for StorageSettings {
    fn default() -> Self {
        let engine = homeroom_engine::Config::default();
        Self {
            segment_bytes: engine.segment_bytes,
            snapshot_every_records: engine.snapshot_every_records,
            sleep_after_ms: engine.sleep_after_ms,
            storage_calls_max: engine.storage_calls_max,
            open_indexes_max: engine.open_indexes_max,
            lock_wait_ms: 10_000,
            shards: None,
            outbox_bytes_max: engine.outbox_bytes_max,
        }
    }
}

impl Config {
    /// Who comes in as a guest, given where it listens.
    #[must_use]
    pub fn guests(&self) -> Guests {
        match self.guests {
            GuestRule::OnLoopback if self.listen.ip().is_loopback() => Guests::Allowed,
            GuestRule::Allowed => Guests::Allowed,
            GuestRule::OnLoopback | GuestRule::Refused => Guests::Refused,
        }
    }

    /// For [`homeroom_engine::Engine::open`].
    #[must_use]
    pub fn engine(&self) -> homeroom_engine::Config {
        let engine = homeroom_engine::Config::in_folder(&self.data);
        let storage = self.storage.clone();
        homeroom_engine::Config {
            settings: self.rules.clone(),
            shards: storage.shards.unwrap_or(engine.shards),
            storage_calls_max: storage.storage_calls_max,
            sleep_after_ms: storage.sleep_after_ms,
            snapshot_every_records: storage.snapshot_every_records,
            open_indexes_max: storage.open_indexes_max,
            segment_bytes: storage.segment_bytes,
            outbox_bytes_max: storage.outbox_bytes_max,
            ..engine
        }
    }

    /// For [`crate::Host::start`]. Without [`tls`](Self::tls), whose files are the caller's to load.
    #[must_use]
    pub fn host(&self) -> HostConfig {
        let limits = &self.limits;
        HostConfig {
            listen: self.listen,
            admission: self.admission.clone(),
            memory: self.memory.clone(),
            operations: self.operations.clone(),
            terms: Terms {
                guests: self.guests(),
                api: self.api.clone(),
                tls: None,
                origins: self.origins.clone(),
                handshake_within: Duration::from_millis(limits.handshake_within_ms),
                hello_within: Duration::from_millis(limits.hello_within_ms),
                hang_up_within: Duration::from_millis(limits.hang_up_within_ms),
            },
            drain: self.drain.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod threats;
