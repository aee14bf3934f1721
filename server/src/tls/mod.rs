//! TLS, and the only module that names rustls: certificates that follow their files, the handshake,
//! and the session that a connection is afterwards.
//!
//! Spoken are TLS 1.3, and TLS 1.2 with its ECDHE and AEAD suites, which are all that rustls has. 1.2
//! stays on: schools keep their machines for long, phones older than Android 10 and servers older than
//! Windows 2022 have nothing newer, and what of 1.2 is left here is not known to be weak. No early
//! data: it can be replayed. Sessions resume by tickets sealed with keys that live in memory and
//! change every few hours, so what resumption costs does not grow with the number of clients. There is one
//! certificate: whatever name a client asks for (SNI), that one is shown, and whether it is for the name that was
//! meant is the client's to judge. Nothing is negotiated anew on a connection that stands.

mod certificate;
#[cfg(test)]
pub(crate) mod papers;
mod reload;
mod session;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use homeroom_engine::described;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

pub use certificate::TlsError;
pub use reload::Reloaded;
pub(crate) use session::Session;

/// A connection whose handshake is done, as something to wait for.
pub(crate) type Stream = tokio_rustls::server::TlsStream<TcpStream>;

/// After a failed handshake: how long, and how much more, a peer may say before it has read why.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);
const LAST_WORD_BYTES_MAX: u64 = 64 * 1024;

described! {
    /// Which certificate a host shows. Without one it speaks plain HTTP.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct TlsSettings {
        /// A PEM file: the host's certificate, then those that lead to the authority's. Default: none,
        /// which means no TLS: on loopback it is of no use, and elsewhere somebody has to be asked for one.
        pub certificate: Option<PathBuf>,
        /// A PEM file: the certificate's private key (PKCS #8, PKCS #1 or SEC 1). Default: none.
        pub key: Option<PathBuf>,
        /// How often to look whether the files have changed, in ms. A change is taken over when two looks
        /// agree on it: a certificate is written before or after its key. 0: never. Default 5,000: nobody
        /// waits for a renewed certificate, and reading two small files costs nothing.
        pub reload_every_ms: u64,
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            reload_every_ms: 5_000,
        }
    }
}

/// A certificate and its key, as they are in their files now. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    reload_every: Option<Duration>,
    current: RwLock<Arc<ServerConfig>>,
    watch: Mutex<reload::Watch>,
}

impl Tls {
    /// Loads what the settings name; `None` when they name nothing. Blocks for two small files.
    ///
    /// # Errors
    /// [`TlsError`]: every one of them is the operator's to mend.
    pub fn load(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(TlsError::Unnamed { missing: "key" }),
            (None, Some(_)) => {
                return Err(TlsError::Unnamed {
                    missing: "certificate",
                });
            }
        };
        let files = certificate::Files::read(&certificate, &key);
        let watch = reload::Watch::of(&files);
        let config = certificate::config(files?)?;
        Ok(Some(Self(Arc::new(Shared {
            certificate,
            key,
            reload_every: (settings.reload_every_ms > 0)
                .then(|| Duration::from_millis(settings.reload_every_ms)),
            current: RwLock::new(Arc::new(config)),
            watch: Mutex::new(watch),
        }))))
    }

    /// The certificate's file.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.0.certificate
    }

    /// Makes the handshake of a connection. Without a limit of its own: the caller's covers it.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<Stream> {
        let accepting = TlsAcceptor::from(self.current()).accept(stream);
        match accepting.into_fallible().await {
            Ok(stream) => Some(stream),
            Err((error, stream)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                part(stream).await;
                None
            }
        }
    }

    fn current(&self) -> Arc<ServerConfig> {
        let current = self.0.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets the alert that says why arrive: closing with bytes unread would make the kernel take it back.
async fn part(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = stream.take(LAST_WORD_BYTES_MAX);
    let mut nowhere = tokio::io::sink();
    let heard_out = tokio::io::copy(&mut rest, &mut nowhere);
    let _ = timeout(LAST_WORD_WITHIN, heard_out).await;
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.0.certificate)
            .finish_non_exhaustive()
    }
}
