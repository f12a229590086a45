use std::ffi::{OsStr, OsString};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{ProcessError, because};
use crate::port::Port;

/// How long a server may take to start or to stop: far more than it does; a busy machine may need it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at what a process does.
const PAUSE: Duration = Duration::from_millis(2);

/// Where a server listens. What it was told in its options is meant; it is ready when all of it accepts connections.
#[derive(Debug)]
pub struct Listens {
    /// A port of the loopback.
    pub port: Option<Port>,
    /// A Unix socket, removed with the process.
    pub path: Option<PathBuf>,
}

/// A server's process.
#[derive(Debug)]
pub struct Process {
    program: OsString,
    options: Vec<OsString>,
    listens: Listens,
    child: Option<Child>,
}

impl Process {
    /// Starts `program` and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// When it cannot be started, ends at once, or does not listen in time.
    pub fn start(program: OsString, options: Vec<OsString>, listens: Listens) -> Result<Process, ProcessError> {
        let mut process = Process { program, options, listens, child: None };
        process.revive()?;
        Ok(process)
    }

    /// Starts it again, as it was started: on the same port, empty.
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub fn revive(&mut self) -> Result<(), ProcessError> {
        let mut command = Command::new(&self.program);
        command.args(&self.options);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.map_err(because(&format!("{} does not start", self.program.display())))?);
        let began = Instant::now();
        while !self.accepts() {
            if let Ok(Some(status)) = self.running()?.try_wait() {
                return Err(self.error(&format!("ended at once: {status}")));
            }
            if began.elapsed() > PATIENCE {
                return Err(self.error("does not listen in time"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn accepts(&self) -> bool {
        let Listens { port, path } = &self.listens;
        port.as_ref().is_none_or(|port| TcpStream::connect(port.address()).is_ok())
            && path.as_ref().is_none_or(|path| UnixStream::connect(path).is_ok())
    }

    /// SIGKILL, and waits for its end. No more than that if it is dead.
    ///
    /// # Errors
    ///
    /// When the system does not do it.
    pub fn kill(&mut self) -> Result<(), ProcessError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait()).map(drop).map_err(because("the process cannot be killed"))
    }

    /// SIGSTOP: its sockets stay open, and it answers nothing. Waits until all of its threads have stopped.
    ///
    /// # Errors
    ///
    /// When it is dead, or the system does not do it.
    pub fn freeze(&self) -> Result<(), ProcessError> {
        self.signal("STOP")?;
        // The signal is sent to the process; each of its threads stops when it next looks.
        let began = Instant::now();
        while !self.is_stopped()? {
            if began.elapsed() > PATIENCE {
                return Err(self.error("does not stop"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// SIGCONT: it goes on.
    ///
    /// # Errors
    ///
    /// When it is dead, or the system does not do it.
    pub fn thaw(&self) -> Result<(), ProcessError> {
        self.signal("CONT")
    }

    /// Whether the state of each thread is `T`.
    fn is_stopped(&self) -> Result<bool, ProcessError> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id()?)).map_err(because("it has no threads"))?;
        let stat = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("stat")).ok();
        let mut stats = threads.flatten().filter_map(stat);
        Ok(stats.all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))))
    }

    fn signal(&self, name: &str) -> Result<(), ProcessError> {
        let command = format!("kill -{name} {}", self.id()?);
        let status = Command::new("sh").args(["-c", &command]).status().map_err(because("sh does not run"))?;
        if status.success() { Ok(()) } else { Err(self.error(&format!("is not moved by {command}: {status}"))) }
    }

    /// The number of its process.
    ///
    /// # Errors
    ///
    /// When it is dead.
    pub fn id(&self) -> Result<u32, ProcessError> {
        self.child.as_ref().map(Child::id).ok_or_else(|| self.error("is dead"))
    }

    fn running(&mut self) -> Result<&mut Child, ProcessError> {
        self.child.as_mut().ok_or_else(|| ProcessError("the process is dead".to_owned()))
    }

    fn error(&self, what: &str) -> ProcessError {
        let options = self.options.join(OsStr::new(" "));
        ProcessError(format!("{} {} {what}", self.program.display(), options.display()))
    }

    /// Where it listens.
    #[must_use]
    pub fn listens(&self) -> &Listens {
        &self.listens
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A frozen one dies of SIGKILL as well. It may have ended by itself, which the test noticed by other means.
        let _ = self.kill();
        if let Some(path) = &self.listens.path {
            let _ = std::fs::remove_file(path);
        }
    }
}
