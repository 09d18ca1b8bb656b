//! Ports for programs that do not print the port they got for port 0, or that must restart on the same port.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A loopback port that nobody listens on. The kernel assigns it to no other socket until this process ends. Servers that are
/// started with a port can use it, and tests that need a port where nobody listens.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    // The kernel assigns the port of a bound socket to no other client or server, even if the socket does not listen. A server
    // that asks for this port number gets it nevertheless, because servers set SO_REUSEADDR.
    let reserve = || {
        let socket = socket()?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = SocketAddr::try_from(getsockname(&socket)?)?;
        mem::forget(socket);
        io::Result::Ok(address)
    };
    reserve().expect("loopback has a free port")
}

fn socket() -> io::Result<OwnedFd> {
    // Child processes do not inherit the socket.
    Ok(socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_port_stays_reserved_and_a_server_can_listen_on_it_twice() {
        let address = free_address();
        let refused = || TcpStream::connect(address).map_err(|error| error.kind());
        let in_use = || bind(socket().expect("a socket"), &address);
        for _ in 0..2 {
            assert_eq!(refused().err(), Some(ErrorKind::ConnectionRefused));
            assert_eq!(in_use(), Err(rustix::io::Errno::ADDRINUSE), "without SO_REUSEADDR");
            let listener = TcpListener::bind(address).expect("a server can listen on it");
            let client = TcpStream::connect(address).expect("the server listens");
            let (served, _) = listener.accept().expect("a client");
            // The server closes first, so its side of the connection stays in TIME_WAIT.
            drop(served);
            drop(client);
        }
    }
}
