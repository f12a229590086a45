use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BufMut;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::time::{Instant, timeout_at};

use super::wear::{Records, Wear};
use super::words::{About, cut, refusal, stalled};
use crate::transport::Transport;

/// A stream that nobody between can read or change.
///
/// ```text
///   space <--copy-- [ plaintext in rustls ] <--decrypt-- [ cipher ] <--one read-- socket
///   slices --copy, encrypt--> [ records in rustls, 64 KiB at most ] --one write--> socket
/// ```
///
/// Reading and writing are polled by one task. Whatever either of them leaves to be sent (answers to a change of keys, say) is
/// tried at every call of both; and a read ends as *pending* only when the socket has nothing, so plaintext that is left inside
/// is never forgotten.
pub(crate) struct TlsStream {
    socket: Box<Transport>,
    session: ClientConnection,
    about: About,
    /// Read from the socket and not yet given to rustls, which takes little at a time.
    cipher: Vec<u8>,
    taken: usize,
    read_len: usize,
    /// What came first: to tell a plain-text server by.
    first: [u8; FIRST_LEN],
    received: usize,
    /// The server has sent something of its own: it has accepted the handshake wholly, our certificate included.
    is_proved: bool,
    /// Reading has come to an end, which is told when all before it was fetched.
    end: Option<io::Error>,
    /// Sending has failed after bytes were taken: the next call that sends tells it, because those bytes count as written.
    failed: Option<io::Error>,
    /// rustls did not take all of what it was given last: what is given next may begin in the midst of a value.
    is_cut: bool,
    wear: Wear,
}

/// Bytes of the first answer that are kept until the handshake is over.
const FIRST_LEN: usize = 64;

/// Most that a handshake may take, both chains of certificates included.
const HANDSHAKE_LEN_MAX: usize = 256 * 1024;

/// From so many bytes on the last one is sent apart: less than this memcached reads at once, where it begins with a command.
const MUCH: usize = 1024;

/// Smallest and largest read, as for plain connections: it grows with what comes.
const READ_LEN_MIN: usize = 4 * 1024;
const READ_LEN_MAX: usize = 64 * 1024;

impl TlsStream {
    /// Before the first byte of the handshake.
    fn over(socket: Transport, session: ClientConnection, about: About) -> TlsStream {
        TlsStream {
            socket: Box::new(socket),
            session,
            about,
            cipher: Vec::new(),
            taken: 0,
            read_len: READ_LEN_MIN,
            first: [0; FIRST_LEN],
            received: 0,
            is_proved: false,
            end: None,
            failed: None,
            is_cut: false,
            wear: Wear::new(),
        }
    }

