use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use memlink_core::Limits;

use super::{ConfigError, Server};
use crate::event::{Event, Observer};
use crate::link::{Connector, Dialer, LinkOptions, Suspension, Timing, Way};
#[cfg(feature = "tls-own-provider")]
use crate::transport::Tls;
use crate::transport::{Address, Resolve, Resolver, TcpOptions};

/// How commands are sent and connections kept, whatever the protocol. Every option has a default that is right for most; the
/// bounds of a connection are in [`Limits`].
#[derive(Clone)]
pub struct Settings {
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait_when_full: bool,
    pub(crate) connections: usize,
    /// From how many bytes on a value is large, and how many more connections there are for those.
    pub(crate) large: Option<(usize, usize)>,
    pub(crate) dial_timeout: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) resolve_interval: Option<Duration>,
    pub(crate) suspension: Suspension,
    pub(crate) when_down: WhenDown,
    pub(crate) limits: Limits,
    pub(crate) dialer: Dialer,
    observer: Option<Observer>,
    /// Whether events become log lines.
    #[cfg(feature = "tracing")]
    is_logged: bool,
}

/// What becomes of commands whose server is known to be down, or refuses this client. Which server has a key is no part of it: that says
/// the routing alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenDown {
    /// They fail at once, with [`ErrorKind::ServerDown`](crate::ErrorKind::ServerDown) or
    /// [`Refused`](crate::ErrorKind::Refused). Nobody ever reads what a server that was away has missed, and no key is ever on a server
    /// that does not own it.
    #[default]
    Fail,
    /// Reads are misses and writes are dropped, without an error; both are counted ([`ClientStats`](crate::ClientStats)), and each
    /// request can say so ([`Request::with_source`](crate::Request::with_source)). For callers to whom a cache is never more than a
    /// help. Of many keys [`Many::without_server`](crate::Many::without_server) says which. Requests that ask for more than a plain
    /// answer (a CAS id, a condition) still fail; batches and streams tell each command's own end.
    Miss,
    /// They go to another server, the same for all clients of these servers: to [`Router::route_again`](crate::Router::route_again), which
    /// spreads the keys of the lost server over all others. Where so many are down that all it names are, they go to one of the rest, in
    /// the order of the list: they fail only when nobody is left who takes keys at all (a server of weight 0 does not).
    ///
    /// **Stale values are the price.** What was deleted or changed on the stand-in is still in its old form on the owner when that
    /// comes back without having been emptied, and what was written on the stand-in is there again at the next outage. Give all values
    /// a short time to live, and do not choose this for what must not be stale.
    NextServer,
}

/// How many links a server has, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) links: usize,
    pub(crate) large: usize,
    /// From how many bytes on a command is large.
    pub(crate) large_min: usize,
}

impl Lanes {
    /// A single link for everything.
    pub(crate) const ONE: Lanes = Lanes { links: 1, large: 0, large_min: usize::MAX };
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            timeout: Some(Duration::from_secs(1)),
            wait_when_full: true,
            connections: 1,
            large: None,
            dial_timeout: Duration::from_secs(1),
            backoff_base: Duration::from_millis(50),
            backoff_cap: Duration::from_secs(3),
            resolve_interval: Some(Duration::from_secs(30)),
            suspension: Suspension { commands: 3, silence: Duration::from_millis(500) },
            when_down: WhenDown::Fail,
            limits: Limits::default(),
            dialer: Dialer::default(),
            observer: None,
            #[cfg(feature = "tracing")]
            is_logged: true,
        }
    }
}

impl Settings {
    /// How long a request may take in all: waiting for room, for a dial, writing and reading. `None` waits for ever (then only
    /// silence ends a wait, see [`Limits::stall_timeout`]). Default 1 s: a hundred times what a slow cache needs, and short
    /// enough that a page can still be served without it. Each request can set its own.
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Settings {
        Settings { timeout: timeout.into(), ..self }
    }

