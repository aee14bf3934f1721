//! `homeroom serve`: from the lock on the data folder to the last bye.

use std::{net::SocketAddr, time::Duration};

use homeroom_engine::{Engine, FolderError};
use homeroom_protocol::{CloseCode, TenantName};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep, timeout},
};

use super::{CommandError, is_there, notify, print};
use crate::{
    admin::AdminSocket, config::Config, host::Host, http::PATH, identity::Guests, tls::Tls,
};

/// The tenant that is there from the start, so that two people can talk without an operator.
const DEFAULT_TENANT: &str = "default";
/// How often a folder that another process has is tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(20);
/// For clients whose bye the host could not give.
const RECONNECT_AFTER_MS: u64 = 1_000;

pub(crate) async fn run(config: &Config) -> Result<(), CommandError> {
    let mut signals = Signals::listen()?;
    warn_of_guests(config);
    let mut host_config = config.host();
    // Before the folder is opened: what is wrong here is wrong at once.
    host_config.terms.tls = Tls::load(&config.tls)?;
    let secure = host_config.terms.tls.is_some();
    let is_new = !is_there(&config.data)?;
    let opened = async {
        if is_new {
            // Nobody can be leaving a folder that is not there: without an address it is not made.
            host_config.can_listen().await?;
        }
        Ok::<_, CommandError>(open(config).await?)
    };
    let engine = tokio::select! {
        opened = opened => opened?,
        // Nobody was served yet.
        () = signals.next() => return Ok(()),
    };
    let default_tenant = TenantName::new(DEFAULT_TENANT).expect("a valid name");
    engine.tenant(&default_tenant).await?;
    let admin =
        AdminSocket::open(&config.data, engine.clone()).map_err(|cause| CommandError::Io {
            action: "open the admin socket in the data folder",
            cause,
        })?;
    let host = Host::start(engine.clone(), host_config).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data = %config.data.display(),
        pid = std::process::id(),
        address = %host.local_addr(),
        "serving"
    );
    if let Some(address) = host.operations_addr() {
        tracing::info!("health and metrics on http://{address}");
    }
    if let Err(error) = print(&addresses(host.local_addr(), secure, config.guests())) {
        // Who hears it is not who is served.
        tracing::warn!(%error, "the addresses could not be told");
    }
    notify::tell("READY=1");

    signals.next().await;
    let signalled = Instant::now();
    notify::tell("STOPPING=1");
    tracing::info!("leaving; a second signal exits at once");
    tokio::spawn(async move {
        signals.next().await;
        exit_at_once();
    });
    let operations = host.shut_down().await;
    // While the folder is still this process's: a successor makes a socket of the same name.
    drop(admin);
    let sealed = engine.shut_down(CloseCode::ShuttingDown, Some(RECONNECT_AFTER_MS));
    let seal_within = config.drain.seal_within(signalled.elapsed());
    let in_time = timeout(seal_within, sealed).await;
    drop(operations);
    in_time.map_err(|_| CommandError::Overtime)
}

/// Where clients connect and, where anyone may come in, where a browser does. One text, written at once:
/// whoever reads the first line only may hang up behind it.
fn addresses(local: SocketAddr, secure: bool, guests: Guests) -> String {
    let s = if secure { "s" } else { "" };
    match guests {
        Guests::Allowed => format!("ws{s}://{local}{PATH}\nhttp{s}://{local}/"),
        Guests::Refused => format!("ws{s}://{local}{PATH}"),
    }
}

/// Opens the engine, waiting for a predecessor to leave the folder.
async fn open(config: &Config) -> Result<Engine, FolderError> {
    let wait = Duration::from_millis(config.storage.lock_wait_ms);
    let over = Instant::now() + wait;
    let mut told = false;
    loop {
        match Engine::open(config.engine()).await {
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

/// Says who comes in where others than this machine can knock.
fn warn_of_guests(config: &Config) {
    let listen = config.listen;
    match config.guests() {
        _ if listen.ip().is_loopback() => {}
        Guests::Allowed => {
            tracing::warn!("guests are allowed: whoever reaches {listen} can take any name");
        }
        Guests::Refused => {
            tracing::warn!(
                "{listen} can be reached from other machines, so guests are refused, and without an \
                 auth service nobody can come in; --allow-guests lets anyone in under any name"
            );
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
    use super::*;

    #[test]
    fn the_page_is_named_behind_the_address_for_clients_where_guests_come_in() {
        let local = SocketAddr::from(([127, 0, 0, 1], 7400));
        let lines = addresses(local, false, Guests::Allowed);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines,
            ["ws://127.0.0.1:7400/v1/connect", "http://127.0.0.1:7400/"]
        );
        assert_eq!(addresses(local, false, Guests::Refused).lines().count(), 1);
        let secure = addresses(local, true, Guests::Allowed);
        assert!(secure.starts_with("wss://") && secure.contains("\nhttps://"));
    }
}
