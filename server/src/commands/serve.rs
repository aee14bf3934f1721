//! `homeroom serve`: from the lock on the data folder to the last bye.

use std::{net::SocketAddr, path::Path, str::FromStr, time::Duration};

use homeroom_engine::{Config, Engine, FolderError};
use homeroom_protocol::{CloseCode, TenantName};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep, timeout},
};

use super::{CommandError, print};
use crate::{
    admin::AdminSocket,
    cli::{LISTEN, Serve, Sizes},
    host::{DrainSettings, Host, HostConfig, OperationsSettings},
    http::PATH,
    identity::Guests,
    service::Terms,
};

/// The tenant that is there from the start, so that two people can talk without an operator.
const DEFAULT_TENANT: &str = "default";
/// How long the data folder of another process is waited for: its drain takes a second less unless it
/// was set otherwise. Two processes so take turns on one folder, which a restart without a gap in
/// supervision needs.
const LOCK_WAIT_MS: u64 = 10_000;
/// How often it is tried.
const LOCK_AGAIN: Duration = Duration::from_millis(20);
/// For clients whose bye the host could not give.
const RECONNECT_AFTER_MS: u64 = 1_000;

pub(crate) async fn run(options: Serve, folder: &Path) -> Result<(), CommandError> {
    let mut signals = Signals::listen()?;
    let knobs = Knobs::from_env()?;
    let listen = options.listen.unwrap_or(LISTEN);
    let guests = guests(listen, options.allow_guests);
    let opened = open(config(options.sizes, folder), knobs.lock_wait);
    let engine = tokio::select! {
        opened = opened => opened?,
        // Nobody was served yet.
        () = signals.next() => return Ok(()),
    };
    let default_tenant = TenantName::new(DEFAULT_TENANT).expect("a valid name");
    engine.tenant(&default_tenant).await?;
    let admin = AdminSocket::open(folder, engine.clone()).map_err(|cause| CommandError::Io {
        action: "open the admin socket in the data folder",
        cause,
    })?;
    let host_config = HostConfig {
        listen,
        terms: Terms {
            guests,
            ..Terms::default()
        },
        operations: knobs.operations,
        drain: knobs.drain.clone(),
        ..HostConfig::default()
    };
    let host = Host::start(engine.clone(), host_config).await?;
    if let Some(address) = host.operations_addr() {
        tracing::info!("health and metrics on http://{address}");
    }
    print(&addresses(host.local_addr(), guests))?;

    signals.next().await;
    let signalled = Instant::now();
    tracing::info!("leaving; a second signal exits at once");
    tokio::spawn(async move {
        signals.next().await;
        exit_at_once();
    });
    let operations = host.shut_down().await;
    // While the folder is still this process's: a successor makes a socket of the same name.
    drop(admin);
    let sealed = engine.shut_down(CloseCode::ShuttingDown, Some(RECONNECT_AFTER_MS));
    let seal_within = knobs.drain.seal_within(signalled.elapsed());
    let in_time = timeout(seal_within, sealed).await;
    drop(operations);
    in_time.map_err(|_| CommandError::Overtime)
}

/// Where clients connect and, where anyone may come in, where a browser does. One text, written at once:
/// whoever reads the first line only may hang up behind it.
fn addresses(local: SocketAddr, guests: Guests) -> String {
    match guests {
        Guests::Allowed => format!("ws://{local}{PATH}\nhttp://{local}/"),
        Guests::Refused => format!("ws://{local}{PATH}"),
    }
}

/// What is only said by the environment so far.
struct Knobs {
    lock_wait: Duration,
    operations: OperationsSettings,
    drain: DrainSettings,
}

impl Knobs {
    fn from_env() -> Result<Self, CommandError> {
        let default = DrainSettings::default();
        Ok(Self {
            lock_wait: Duration::from_millis(
                from_env("HOMEROOM_STORAGE__LOCK_WAIT_MS")?.unwrap_or(LOCK_WAIT_MS),
            ),
            operations: OperationsSettings {
                listen: from_env("HOMEROOM_OPERATIONS__LISTEN")?,
            },
            drain: DrainSettings {
                notice_ms: from_env("HOMEROOM_DRAIN__NOTICE_MS")?.unwrap_or(default.notice_ms),
                within_ms: from_env("HOMEROOM_DRAIN__WITHIN_MS")?.unwrap_or(default.within_ms),
            },
        })
    }
}