    /// Whether a request waits for room while its server's queue is full, up to its deadline (default), or fails at once. One that
    /// waits and cannot be answered in time any more, as the server has been answering lately, ends as soon as that is known, by
    /// [`ErrorKind::Deadline`](crate::ErrorKind::Deadline) and not sent: an overloaded server then works for those who can be served.
    #[must_use]
    pub fn wait_when_full(self, wait: bool) -> Settings {
        Settings { wait_when_full: wait, ..self }
    }

    /// Connections to each server. Default 1, which all callers share: more gain when replies are large or when one core is not
    /// enough. Each command takes the one with the least bytes in flight. 0 counts as 1.
    #[must_use]
    pub fn connections_per_server(self, connections: usize) -> Settings {
        Settings { connections: connections.max(1), ..self }
    }

    /// Further connections to each server for large values alone: a reply of a megabyte does not hold up replies of a hundred bytes.
    /// Values to be stored take them from `bytes_min` on by themselves; of a get only its caller can know, and says so
    /// ([`Request::large`](crate::Request::large)). Default none. 0 connections count as 1.
    #[must_use]
    pub fn large_lane(self, bytes_min: usize, connections: usize) -> Settings {
        Settings { large: Some((bytes_min, connections.max(1))), ..self }
    }

    /// How long a dial may take: what is [prepared](Settings::before_dial), the look-up of the name, the reading of files and the handshake
    /// of TLS included. Default 1 s. The opening exchange behind it (sign-in, the question for the version) has
    /// [`Limits::opening_timeout`] of its own, so a connection is open or has failed within both together. At most a day.
    #[must_use]
    pub fn dial_timeout(self, timeout: Duration) -> Settings {
        Settings { dial_timeout: timeout.min(INTERVAL_MAX), ..self }
    }

    /// The pause before a dial is uniform between an eighth of a ceiling and the ceiling, which begins with `base` and doubles with
    /// every failure up to `cap`. Default 50 ms and 3 s. A server is dialled for ever.
    #[must_use]
    pub fn backoff(self, base: Duration, cap: Duration) -> Settings {
        Settings { backoff_base: base, backoff_cap: cap.max(base), ..self }
    }

    /// How often the name of a server is looked up again while a connection to it is open, give or take a quarter. When the address it
    /// goes to is no longer among the answers, the connection is replaced by one to an address that is, without a command that notices;
    /// a look-up or a dial that fails changes nothing ([`Event::LookUpFailed`], [`Event::RenewalFailed`]). Default 30 s: what name
    /// services commonly let an answer be used for, and one question a server. From 10 ms to a day; `None` or zero for never: right for a name that gives
    /// other addresses of the same server each time, such as a load balancer's.
    ///
    /// At every dial the name is looked up in any case. Servers given by IP address, Unix sockets and streams of a
    /// [connector](Settings::connector) have no name to be looked up.
    #[must_use]
    pub fn resolve_interval(self, interval: impl Into<Option<Duration>>) -> Settings {
        let interval = interval.into().filter(|interval| !interval.is_zero());
        Settings { resolve_interval: interval.map(bounded), ..self }
    }

    /// Who is asked for the addresses of a host name, instead of the operating system.
    #[must_use]
    pub fn resolver(self, resolve: impl Resolve) -> Settings {
        self.with_dialer(|dialer| dialer.resolver = Resolver::of(resolve))
    }

    /// When a server is not asked any more although its connection stands: when `commands` commands in a row were given up without a
    /// reply, at their deadlines or by their callers, and not one byte has come for `silence`. Commands are then refused at once until a
    /// reply comes, or until the connection is closed for its [silence](Limits::stall_timeout) and another one has opened. A server that
    /// is slow is not silent. Default 3 commands and 500 ms; 0 commands count as 1.
    #[must_use]
    pub fn suspend_after(self, commands: u32, silence: Duration) -> Settings {
        Settings { suspension: Suspension { commands: commands.max(1), silence }, ..self }
    }

