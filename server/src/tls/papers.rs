//! Certificates of our own for tests, in files as an operator has them, and clients that trust them.

use std::{fs, path::Path, sync::Arc};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, pki_types::CertificateDer,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) use rustls::version as versions;

use super::{Stream, Tls, TlsSettings};

/// A certificate for `localhost` and its key, in a folder of their own.
pub(crate) struct Papers {
    folder: TempDir,
    pub(crate) issued: CertifiedKey<KeyPair>,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let papers = Self {
            folder,
            issued: issue(),
        };
        papers.write(&papers.issued);
        papers
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings {
            certificate: Some(self.folder().join("chain.pem")),
            key: Some(self.folder().join("key.pem")),
            reload_every_ms: 0,
        }
    }

    pub(crate) fn write(&self, issued: &CertifiedKey<KeyPair>) {
        self.put("chain.pem", &issued.cert.pem());
        self.put("key.pem", &issued.signing_key.serialize_pem());
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).unwrap();
    }

    pub(crate) fn load(&self) -> Tls {
        Tls::load(&self.settings()).unwrap().unwrap()
    }

    /// Both ends of a TLS connection over two ends of a TCP one.
    pub(crate) async fn secure(
        &self,
        near: TcpStream,
        far: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
    ) -> (Stream, TlsStream<TcpStream>) {
        let tls = self.load();
        let (near, far) = tokio::join!(
            tls.accept(near),
            connect(far, client(self.issued.cert.der(), versions))
        );
        (near.unwrap(), far.unwrap())
    }
}

pub(crate) fn issue() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// A client that trusts this certificate alone.
pub(crate) fn client(
    trusted: &CertificateDer<'_>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone().into_owned()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) async fn connect(
    stream: TcpStream,
    client: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(client).connect(name, stream).await
}
