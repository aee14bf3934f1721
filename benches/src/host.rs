//! A host in a process of its own, so that what is measured shares neither memory nor descriptors with what
//! measures: the bench starts itself once more, as the host.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use homeroom_engine::{Config, Engine};
use homeroom_protocol::{CloseCode, TenantName};
use homeroom_server::{Guests, Host, HostConfig, Terms};

use crate::load::Cores;

/// The option under which the bench is the host. It names the data folder.
pub const SERVE: &str = "--serve";

/// Told to the host: leave in order, and come back at the same address.
const RESTART: &str = "restart";

/// Whatever went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A host that serves; it ends with its owner.
#[derive(Debug)]
pub struct Hosting {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Hosting {
    /// Starts this very program once more, as a host over `folder`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        Self::of(Command::spawn, folder, &[])
    }

    /// The same, on the core of the server, with more to say to it.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_on(cores: Cores, folder: &Path, words: &[&str]) -> Result<Self, Failure> {
        Self::of(|command| cores.spawn(command), folder, words)
    }

    fn of(
        spawn: impl FnOnce(&mut Command) -> io::Result<Child>,
        folder: &Path,
        words: &[&str],
    ) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(SERVE).arg(folder).args(words);
        let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let orders = child.stdin.take().ok_or("no pipe to the host")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no pipe from the host")?);
        let mut address = String::new();
        answers.read_line(&mut address)?;
        Ok(Self {
            child,
            orders,
            answers,
            address: address.trim().parse()?,
        })
    }

    /// What the system calls it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it leave in order and come back. Blocks until it serves again.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&mut self) -> Result<(), Failure> {
        writeln!(self.orders, "{RESTART}")?;
        let mut address = String::new();
        self.answers.read_line(&mut address)?;
        if address.trim().parse() == Ok(self.address) {
            return Ok(());
        }
        Err("the host did not come back".into())
    }
}

impl Drop for Hosting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the host: serves `tenants` as `config` says until its orders end.
///
/// # Errors
/// When it cannot.
///
/// # Panics
/// Never: the address is one.
pub async fn serve(config: Config, tenants: &[TenantName]) -> Result<(), Failure> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 0));
    loop {
        let engine = Engine::open(config.clone()).await?;
        for tenant in tenants {
            engine.tenant(tenant).await?;
        }
        let terms = Terms {
            guests: Guests::Allowed,
            ..Terms::default()
        };
        let host = HostConfig {
            listen,
            terms,
            ..HostConfig::default()
        };
        let host = Host::start(engine.clone(), host).await?;
        listen = host.local_addr();
        let mut stdout = io::stdout();
        writeln!(stdout, "{listen}")?;
        stdout.flush()?;
        let order = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await?;
        host.shut_down().await;
        engine.shut_down(CloseCode::ShuttingDown, None).await;
        if !matches!(order, Some(Ok(order)) if order == RESTART) {
            return Ok(());
        }
    }
}

/// What the benches ask of a host over `folder`: its own settings, but for limits that keep one person from
/// flooding.
#[must_use]
pub fn config(folder: &Path) -> Config {
    let mut config = Config::in_folder(folder);
    config.settings = config.settings.without_budgets();
    config
}

/// The name of a tenant.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn tenant(name: &str) -> TenantName {
    TenantName::new(name).expect("a valid tenant name")
}