    /// What becomes of commands whose server is known to be down. Default [`WhenDown::Fail`]. On a [`Cluster`](crate::generic::Cluster)
    /// of another protocol [`WhenDown::Miss`] is no different from it: what a miss is, only a client knows.
    #[must_use]
    pub fn when_down(self, when_down: WhenDown) -> Settings {
        Settings { when_down, ..self }
    }

    /// The bounds of each connection.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Settings {
        Settings { limits, ..self }
    }

    /// How TCP sockets are set up.
    #[must_use]
    pub fn tcp(self, options: TcpOptions) -> Settings {
        self.with_dialer(|dialer| dialer.way = Way::System(options))
    }

    /// Opens streams in a way of your own instead of by the system's sockets.
    #[must_use]
    pub fn connector(self, connector: impl Connector) -> Settings {
        self.with_dialer(|dialer| dialer.way = Way::User(Arc::new(connector)))
    }

    /// Speaks TLS to every server, over whatever opens the streams. Nothing falls back to plain text.
    #[cfg(feature = "tls-own-provider")]
    #[must_use]
    pub fn tls(self, tls: Tls) -> Settings {
        self.with_dialer(|dialer| dialer.tls = Some(tls))
    }

    /// What was set for TLS.
    #[cfg(feature = "tls-own-provider")]
    #[must_use]
    pub fn configured_tls(&self) -> Option<&Tls> {
        self.dialer.tls.as_ref()
    }

    /// Is called before every dial, within the [dial timeout](Settings::dial_timeout); an error is that of the dial. For what has to be
    /// fetched anew each time. Given several times all are called, the first one first.
    #[must_use]
    pub fn before_dial<F>(self, prepare: impl Fn(&Address) -> F + Send + Sync + 'static) -> Settings
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        self.with_dialer(|dialer| dialer.also_prepare(Arc::new(move |address| Box::pin(prepare(address)))))
    }

    /// Whoever has asked for TLS does not lose it by setting something else.
    #[cfg_attr(not(feature = "tls-own-provider"), allow(unused_mut, unused_variables))]
    pub(crate) fn keeping_tls_of(mut self, before: &Settings) -> Settings {
        #[cfg(feature = "tls-own-provider")]
        if self.dialer.tls.is_none() {
            self.dialer.tls = before.dialer.tls.clone();
        }
        self
    }

    pub(crate) fn with_dialer(mut self, change: impl FnOnce(&mut Dialer)) -> Settings {
        change(&mut self.dialer);
        self
    }

    /// Is told of every [`Event`], by the task that serves the link or by one whose request has shown it, and with none of the client's
    /// locks held: return soon, never block.
    #[must_use]
    pub fn on_event(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Settings {
        Settings { observer: Some(Arc::new(observer)), ..self }
    }

    /// Refuses bounds with which nothing could ever be sent, or a server that is down would be dialled without a pause.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let options = [
            ("in_flight_max", limits.in_flight_max == 0),
            ("queued_bytes_max", limits.queued_bytes_max == 0),
            ("waiting_max", limits.waiting_max == 0),
            ("line_len_max", limits.line_len_max == 0),
            ("turn_replies_max", limits.turn_replies_max == 0),
            ("turn_bytes_max", limits.turn_bytes_max == 0),
            ("stall_timeout", limits.stall_timeout.is_zero()),
            ("opening_timeout", limits.opening_timeout.is_zero()),
            ("dial_timeout", self.dial_timeout.is_zero()),
            ("backoff base", self.backoff_base.is_zero()),
        ];
        match options.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(ConfigError::BadOption {
                name,
                value: "0".to_owned(),
                why: "with it nothing could be sent, or dialled in peace",
            }),
            None => self.check_tls(),
        }
    }

    #[cfg(feature = "tls-own-provider")]
    fn check_tls(&self) -> Result<(), ConfigError> {
        self.dialer.tls.as_ref().map_or(Ok(()), |tls| Ok(tls.check()?))
    }

    /// Refuses servers that could never be reached like this.
    #[cfg(feature = "tls-own-provider")]
    pub(crate) fn check_address(&self, address: &Address) -> Result<(), ConfigError> {
        self.dialer.tls.as_ref().map_or(Ok(()), |tls| Ok(tls.check_address(address)?))
    }

    #[cfg(not(feature = "tls-own-provider"))]
    pub(crate) fn check_address(&self, _: &Address) -> Result<(), ConfigError> {
        Ok(())
    }

    #[cfg(not(feature = "tls-own-provider"))]
    fn check_tls(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// For a connection that serves one question of the client's own: as its servers are reached, but bounded, with nothing prepared
    /// and nothing told, since whoever asks tells what came of it. Only of files of TLS nobody else would tell.
    pub(crate) fn for_questions(&self, answer_len_max: usize, timeout: Duration) -> Settings {
        let mut settings = self.clone().timeout(timeout).connections_per_server(1).resolve_interval(None);
        settings.limits.value_len_max = answer_len_max;
        settings.dialer.preparation = None;
        settings.observer = settings.observer.map(|observer| {
            let told: Observer = Arc::new(move |event| {
                if matches!(event, Event::TlsFilesRefused { .. }) {
                    observer(event);
                }
            });
            told
        });
        #[cfg(feature = "tracing")]
        {
            settings.is_logged = false;
        }
        settings
    }

    /// How long a request may take that says nothing of its own.
    #[inline]
    pub(crate) fn timing(&self) -> Timing {
        Timing::new(self.timeout, self.wait_when_full)
    }

    /// The links to each server.
    pub(crate) fn lanes(&self) -> Lanes {
        let (large_min, large) = self.large.unwrap_or((usize::MAX, 0));
        Lanes { links: self.connections, large, large_min }
    }

    pub(crate) fn link_options(&self) -> LinkOptions {
        LinkOptions {
            limits: Arc::new(self.limits.clone()),
            dialer: self.dialer.clone(),
            dial_timeout: self.dial_timeout,
            backoff_base: self.backoff_base,
            backoff_cap: self.backoff_cap,
            resolve_interval: self.resolve_interval,
            suspension: self.suspension,
            observer: self.observer.clone(),
            #[cfg(feature = "tracing")]
            is_logged: self.is_logged,
        }
    }
}

