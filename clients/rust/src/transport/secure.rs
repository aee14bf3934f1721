//! TLS below the handshake, and the only file that names rustls.

use std::{io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

/// Why nobody can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoots {
    /// There is no certificate in what was given, or none that can be an authority's.
    #[error("there is no certificate authority in it")]
    None,
    /// It is no PEM.
    #[error("it is not PEM: {0}")]
    Malformed(String),
}

/// Whose servers are believed.
#[derive(Clone)]
pub(crate) struct Trust(TlsConnector);

impl Trust {
    pub(crate) fn in_roots(pem: &[u8]) -> Result<Self, InvalidRoots> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates =
            certificates.map_err(|error| InvalidRoots::Malformed(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        // A system's list may hold some of a kind that is not known here: the others do.
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(InvalidRoots::None);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has suites for both")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn secure(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.0.connect(name, stream).await
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust(..)")
    }
}