fn from_env<T: FromStr>(name: &str) -> Result<Option<T>, CommandError> {
    match std::env::var(name) {
        Ok(text) => text.parse().map(Some).map_err(|_| CommandError::Refused {
            why: format!("{name} is {text:?}, which cannot be understood"),
        }),
        Err(_) => Ok(None),
    }
}

/// Opens the engine, waiting for a predecessor to leave the folder.
async fn open(config: Config, wait: Duration) -> Result<Engine, FolderError> {
    let over = Instant::now() + wait;
    let mut told = false;
    loop {
        match Engine::open(config.clone()).await {
            Err(FolderError::Locked { folder }) if Instant::now() < over => {
                if !told {
                    tracing::info!(?wait, "waiting for another process to leave {folder}");
                    told = true;
                }
                sleep(LOCK_AGAIN).await;
            }
            opened => return opened,
        }
    }
}

fn config(sizes: Sizes, folder: &Path) -> Config {
    let mut config = Config::in_folder(folder);
    let Sizes {
        segment_bytes,
        snapshot_every,
        keys_in_memory,
    } = sizes;
    config.segment_bytes = segment_bytes.unwrap_or(config.segment_bytes);
    config.snapshot_every_records = snapshot_every.unwrap_or(config.snapshot_every_records);
    let keys_in_memory_max = &mut config.settings.keys_in_memory_max;
    *keys_in_memory_max = keys_in_memory.unwrap_or(*keys_in_memory_max);
    config
}

/// Guests come in where nobody else can: on loopback, or where the operator said so.
fn guests(listen: SocketAddr, allowed: bool) -> Guests {
    match (listen.ip().is_loopback(), allowed) {
        (true, _) => Guests::Allowed,
        (false, true) => {
            tracing::warn!("guests are allowed: whoever reaches {listen} can take any name");
            Guests::Allowed
        }
        (false, false) => {
            tracing::warn!(
                "{listen} can be reached from other machines, so guests are refused, and without an \
                 auth service nobody can come in; --allow-guests lets anyone in under any name"
            );
            Guests::Refused
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|cause| CommandError::Io {
                action: "listen for signals",
                cause,
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[expect(
    clippy::exit,
    reason = "whoever asks twice does not want to wait for destructors"
)]
fn exit_at_once() -> ! {
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    fn config_of(arguments: &[&str]) -> Config {
        let line = Line::parse_from([&["serve"], arguments].concat());
        config(line.serve.sizes, Path::new("data"))
    }

    #[test]
    fn the_page_is_named_behind_the_address_for_clients_where_guests_come_in() {
        let local = SocketAddr::from(([127, 0, 0, 1], 7400));
        let lines = addresses(local, Guests::Allowed);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines,
            ["ws://127.0.0.1:7400/v1/connect", "http://127.0.0.1:7400/"]
        );
        assert_eq!(addresses(local, Guests::Refused).lines().count(), 1);
    }

    #[test]
    fn sizes_are_the_engines_own_unless_named() {
        let (ours, engines) = (config_of(&[]), Config::default());
        assert_eq!(ours.segment_bytes, engines.segment_bytes);
        assert_eq!(ours.snapshot_every_records, engines.snapshot_every_records);
        assert_eq!(
            ours.settings.keys_in_memory_max,
            engines.settings.keys_in_memory_max
        );

        let named = [
            "--segment-bytes=1",
            "--snapshot-every=2",
            "--keys-in-memory=3",
        ];
        let ours = config_of(&named);
        let sizes = (ours.segment_bytes, ours.snapshot_every_records);
        assert_eq!((sizes, ours.settings.keys_in_memory_max), ((1, 2), 3));
    }
}
