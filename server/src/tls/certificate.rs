//! From two PEM files to what a handshake needs, or to what the operator has to mend.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

/// Larger than any chain, smaller than a log file that was named by mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a certificate cannot be used. The operator has to mend it; a host that runs goes on with the one
/// it has.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Only one of the two files is named.
    #[error("TLS needs a certificate and its key: no {missing} is named")]
    Unnamed {
        /// Which is not.
        missing: &'static str,
    },
    /// A file is missing or may not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// A file is no PEM.
    #[error("{} is not a PEM file: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: pem::Error,
    },
    /// The certificate file has no certificate.
    #[error("there is no certificate in {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file has no private key, or one that needs a password.
    #[error("there is no private key in {} (one behind a password cannot be used)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The two files do not belong together.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate or key of a kind that is not spoken here.
    #[error("{} and {} cannot be used: {cause}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        cause: rustls::Error,
    },
}

/// A named file and what was in it.
pub(super) struct Contents {
    path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// Both files, as they were at one look.
pub(super) struct Files {
    pub(super) certificate: Contents,
    pub(super) key: Contents,
}

impl Files {
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: Contents::read(certificate)?,
            key: Contents::read(key)?,
        })
    }
}

impl Contents {
    fn read(path: &Path) -> Result<Self, TlsError> {
        let unreadable = |cause| TlsError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        if read.map_err(unreadable)? as u64 > FILE_BYTES_MAX {
            return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }
}

/// What handshakes need of them.
pub(super) fn config(files: Files) -> Result<ServerConfig, TlsError> {
    let Files { certificate, key } = files;
    let chain = chain(&certificate)?;
    let der = private_key(&key)?;
    warn_if_public(&key.path);
    let unusable = |cause| TlsError::Unusable {
        certificate: certificate.path.clone(),
        key: key.path.clone(),
        cause,
    };
    let provider = Arc::new(ring::default_provider());
    let certified = CertifiedKey::from_der(chain, der, &provider).map_err(|cause| match cause {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            certificate: certificate.path.clone(),
            key: key.path.clone(),
        },
        cause => unusable(cause),
    })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(unusable)?;
    Ok(config)
}

fn chain(file: &Contents) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.bytes).collect();
    let path = file.path.clone();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate { path }),
        Ok(chain) => Ok(chain),
        Err(cause) => Err(TlsError::Malformed { path, cause }),
    }
}

fn private_key(file: &Contents) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&file.bytes).map_err(|cause| {
        let path = file.path.clone();
        match cause {
            pem::Error::NoItemsFound => TlsError::NoKey { path },
            cause => TlsError::Malformed { path, cause },
        }
    })
}

/// Whoever reads the key can pose as this host.
fn warn_if_public(key: &Path) {
    if is_public(key) {
        tracing::warn!(key = %key.display(), "every user of this machine can read the private key");
    }
}

#[cfg(unix)]
pub(super) fn is_public(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_public(_: &Path) -> bool {
    false
}