/// The shortest interval between two look-ups: a shorter one asks a name service for nothing new.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The longest interval between two look-ups, and the longest dial: beyond a day it is as good as never, and far from where times have
/// an end.
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// An interval between two look-ups.
pub(crate) fn bounded(interval: Duration) -> Duration {
    interval.clamp(INTERVAL_MIN, INTERVAL_MAX)
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("timeout", &self.timeout)
            .field("wait_when_full", &self.wait_when_full)
            .field("connections_per_server", &self.connections)
            .field("large_lane", &self.large)
            .field("dial_timeout", &self.dial_timeout)
            .field("backoff", &(self.backoff_base, self.backoff_cap))
            .field("resolve_interval", &self.resolve_interval)
            .field("suspension", &self.suspension)
            .field("when_down", &self.when_down)
            .field("limits", &self.limits)
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}

/// The same server twice would get twice its share, or be two servers that are one.
pub(crate) fn check_servers(servers: &[Server], settings: &Settings) -> Result<(), ConfigError> {
    settings.check()?;
    servers.iter().try_for_each(|server| settings.check_address(&server.address))?;
    let mut names: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ConfigError::DuplicateServer(pair[0].to_owned()));
    }
    let mut addresses: Vec<_> = servers.iter().map(|server| (server.address.to_string(), &server.name)).collect();
    addresses.sort_unstable();
    match addresses.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => {
            let (one, other) = (pair[0].1.clone(), pair[1].1.clone());
            Err(ConfigError::SameAddress { address: pair[0].0.clone(), one, other })
        }
        None => Ok(()),
    }
}
