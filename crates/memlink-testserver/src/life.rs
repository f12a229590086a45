//! The server's thread: it accepts, and obeys its owner and its faults.

use crate::connection::{self, Ended, Foreign, Stream};
use crate::faults::Doom;
use crate::listen::{Accepted, Bound, Listeners, Listening};
use crate::presence::Presence;
use crate::server::{Order, Shared};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long accepting rests after it failed, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The body of the server's thread. Returns when the server is to stop, with
/// every socket closed.
pub(crate) fn run(
    shared: &Arc<Shared>,
    listeners: &Listeners,
    orders: mpsc::UnboundedReceiver<Order>,
    bound_out: oneshot::Sender<io::Result<Bound>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = bound_out.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        match Listening::bind(listeners) {
            Ok(listening) => {
                let bound = Bound { tcp: listening.tcp_addr(), unix: listeners.unix.clone() };
                // If the owner is gone, the orders have ended as well.
                let _ = bound_out.send(Ok(bound));
                let shared = Arc::clone(shared);
                Life { shared, listening, presence: Presence::default(), connections: JoinSet::new() }
                    .run(orders)
                    .await;
            }
            Err(error) => {
                let _ = bound_out.send(Err(error));
            }
        }
    });
    if let Some(path) = &listeners.unix {
        // Another server may have taken the path over; that is its affair.
        let _ = std::fs::remove_file(path);
    }
}

struct Life {
    shared: Arc<Shared>,
    listening: Listening,
    presence: Presence,
    connections: JoinSet<Ended>,
}

impl Life {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut changes = self.shared.faults.board.changes();
        loop {
            let change = *changes.borrow_and_update();
            // A port that was lost meanwhile cannot be had back: it stays closed.
            let _ = self.obey_faults().await;
            self.shared.faults.board.obeyed(change);
            let is_frozen = self.shared.faults.board.is_frozen();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Stop) | None => break,
                    Some(order) => self.obey(order).await,
                },
                accepted = self.listening.accept(), if !is_frozen => self.take(accepted).await,
                Some(ended) = self.connections.join_next() => match ended {
                    Ok(Ended::Shutdown) => break,
                    Ok(Ended::Closed | Ended::Reset) | Err(_) => {}
                },
                () = connection::passed(self.presence.next_change()) => {}
                // An error cannot be: what sends is held here.
                _ = changes.changed() => {}
            }
        }
        self.listening = Listening::default();
        self.close_all().await;
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Serve(stream) if !self.listening.is_deaf() => self.take(Ok(Accepted::Brought(stream))).await,
            Order::Serve(_) | Order::Stop => {}
            Order::Kill(done) => {
                let died = self.die().await;
                let _ = done.send(died);
            }
            Order::Revive(done) => {
                let _ = done.send(self.live_again().await);
            }
            Order::Disconnect(done) => {
                self.close_all().await;
                let _ = done.send(Ok(()));
            }
        }
    }

    async fn die(&mut self) -> io::Result<()> {
        self.presence.is_killed = true;
        let deaf = self.listening.deafen();
        self.close_all().await;
        deaf
    }

    async fn live_again(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.presence.is_killed) {
            return Err(io::Error::other("the server was not killed"));
        }
        self.shared.cache().restart(self.shared.clock.now());
        self.obey_faults().await
    }

    /// Listens or does not, as the faults want it, and dies if they do.
    async fn obey_faults(&mut self) -> io::Result<()> {
        match self.shared.faults.board.take_doom() {
            Some(Doom::Kill) => self.die().await?,
            Some(Doom::Restart) => {
                self.close_all().await;
                self.shared.cache().restart(self.shared.clock.now());
            }
            None => {}
        }
        let vanishes = self.presence.look(&self.shared.faults.board, Instant::now());
        match (self.presence.is_there(), self.listening.is_deaf()) {
            (false, false) => self.listening.deafen()?,
            (true, true) => self.listening.hear_again()?,
            _ => {}
        }
        if vanishes {
            self.close_all().await;
        }
        Ok(())
    }

    async fn take(&mut self, accepted: io::Result<Accepted>) {
        let Ok(accepted) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return;
        };
        let room = {
            let open = self.connections.len();
            let is_full = self.shared.faults.board.is_full(open);
            let mut cache = self.shared.cache();
            let room = open < cache.settings.connections_max && !is_full;
            cache.counts.connections_refused += u64::from(!room);
            room
        };
        match (accepted, room) {
            (Accepted::Tcp(stream), true) => {
                // Replies are already gathered; waiting for more would only delay.
                let _ = stream.set_nodelay(true);
                self.welcome(stream);
            }
            (Accepted::Unix(stream), true) => self.welcome(stream),
            (Accepted::Brought(stream), true) => self.welcome(Foreign(stream)),
            (Accepted::Tcp(stream), false) => connection::refuse(stream).await,
            (Accepted::Unix(stream), false) => connection::refuse(stream).await,
            // It may hold less than what is said, and nobody has to wait for that.
            (Accepted::Brought(stream), false) => drop(tokio::spawn(connection::refuse(stream))),
        }
    }

    fn welcome(&mut self, stream: impl Stream + Send + 'static) {
        self.connections.spawn(connection::welcome(stream, Arc::clone(&self.shared)));
    }

    /// Drops every connection. What was unread makes it a reset, as it does when
    /// a process is killed.
    async fn close_all(&mut self) {
        self.connections.shutdown().await;
    }
}
