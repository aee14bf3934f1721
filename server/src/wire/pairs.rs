//! Wires of every kind for tests, each with its other end.

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
};

use super::Wire;
use crate::tls::papers::{Papers, versions};

/// Bytes of a small kernel buffer: less than a large frame, and enough that the kernel does not wait
/// for acknowledgements it delays.
const SMALL: u32 = 8 * 1024;

/// What the same test runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Tls13,
    Tls12,
    /// A TCP socket that is not told apart.
    OtherTcp,
    /// A stream that buffers and seals by itself, as another server's TLS does.
    OtherTls,
    /// A pipe in memory with room for this many bytes.
    OtherPipe(usize),
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Tcp,
        Self::Tls13,
        Self::Tls12,
        Self::OtherTcp,
        Self::OtherTls,
        Self::OtherPipe(100),
        Self::OtherPipe(5_000),
    ];

    pub(crate) const fn is_tls(self) -> bool {
        match self {
            Self::Tls13 | Self::Tls12 => true,
            Self::Tcp | Self::OtherTcp | Self::OtherTls | Self::OtherPipe(_) => false,
        }
    }
}

/// The other end.
pub(crate) trait Far: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Far for T {}

/// Both ends; kernel buffers as small as they can be, if told so.
pub(crate) async fn pair(kind: Kind, small: bool) -> (Wire, Box<dyn Far>) {
    if let Kind::OtherPipe(bytes) = kind {
        let (near, far): (DuplexStream, DuplexStream) = duplex(bytes);
        return (Wire::other(near), Box::new(far));
    }
    let (near, far) = sockets(small).await;
    match kind {
        Kind::Tcp => (Wire::Tcp(near), Box::new(far)),
        Kind::OtherTcp => (Wire::other(near), Box::new(far)),
        Kind::Tls13 | Kind::Tls12 | Kind::OtherTls => {
            let version = if kind == Kind::Tls12 {
                &versions::TLS12
            } else {
                &versions::TLS13
            };
            let (near, far) = Papers::new().secure(near, far, &[version]).await;
            let wire = if kind == Kind::OtherTls {
                Wire::other(near)
            } else {
                Wire::tls(near)
            };
            (wire, Box::new(far))
        }
        Kind::OtherPipe(_) => unreachable!("made above"),
    }
}

/// Both ends of a TCP connection.
pub(crate) async fn sockets(small: bool) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    if small {
        SockRef::from(&listener)
            .set_send_buffer_size(SMALL as usize)
            .unwrap();
        SockRef::from(&listener)
            .set_recv_buffer_size(SMALL as usize)
            .unwrap();
    }
    let (near, far) = tokio::join!(listener.accept(), async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        if small {
            socket.set_send_buffer_size(SMALL).unwrap();
            socket.set_recv_buffer_size(SMALL).unwrap();
        }
        socket.connect(address).await
    });
    (near.unwrap().0, far.unwrap())
}
