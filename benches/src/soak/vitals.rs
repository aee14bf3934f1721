//! What the system says of the host.

use std::{fs, io, net::SocketAddr};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::load::{CpuTime, resident_bytes};

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Vitals {
    /// Memory that is its own and in RAM, in bytes.
    pub resident_bytes: u64,
    /// Open files, sockets among them.
    pub descriptors: usize,
    /// Of these, what is no socket.
    pub files: usize,
    /// Threads.
    pub threads: usize,
    /// Processor time since it began, in s.
    pub processor_s: f64,
}

impl Vitals {
    /// Of a process.
    ///
    /// # Errors
    /// The system's, as when it is gone.
    pub fn of(pid: u32) -> io::Result<Self> {
        let (mut descriptors, mut files) = (0, 0);
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            descriptors += 1;
            // One that was closed meanwhile counts as a file of that moment.
            let leads_to = fs::read_link(entry?.path()).unwrap_or_default();
            files += usize::from(!leads_to.to_string_lossy().starts_with("socket:"));
        }
        Ok(Self {
            resident_bytes: resident_bytes(pid)?,
            descriptors,
            files,
            threads: fs::read_dir(format!("/proc/{pid}/task"))?.count(),
            processor_s: CpuTime::of(pid)?.total_s(),
        })
    }
}

/// How many tenants are awake, as the host's metrics say.
///
/// # Errors
/// The system's, and where the metrics do not say.
pub async fn tenants_awake(host: SocketAddr) -> io::Result<u64> {
    let mut stream = TcpStream::connect(host).await?;
    let ask = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let mut values = answer
        .lines()
        .filter_map(|line| line.strip_prefix("homeroom_tenants_awake "));
    let value = values.next().and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| io::Error::other("the metrics do not say how many tenants are awake"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_more_is_counted_and_is_no_socket() {
        let before = Vitals::of(std::process::id()).unwrap();
        let _file = tempfile::tempfile().unwrap();
        let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let after = Vitals::of(std::process::id()).unwrap();
        // Other tests of this program open files meanwhile.
        assert!(
            after.descriptors >= before.descriptors.min(2),
            "{before:?} {after:?}"
        );
        assert!(after.files >= 1 && after.descriptors > after.files);
        assert!(after.resident_bytes > 0 && after.threads > 0);
    }
}
