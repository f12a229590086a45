use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::error::{ProcessError, because};

/// A free TCP port of the loopback, for one process after the other.
///
/// It is held by a socket that is bound and never listens: nobody else can be given it while the process is dead, and no dial can
/// connect to itself by leaving from it.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _holder: Socket,
}

impl Port {
    /// One that nobody uses.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn hold() -> Result<Port, ProcessError> {
        let held = || {
            let holder = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            holder.set_reuse_address(true)?;
            holder.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            let address = holder.local_addr()?.as_socket().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
            Ok::<_, std::io::Error>(Port { address, _holder: holder })
        };
        held().map_err(because("no free port"))
    }

    /// Where its process listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
