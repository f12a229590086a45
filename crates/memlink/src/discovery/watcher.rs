use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::select;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::united::Answers;
use super::{Discover, DiscoveryError, Sources};
use crate::cluster::{Cluster, Routing, WeakCluster};
use crate::config::{ConfigError, Server, Settings, bounded};
use crate::event::Event;
use crate::link::{ConnectFuture, Connector, LinkOptions, LinkProtocol, spread};
use crate::policy::Backoff;
use crate::transport::Address;

/// Asks the sources of one cluster, in a task that ends with it.
///
/// ```text
///   build            no task; commands go to a placeholder for the servers to come
///   first dial       the task begins, on the runtime of that dial; of the placeholder first, of any server should its runtime end
///   all answered     the list replaces the placeholder, whose commands go to the servers that have their keys
///   a source fails   before that: the placeholder is down, with the reason; later: nothing changes but that it is told
/// ```
pub(super) struct Watcher<P: LinkProtocol> {
    sources: Sources,
    /// What each of them is called.
    names: Vec<Arc<str>>,
    settings: Settings,
    options: LinkOptions,
    /// Set as soon as there is one. The cluster keeps its watcher, and not the other way round.
    cluster: OnceLock<(WeakCluster<P>, watch::Receiver<bool>)>,
    is_running: AtomicBool,
    /// For whoever waits for the first list.
    failures: watch::Sender<Failures>,
    #[cfg(feature = "tracing")]
    log: crate::log::Limiter,
}

#[derive(Default)]
struct Failures {
    count: u64,
    last: String,
}

/// How long a source has for its answer: two tries of a resolver with a common timeout of five seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long what is in flight on a server may go on when the server is no longer found: five times what a request has by default.
const GRACE: Duration = Duration::from_secs(5);

impl<P: LinkProtocol> Watcher<P> {
    pub(super) fn cluster(
        sources: Sources,
        protocol: P,
        settings: Settings,
        routing: Box<dyn Routing>,
    ) -> Result<Cluster<P>, ConfigError> {
        let names: Vec<Arc<str>> = sources.sources.iter().map(|source| source.source().into()).collect();
        // Nothing is dialled there: it is of a domain that is set apart for names of nobody.
        let nowhere = Address::Tcp { host: "discovery.invalid".to_owned(), port: 1 };
        let placeholder = Server::at(nowhere).named(names.join(", "));
        let watcher = Arc::new(Watcher {
            sources,
            names,
            // Without what is prepared below: who asks must not keep itself alive.
            settings: settings.clone(),
            options: settings.link_options(),
            cluster: OnceLock::new(),
            is_running: AtomicBool::new(false),
            failures: watch::Sender::default(),
            #[cfg(feature = "tracing")]
            log: crate::log::Limiter::default(),
        });
        let at_dials = watcher.clone();
        let settings = settings.with_dialer(|dialer| {
            dialer.also_prepare(Arc::new(move |_| {
                at_dials.ensure_runs();
                Box::pin(async { Ok(()) })
            }));
        });
        let connector = Arc::new(Placeholder(watcher.clone()));
        let cluster = Cluster::waiting(protocol, settings, routing, placeholder, connector)?;
        // Nobody else has set it.
        let _ = watcher.cluster.set((cluster.downgrade(), cluster.ended()));
        Ok(cluster)
    }

    /// Sees that a task asks the sources, on this runtime if there is none. Without a runtime nobody can dial either.
    fn ensure_runs(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.is_running.swap(true, Ordering::AcqRel) {
            let running = Running(self.clone());
            runtime.spawn(async move { running.0.run().await });
        }
    }

    async fn run(self: &Arc<Self>) {
        let Some((_, ended)) = self.cluster.get() else { return };
        let mut ended = ended.clone();
        let ended = std::pin::pin!(async move {
            // An error means that it is gone, which is an end, too.
            let _ = ended.wait_for(|is_closed| *is_closed).await;
        });
        select(ended, std::pin::pin!(self.watch())).await;
    }

