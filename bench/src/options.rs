//! The command line.

use crate::workload::{WORKLOADS, Workload};

pub const USAGE: &str = "\
memlink-bench [workload ...] [option ...]     measures; all workloads unless some are named

workloads  W1 W2 W2R W2M W2D W3 W4 W5 W6 W7 W8 (W2 over TLS) W9 RESP, W10 (idle cost), tail (open loop),
           codec (without a server)

--quick              2 short repetitions: a look, not a measurement
--repetitions N      default 5
--window-ms N        length of one repetition, default 1000
--only TEXT          only clients whose name contains TEXT (memlink and the bare socket are always measured)
--flavours LIST      of ct,mt1,mt2: runtimes of those who run on tokio, default all
--json FILE          all figures, of every repetition
--no-perf            do not count system calls";

pub struct Options {
    pub workloads: Vec<&'static Workload>,
    pub idle: bool,
    pub tail: bool,
    pub codec: bool,
    pub quick: bool,
    pub repetitions: usize,
    pub window_ms: u64,
    pub only: String,
    pub flavours: Vec<String>,
    pub json: Option<String>,
    pub perf: bool,
}

impl Options {
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            workloads: Vec::new(),
            idle: false,
            tail: false,
            codec: false,
            quick: false,
            repetitions: 5,
            window_ms: 1_000,
            only: String::new(),
            flavours: vec!["ct".to_owned(), "mt1".to_owned(), "mt2".to_owned()],
            json: None,
            perf: true,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.to_ascii_lowercase().as_str() {
                "--quick" => (options.quick, options.repetitions, options.window_ms) = (true, 2, 300),
                "--repetitions" => options.repetitions = number(&value()?)?.max(1) as usize,
                "--window-ms" => options.window_ms = number(&value()?)?.max(50),
                "--only" => options.only = value()?.to_ascii_lowercase(),
                "--flavours" => options.flavours = value()?.split(',').map(str::to_owned).collect(),
                "--json" => options.json = Some(value()?),
                "--no-perf" => options.perf = false,
                "w10" => options.idle = true,
                "tail" => options.tail = true,
                "codec" => options.codec = true,
                name => match Workload::find(name) {
                    Some(workload) => options.workloads.push(workload),
                    None => return Err(format!("{word} is unknown")),
                },
            }
        }
        if options.workloads.is_empty() && !options.idle && !options.tail && !options.codec {
            options.workloads = WORKLOADS.iter().collect();
            (options.idle, options.tail, options.codec) = (true, true, true);
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
