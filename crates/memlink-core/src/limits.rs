use core::time::Duration;

/// Every bound of a connection, in one place.
///
/// A bound that is reached is an answer somebody can see (a wait, a refusal, a closed connection), never growth.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Commands written or queued to be written and not yet answered; abandoned ones count until their reply has come.
    /// Default 8,192: at 100,000 commands a second that is 80 ms of work; beyond it, queueing only adds latency. More than a server
    /// answers within a timeout is too much: those who find room then wait in vain. Half of it leaves time to stand in line.
    pub in_flight_max: usize,
    /// Bytes of commands queued and not yet handed to the operating system. A single command may be larger: it is then
    /// admitted alone. Default 4 MiB: four values of memcached's default item limit.
    pub queued_bytes_max: usize,
    /// Callers that wait for room or for a connection. One that has come to the front of the line when too little of its time is left
    /// for a reply ends at once, by its [deadline](crate::Cause::Deadline), not sent. Default 65,536: a waiting caller costs about 100 bytes.
    pub waiting_max: usize,
    /// Longest header line of a reply, in bytes. Default 2,048: memcached's own bound for a line.
    pub line_len_max: usize,
    /// Largest value or other single reply, in bytes. Default 8 MiB: eight times memcached's default item limit, and little
    /// enough that a hostile server cannot take much memory. Raise it with the server's `-I`.
    pub value_len_max: usize,
    /// Abandoned commands (sent, and nobody waits for the reply) on one connection. More close it.
    /// Default 4,096, half of `in_flight_max`: beyond that most of the connection's work is for nobody.
    pub abandoned_max: usize,
    /// How long an abandoned command may stay unanswered before the connection is closed. Default 30 s: a server that is
    /// this far behind serves nobody in time.
    pub abandoned_age_max: Duration,
    /// Silence: a reply is owed, or bytes are waiting to be written, and for this long no byte was received or taken.
    /// The connection is closed. Default 3 s: three times the default deadline of a command, so one slow command
    /// never costs the connection.
    pub stall_timeout: Duration,
    /// How long the opening exchange may take, from the connected socket, or the end of the handshake of TLS, to the first user's
    /// command. Default 2 s. The time of the dial before it is bounded apart.
    pub opening_timeout: Duration,
    /// Bytes that the opening exchange may receive. Default 64 KiB.
    pub opening_bytes_max: usize,
    /// Bytes of replies that have arrived and that nobody has fetched (futures that are leaked or never polled again). Beyond
    /// it further replies are dropped and their callers told so. A reply of many parts, and unasked messages that nobody takes,
    /// may not hold more either. Default 64 MiB.
    pub unclaimed_bytes_max: usize,
    /// Replies completed in one turn before others get their turn. Default 512: about 100 µs of work. Where many are owed a turn
    /// ends when half of them have come.
    pub turn_replies_max: usize,
    /// Bytes of replies completed in one turn. Default 64 KiB: completing more before any caller has run makes the allocator
    /// grow and trim its heap each time, and that costs more than a turn does.
    pub turn_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            in_flight_max: 8_192,
            queued_bytes_max: 4 << 20,
            waiting_max: 65_536,
            line_len_max: 2_048,
            value_len_max: 8 << 20,
            abandoned_max: 4_096,
            abandoned_age_max: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(3),
            opening_timeout: Duration::from_secs(2),
            opening_bytes_max: 64 << 10,
            unclaimed_bytes_max: 64 << 20,
            turn_replies_max: 512,
            turn_bytes_max: 64 << 10,
        }
    }
}
