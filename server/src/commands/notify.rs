//! Tells a service manager how far a host is: sd_notify(3), which is one datagram to a socket that the
//! environment names. Where none is named, nobody asked.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, net::UnixDatagram},
};

/// Where the service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Says `state`, as in `READY=1`.
pub(super) fn tell(state: &str) {
    let Some(socket) = std::env::var_os(SOCKET).filter(|it| !it.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        // It will not serve worse; the manager may give up on it.
        tracing::warn!(%error, state, "cannot tell the service manager");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    // Nobody waits for a manager that does not read.
    from.set_nonblocking(true)?;
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => from.send_to_addr(state.as_bytes(), &abstract_name(name)?)?,
        None => from.send_to(state.as_bytes(), socket)?,
    };
    Ok(())
}

/// A name that is in no file system, which only Linux has.
#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_in_the_file_system_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("notify");
        let manager = UnixDatagram::bind(&place).unwrap();
        send(place.as_os_str(), "READY=1").unwrap();
        let mut heard = [0; 64];
        let count = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..count], b"READY=1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_outside_of_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().as_os_str().as_bytes();
        let manager = UnixDatagram::bind_addr(&abstract_name(name).unwrap()).unwrap();
        let named = [b"@", name].concat();
        send(OsStr::from_bytes(&named), "STOPPING=1").unwrap();
        let mut heard = [0; 64];
        let count = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..count], b"STOPPING=1");
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        assert!(send(folder.path().join("gone").as_os_str(), "READY=1").is_err());
    }
}
