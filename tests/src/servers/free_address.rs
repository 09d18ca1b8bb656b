//! Ports for programs that do not say which one they took for port 0, or that must come back on theirs.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A loopback port that nobody listens on and that is given to nobody until this process ends: for servers that are told their
/// port, and for clients of nobody.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    // A socket that is bound and does not listen keeps the port from all who take what the kernel gives, clients as well as
    // servers, and from no server that asks for it by its number: those set SO_REUSEADDR.
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
    // A program that is started does not get it.
    Ok(socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn it_is_kept_and_a_server_comes_back_on_it() {
        let address = free_address();
        let refused = || TcpStream::connect(address).map_err(|error| error.kind());
        let in_use = || bind(socket().expect("a socket"), &address);
        for _ in 0..2 {
            assert_eq!(refused().err(), Some(ErrorKind::ConnectionRefused));
            assert_eq!(
                in_use(),
                Err(rustix::io::Errno::ADDRINUSE),
                "for who does not insist on it"
            );
            let listener = TcpListener::bind(address).expect("it is free for a server");
            let client = TcpStream::connect(address).expect("it listens");
            let (served, _) = listener.accept().expect("a client");
            // The server closes first: its end of the connection outlives it.
            drop(served);
            drop(client);
        }
    }
}
