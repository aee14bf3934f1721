//! An address that outlives the hosts behind it, for clients that do too.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

/// An address that stays while hosts come and go on others.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    host: Arc<Mutex<Option<SocketAddr>>>,
}

impl Relay {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let host = Arc::new(Mutex::new(None));
        let to = Arc::clone(&host);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let to: Option<SocketAddr> = *to.lock().unwrap();
                tokio::spawn(async move {
                    // Without a host the client is hung up on, and tries again.
                    if let Some(to) = to
                        && let Ok(mut far) = TcpStream::connect(to).await
                    {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, host }
    }

    pub(crate) fn lead_to(&self, host: Option<SocketAddr>) {
        *self.host.lock().unwrap() = host;
    }
}