    /// Asks for ever.
    async fn watch(self: &Arc<Self>) {
        let mut answers = Answers::new(self.sources.servers.clone(), self.sources.sources.len());
        let mut asked = JoinSet::new();
        let backoff = || Backoff::new(self.settings.backoff_base, self.settings.backoff_cap);
        let ask = |asked: &mut _, source| Asked { id: self.ask(asked, source, Duration::ZERO), backoff: backoff() };
        let mut asks: Vec<_> = self.sources.sources.iter().map(|source| ask(&mut asked, source)).collect();
        // Tasks of their own, because they run foreign code: a panic is a failed look-up and no more.
        while let Some(ended) = asked.join_next_with_id().await {
            let (id, (answer, interval)) = match ended {
                Ok(ended) => ended,
                Err(error) => (error.id(), (Err(DiscoveryError::Failed(error.to_string())), Duration::MAX)),
            };
            let Some(index) = asks.iter().position(|ask| ask.id == id) else { continue };
            let (Some(ask), Some(source)) = (asks.get_mut(index), self.sources.sources.get(index)) else { continue };
            let taken = match answer.and_then(|servers| answers.take(index, servers)) {
                Ok(Some(servers)) => match self.apply(servers).await {
                    Err(DiscoveryError::Unusable(_)) if self.blame_others(index, &mut answers).await => Ok(()),
                    applied => applied.inspect_err(|_| answers.forget()),
                },
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            let interval = spread(self.sources.interval.unwrap_or_else(|| bounded(interval)));
            let wait = match taken {
                Ok(()) => {
                    ask.backoff = backoff();
                    interval
                }
                Err(error) => {
                    self.tell(index, &error);
                    interval.min(ask.backoff.next_wait(fastrand::u64(..)))
                }
            };
            ask.id = self.ask(&mut asked, source, wait);
        }
    }

    fn ask(&self, asked: &mut JoinSet<Answer>, source: &Arc<dyn Discover>, wait: Duration) -> Id {
        let (source, settings) = (source.clone(), self.settings.clone());
        let task = asked.spawn(async move {
            sleep(wait).await;
            let answer = timeout(ANSWER_TIMEOUT, source.discover(&settings)).await;
            (answer.unwrap_or(Err(DiscoveryError::TimedOut)), source.interval())
        });
        task.id()
    }

    /// Makes these the servers. The routing takes some milliseconds, which are nobody's here.
    async fn apply(&self, servers: Vec<Server>) -> Result<(), DiscoveryError> {
        let Some(cluster) = self.cluster.get().and_then(|(cluster, _)| cluster.upgrade()) else { return Ok(()) };
        if cluster.topology().servers().eq(&servers) {
            return Ok(());
        }
        let replaced = spawn_blocking(move || cluster.replace(servers, GRACE).map(|_| ())).await;
        match replaced.map_err(|error| DiscoveryError::Failed(error.to_string()))? {
            Ok(()) | Err(ConfigError::Closed) => Ok(()),
            Err(error) => Err(DiscoveryError::Unusable(error)),
        }
    }

    /// The servers of all sources together cannot be routed to. Where those of others than the one that has answered last cannot by
    /// themselves, their answers are forgotten, and they are named.
    async fn blame_others(&self, last: usize, answers: &mut Answers) -> bool {
        let Some(cluster) = self.cluster.get().and_then(|(cluster, _)| cluster.upgrade()) else { return false };
        let others = answers.each().filter(|(source, servers)| *source != last && !servers.is_empty());
        let others: Vec<_> = others.map(|(source, servers)| (source, servers.to_vec())).collect();
        let judge = move |(source, servers): (usize, Vec<Server>)| Some((source, cluster.check(&servers).err()?));
        // Some milliseconds for each, which are nobody's here.
        let judged = spawn_blocking(move || others.into_iter().filter_map(judge).collect::<Vec<_>>()).await;
        let guilty = judged.unwrap_or_default();
        for (source, error) in &guilty {
            answers.forget_source(*source);
            self.tell(*source, &DiscoveryError::Unusable(error.clone()));
        }
        !guilty.is_empty()
    }

    fn tell(&self, source: usize, error: &DiscoveryError) {
        let source = self.names.get(source).cloned().unwrap_or_default();
        self.failures.send_modify(|failures| {
            failures.count += 1;
            failures.last = format!("no servers from {source}: {error}");
        });
        let event = Event::DiscoveryFailed { source, error: error.to_string().into() };
        if let Some(observer) = &self.options.observer {
            // Where one that serves a link panics the next command begins anew; here nobody would.
            let _ = catch_unwind(AssertUnwindSafe(|| observer(&event)));
        }
        #[cfg(feature = "tracing")]
        self.log.event(&event);
    }
}

/// What a source has said, and how long after that it is to be asked again.
type Answer = (Result<Vec<Server>, DiscoveryError>, Duration);

/// A source that is being asked, now or after a wait.
struct Asked {
    id: Id,
    backoff: Backoff,
}

/// The task is there; also when it ends by a panic, or with its runtime.
struct Running<P: LinkProtocol>(Arc<Watcher<P>>);

impl<P: LinkProtocol> Drop for Running<P> {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

/// Is dialled while no server is known. A dial lasts until the servers are there, and with them the end of the placeholder, or until a
/// source has failed.
struct Placeholder<P: LinkProtocol>(Arc<Watcher<P>>);

impl<P: LinkProtocol> Connector for Placeholder<P> {
    fn connect(&self, _: &Address) -> ConnectFuture {
        let watcher = self.0.clone();
        Box::pin(async move {
            let mut failures = watcher.failures.subscribe();
            let before = failures.borrow().count;
            watcher.ensure_runs();
            let failed = failures.wait_for(|failures| failures.count > before).await;
            match failed.map(|failures| failures.last.clone()) {
                Ok(why) => Err(io::Error::other(why)),
                // The sender lives in `watcher`.
                Err(_) => pending().await,
            }
        })
    }
}