    /// Where the socket below leads.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer()
    }

    /// Makes the handshake, until `ends` at the latest.
    pub(super) async fn connect(
        socket: Transport,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        about: About,
        ends: Instant,
    ) -> io::Result<TlsStream> {
        let session = ClientConnection::new(config, name).map_err(|error| refusal(&error, about, &[]))?;
        let mut stream = TlsStream::over(socket, session, about);
        match timeout_at(ends, std::future::poll_fn(|cx| stream.poll_handshake(cx))).await {
            Ok(done) => {
                stream.wear.limit(stream.session.negotiated_cipher_suite());
                done.map(|()| stream)
            }
            Err(_) => Err(stalled(stream.received, stream.first())),
        }
    }

    fn first(&self) -> &[u8] {
        self.first.get(..self.received.min(FIRST_LEN)).unwrap_or_default()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_flush(cx)?;
            if !self.session.is_handshaking() {
                return sent.map(Ok);
            }
            if self.received > HANDSHAKE_LEN_MAX {
                return Poll::Ready(Err(io::Error::other("the server's TLS handshake has no end")));
            }
            if self.taken == self.cipher.len() {
                let n = match ready!(self.poll_cipher(cx)) {
                    Ok(n) => n,
                    Err(error) if is_reset(&error) => 0,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if n == 0 {
                    return Poll::Ready(Err(cut(self.received, self.about)));
                }
            }
            if let Err(error) = self.decrypt() {
                // The server may read why.
                let _ = self.poll_flush(cx);
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Reads once from the socket. `Ok(0)` is its end.
    fn poll_cipher(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.cipher.clear();
        self.taken = 0;
        self.cipher.reserve_exact(self.read_len);
        let n = ready!(self.socket.poll_read(cx, &mut (&mut self.cipher).limit(self.read_len)))?;
        if let Some(free) = self.first.get_mut(self.received..) {
            let kept = free.len().min(n);
            free.iter_mut().zip(&self.cipher).take(kept).for_each(|(to, from)| *to = *from);
        }
        self.received = self.received.saturating_add(n);
        self.wear.received.follow(&self.cipher);
        if n == self.read_len && n < READ_LEN_MAX {
            self.read_len *= 2;
        }
        Poll::Ready(Ok(n))
    }

    /// Gives rustls some of what was read, as much as it takes at once.
    fn decrypt(&mut self) -> io::Result<()> {
        let mut rest = self.cipher.get(self.taken..).unwrap_or_default();
        self.taken += self.session.read_tls(&mut rest)?;
        match self.session.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) if self.is_proved => Err(io::Error::other(format!("TLS failed: {error}"))),
            Err(error) => Err(refusal(&error, self.about, self.first())),
        }
    }

    /// Reads into `space`. `Ok(0)` is the end of the stream, said by the server (close_notify); an end without that is an error:
    /// somebody may have cut it.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut dyn BufMut) -> Poll<io::Result<usize>> {
        if self.session.wants_write() {
            // An answer that met a full socket. Whether or not it leaves now, this task comes by again.
            self.send_beside(cx);
        }
        let mut copied = 0;
        loop {
            match self.copy(space) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(n) if n > 0 && space.has_remaining_mut() => {
                    copied += n;
                    continue;
                }
                result => return Poll::Ready(result.map(|n| copied + n)),
            }
            if self.taken == self.cipher.len() || self.end.is_some() {
                // What has come so far is enough: the next call goes on.
                if copied > 0 {
                    return Poll::Ready(Ok(copied));
                }
                if let Some(error) = self.end.take() {
                    return Poll::Ready(Err(error));
                }
                match ready!(self.poll_cipher(cx)) {
                    Ok(0) => return Poll::Ready(Err(self.cut_off())),
                    Err(error) if is_reset(&error) && !self.is_proved => return Poll::Ready(Err(self.cut_off())),
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(_) => {}
                }
            }
            let decrypted = self.decrypt();
            if self.session.wants_write() {
                // Whether or not all of it leaves now: this task comes by again, and tries first.
                self.send_beside(cx);
            }
            self.end = decrypted.err();
        }
    }

    /// Copies plaintext that is there: 0 when none will ever come, `WouldBlock` when there is none yet.
    fn copy(&mut self, space: &mut dyn BufMut) -> io::Result<usize> {
        let mut reader = self.session.reader();
        let plaintext = reader.fill_buf()?;
        let n = plaintext.len().min(space.remaining_mut());
        space.put_slice(plaintext.get(..n).unwrap_or_default());
        reader.consume(n);
        self.is_proved |= n > 0;
        Ok(n)
    }

    fn cut_off(&self) -> io::Error {
        if !self.is_proved {
            return cut(self.received, self.about);
        }
        let text = "the server closed the connection without saying so (TLS close_notify): its last reply may be cut";
        io::Error::new(io::ErrorKind::UnexpectedEof, text)
    }

    /// Encrypts some of `slices`, in order, as few large records. What is counted as written is rustls'; what the socket does not take
    /// at once is sent by the next call of anything here.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // Nothing is added to what has not left: so there is always room for some.
        ready!(self.poll_send(cx))?;
        let n = self.encrypt(slices)?;
        // Some of them may have left, whatever becomes of the others: an error here would make them all count as not written.
        self.send_beside(cx);
        Poll::Ready(Ok(n))
    }

    /// Gives rustls as much as it takes.
    ///
    /// The last byte of much goes in a record of its own: memcached (1.6.18) reads of a value what it lacks and then waits for its
    /// socket, with the rest of that record, commands behind the value, inside OpenSSL already. Another record in the socket
    /// makes it come back. So it is with the rest of much, however short that is: it may begin within the value.
    fn encrypt(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let is_much = len >= MUCH || self.is_cut;
        let n = self.encrypt_pieces(slices, is_much)?;
        self.is_cut = n < len;
        Ok(n)
    }

    /// The last byte in a record of its own, or all of it as it comes.
    fn encrypt_pieces(&mut self, slices: &[IoSlice<'_>], is_much: bool) -> io::Result<usize> {
        let mut writer = self.session.writer();
        let Some((last, before)) = slices.split_last().filter(|(last, _)| is_much && last.len() > 1) else {
            return writer.write_vectored(slices);
        };
        let (body, end) = last.split_at(last.len() - 1);
        let mut n = 0;
        for piece in [before, &[IoSlice::new(body)], &[IoSlice::new(end)]] {
            let piece_len: usize = piece.iter().map(|slice| slice.len()).sum();
            let taken = match piece_len {
                0 => 0,
                _ => match writer.write_vectored(piece) {
                    Err(error) if n == 0 => return Err(error),
                    taken => taken.unwrap_or(0),
                },
            };
            n += taken;
            if taken < piece_len {
                break;
            }
        }
        Ok(n)
    }

    /// Sees that all that was written leaves.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.socket.poll_flush(cx)
    }

    /// Sends what there is, beside something else. An error is kept for the next call that sends: a stream of a user's own need not
    /// fail a second time.
    fn send_beside(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            self.failed = Some(error);
        }
    }

    /// Hands records to the socket until there are none.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        while self.session.wants_write() {
            match self.session.write_tls(&mut Ahead { socket: &mut self.socket, cx, records: &mut self.wear.sent }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether another connection should take the place of this one, before its keys have been used too often.
    pub(crate) fn is_worn(&self) -> bool {
        self.wear.is_much()
    }

    /// There is no other one so far.
    pub(crate) fn bear_wear(&mut self) {
        self.wear.bear();
    }

    /// Lets go of memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.taken == self.cipher.len() {
            (self.cipher, self.taken, self.read_len) = (Vec::new(), 0, READ_LEN_MIN);
            // rustls lets go of all but 4 KiB of its own when it looks for more.
            let _ = self.session.read_tls(&mut Nothing);
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

/// Says goodbye, if the socket takes it at once: a server can tell this from a cut.
impl Drop for TlsStream {
    fn drop(&mut self) {
        self.session.send_close_notify();
        let _ = self.poll_send(&mut Context::from_waker(Waker::noop()));
    }
}

/// Has nothing to read so far.
struct Nothing;

impl io::Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// The socket as rustls writes to it: what would have to be waited for is [`WouldBlock`](io::ErrorKind::WouldBlock).
struct Ahead<'a, 'b> {
    socket: &'a mut Transport,
    cx: &'a mut Context<'b>,
    records: &'a mut Records,
}

impl io::Write for Ahead<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Poll::Ready(written) = self.socket.poll_write(self.cx, slices) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut left = written?;
        let written = left;
        for slice in slices {
            let taken = left.min(slice.len());
            self.records.follow(slice.get(..taken).unwrap_or_default());
            left -= taken;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use rustls::RootCertStore;
    use rustls::crypto::ring::default_provider;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// A reply to what came needs to be sent at the same time, and the stream would take it.
    #[tokio::test]
    async fn an_error_of_sending_outlives_reads() {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let session = ClientConnection::new(Arc::new(config), "cache".try_into().unwrap()).unwrap();
        let about = About { shows_certificate: false };
        let mut stream = TlsStream::over(Transport::Other(Box::pin(near)), session, about);
        std::future::poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
        assert!(!stream.session.wants_write(), "the hello has left");
        stream.failed = Some(io::ErrorKind::BrokenPipe.into());
        // It is answered by an alert.
        far.write_all(b"noise that is no record").await.unwrap();
        let mut space = Vec::new();
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut space)).await;
        assert!(read.is_err() && stream.session.wants_write(), "{read:?}");
        let sent = std::future::poll_fn(|cx| stream.poll_flush(cx)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
