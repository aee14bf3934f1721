//! Sockets, plain or under TLS, that never wait: for the generator and the baseline alike.
//!
//! The only file here that knows how TLS is done. The certificate is made for the run.

use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use mio::{Interest, Registry, Token, net::TcpStream};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

/// Whom the certificate is made out to.
const NAME: &str = "localhost";

/// Where a certificate and its key are, as PEM files.
#[derive(Debug, Clone)]
pub struct Papers {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The client's side of TLS: whom it trusts.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

/// The server's side of TLS: what it shows.
#[derive(Debug, Clone)]
pub struct Proof(Arc<ServerConfig>);

/// A socket.
#[derive(Debug)]
pub enum Channel {
    /// As it is.
    Plain(TcpStream),
    /// Under TLS.
    Secure(Box<Secure>),
}

/// A socket and the state of TLS on it.
#[derive(Debug)]
pub struct Secure {
    stream: TcpStream,
    tls: Connection,
}

impl Papers {
    /// Those in this folder, whether they are there or not.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        }
    }

    /// Makes them.
    ///
    /// # Errors
    /// For people.
    pub fn issue(&self) -> Result<(), String> {
        let issued = generate_simple_self_signed([NAME.to_owned()]);
        let CertifiedKey { cert, signing_key } = issued.map_err(|error| error.to_string())?;
        let write = |path, text: String| fs::write(path, text).map_err(|error| error.to_string());
        write(&self.certificate, cert.pem())?;
        write(&self.key, signing_key.serialize_pem())
    }

    /// What a client needs that trusts them. No session is resumed: each connection is somebody else's.
    ///
    /// # Errors
    /// For people.
    pub fn trust(&self) -> Result<Trust, String> {
        let mut roots = RootCertStore::empty();
        let added = roots.add(self.read_certificate()?);
        added.map_err(|error| error.to_string())?;
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Trust(Arc::new(config)))
    }

    /// What a server needs that shows them.
    ///
    /// # Errors
    /// For people.
    pub fn proof(&self) -> Result<Proof, String> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| error.to_string())?;
        let chain = vec![self.read_certificate()?];
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(chain, key);
        Ok(Proof(Arc::new(config.map_err(|error| error.to_string())?)))
    }

    fn read_certificate(&self) -> Result<CertificateDer<'static>, String> {
        CertificateDer::from_pem_file(&self.certificate).map_err(|error| error.to_string())
    }
}

impl Channel {
    /// The client's end of a socket.
    ///
    /// # Errors
    /// When TLS has no memory or no entropy.
    pub fn client(stream: TcpStream, trust: Option<&Trust>) -> io::Result<Self> {
        let Some(Trust(config)) = trust else {
            return Ok(Self::Plain(stream));
        };
        let name = ServerName::try_from(NAME).expect("a valid name");
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Self::secure(stream, tls.into()))
    }

    /// The server's end of a socket.
    ///
    /// # Errors
    /// When TLS has no memory or no entropy.
    pub fn server(stream: TcpStream, proof: Option<&Proof>) -> io::Result<Self> {
        let Some(Proof(config)) = proof else {
            return Ok(Self::Plain(stream));
        };
        let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(Self::secure(stream, tls.into()))
    }

    fn secure(stream: TcpStream, tls: Connection) -> Self {
        Self::Secure(Box::new(Secure { stream, tls }))
    }

    const fn stream_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(secure) => &mut secure.stream,
        }
    }

    /// Has events told under a token, when there is something to read and when there is room to write.
    ///
    /// # Errors
    /// The system's.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(self.stream_mut(), token, interest)
    }

    /// Reads what there is; 0 at the end.
    ///
    /// # Errors
    /// The system's, as that it would have to wait; or TLS's.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(secure) => secure.read(buffer),
        }
    }

    /// Whether a read of less than was asked for took all there was. Then the next bytes come with an event of
    /// their own, epoll(7); TLS reads record by record.
    #[must_use]
    pub const fn is_empty_after(&self, count: usize, asked: usize) -> bool {
        matches!(self, Self::Plain(_)) && count < asked
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// The system's, as that it would have to wait; or TLS's.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(secure) => secure.write(bytes),
        }
    }

    /// Sends what was written and is still held here; to be called when there is room again.
    ///
    /// # Errors
    /// The system's, but not that it would have to wait.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Secure(secure) => match secure.push() {
                Err(error) if !is_later(&error) => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Has no more events told.
    pub fn leave(&mut self, registry: &Registry) {
        // Closing it, which comes next, does the same.
        let _ = registry.deregister(self.stream_mut());
    }
}

impl Secure {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
            // It may have been a handshake, which wants an answer.
            match self.push() {
                Err(error) if !is_later(&error) => return Err(error),
                _ => {}
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let mut taken = 0;
        // TLS holds only so much at once. As long as the socket takes all of that there is room for more, and no event
        // would tell of it.
        while taken < bytes.len() {
            let more = self.tls.writer().write(&bytes[taken..])?;
            taken += more;
            match self.push() {
                Ok(()) if more > 0 => {}
                Err(error) if !is_later(&error) => return Err(error),
                _ => break,
            }
        }
        match taken {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }
}

/// Whether this is no failure, but to be tried again.
#[must_use]
pub fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
