//! Very many keys as a stream: each has its outcome, once, whatever becomes of the others and of the servers.

mod forms;
mod frozen;
mod servers;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memlink::streaming::Takes;
use memlink::{Error, ErrorKind, ManyStream, Outcome};

use crate::pipe::End;

/// All outcomes by their index. Each has come exactly once.
async fn all<I: Iterator, F: Takes<I::Item>>(stream: ManyStream<I, F>) -> Vec<Result<F::Output, Error>> {
    let mut stream = stream;
    let mut outcomes: Vec<Option<Result<F::Output, Error>>> = Vec::new();
    while let Some((index, outcome)) = stream.next().await {
        if outcomes.len() <= index {
            outcomes.resize_with(index + 1, || None);
        }
        assert!(outcomes[index].replace(outcome).is_none(), "{index} has come twice");
    }
    assert!(stream.next().await.is_none(), "an end stays an end");
    outcomes.into_iter().map(|outcome| outcome.expect("each index has come")).collect()
}

fn keys(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("key-{n}")).collect()
}

fn kinds<T>(outcome: &Result<T, Error>) -> Option<(ErrorKind, Outcome)> {
    outcome.as_ref().err().map(|error| (error.kind(), error.outcome()))
}

/// What has been asked for and not been answered.
#[derive(Debug, Default)]
struct Owed {
    lines: Vec<String>,
    keys: usize,
    bytes: usize,
}

/// Reads until nothing more comes, which is when the client's window is full.
async fn read_all(end: &mut End) -> Owed {
    let (mut owed, mut text) = (Owed::default(), end.some_or_end().await.unwrap_or_default());
    while let Ok(more) = tokio::time::timeout(Duration::from_millis(1), end.some_or_end()).await {
        match more {
            Some(more) => text.push_str(&more),
            None => break,
        }
    }
    owed.bytes = text.len();
    // The line of a value begins with no command's name.
    for line in text.split("\r\n") {
        let words: Vec<_> = line.split(' ').collect();
        owed.keys += match words[0] {
            "get" => words.len() - 1,
            "mg" | "ms" | "md" => 1,
            _ => 0,
        };
        if matches!(words[0], "get" | "mg" | "ms" | "md" | "mn") {
            owed.lines.push(line.to_owned());
        }
    }
    owed
}

/// Answers all of it, gets with values of so many bytes.
async fn answer(end: &mut End, owed: &Owed, value_len: usize) {
    for line in &owed.lines {
        let words: Vec<_> = line.split(' ').collect();
        match words[0] {
            "get" => {
                for key in &words[1..] {
                    end.say(&format!("VALUE {key} 0 {value_len}\r\n{}\r\n", "v".repeat(value_len))).await;
                }
                end.say("END\r\n").await;
            }
            "mg" => end.say(&format!("VA {value_len}\r\n{}\r\n", "v".repeat(value_len))).await,
            "mn" => end.say("MN\r\n").await,
            _ => end.say("HD\r\n").await,
        }
    }
}

/// Answers until the client closes, gets with values of 100 bytes, and counts the keys.
async fn serve_counting(mut end: End, count: Arc<AtomicUsize>) {
    loop {
        let owed = read_all(&mut end).await;
        if owed.bytes == 0 {
            return;
        }
        count.fetch_add(owed.keys, Ordering::SeqCst);
        answer(&mut end, &owed, 100).await;
    }
}

async fn serve(end: End) {
    serve_counting(end, Arc::default()).await;
}
