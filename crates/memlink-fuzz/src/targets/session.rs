use std::cell::RefCell;
use std::time::Duration;

use bytes::BytesMut;
use memlink_testserver::{Cache, Session, Settings, Step, User, Version};

use crate::Choices;
use crate::command::NOW;
use crate::feed::Cuts;
use crate::memory::Measure;

const CLOCK: Duration = Duration::from_secs(NOW);

/// How much the server keeps.
const ITEM_BYTES_MAX: usize = 16 * 1024;

/// Most that is written before the socket is asked: the server's own bound, and the reply that went beyond it.
const OUTPUT_MAX: usize = (1024 + 64) * 1024;

/// Whatever a client sends, the embedded server neither panics nor hoards.
///
/// ```text
///   setup, cuts | what the client sends
/// ```
pub fn session(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (setup, cuts) = (choices.byte(), Cuts::of(choices.byte()));
    let stream = choices.rest();
    let whole = serve(setup, stream, Cuts::Whole);
    let cut = serve(setup, stream, cuts);
    if may_be_cut(setup, stream) {
        let is_same = whole.0.starts_with(&cut.0) || cut.0.starts_with(&whole.0);
        assert!(is_same, "whole {}\n  cut {}", whole.0.escape_ascii(), cut.0.escape_ascii());
        assert_eq!(whole.1, cut.1, "the end depends on how the bytes were cut");
    }
}

/// Whether how it is cut changes nothing. A counter that was fetched in the same read is not changed in place, several failures to
/// sign in that come in one piece are answered as one, and statistics count reads. While a value is awaited nothing is written, so one may have
/// written more of the same.
fn may_be_cut(setup: u8, stream: &[u8]) -> bool {
    let has = |word: &[u8]| stream.windows(word.len()).any(|window| window == word);
    let words: [&[u8]; 6] = [b"ma", b"incr", b"decr", b"stats", b"shutdown", b"HTTP/"];
    setup & 8 == 0 && !words.into_iter().any(has)
}

thread_local! {
    static OUTPUT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The beginning of what is answered, and how the conversation has ended.
fn serve(setup: u8, stream: &[u8], cuts: Cuts) -> (Vec<u8>, Option<Step>) {
    OUTPUT.with_borrow_mut(|output| serve_into(setup, stream, cuts, output))
}

/// How much of an answer is compared.
const COMPARED_MAX: usize = 16 * 1024;

fn serve_into(setup: u8, stream: &[u8], mut cuts: Cuts, output: &mut BytesMut) -> (Vec<u8>, Option<Step>) {
    let mut settings = Settings::default();
    settings.version = if setup & 1 == 0 { Version::V1_6_45 } else { Version::V1_6_18 };
    settings.memory_bytes_max = ITEM_BYTES_MAX;
    settings.evicts = setup & 2 == 0;
    settings.shutdown_allowed = setup & 4 != 0;
    if setup & 8 != 0 {
        settings.users.push(User { name: "u".into(), password: "p".into() });
    }
    let mut answer = Vec::with_capacity(COMPARED_MAX);
    let measure = Measure::begin();
    let mut cache = Cache::new(settings, CLOCK);
    let mut session = Session::new(&mut cache);
    let (mut input, mut rest, mut largest, mut last) = (BytesMut::new(), stream, 0, None);
    'read: while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cuts.next().min(rest.len()));
        rest = behind;
        input.extend_from_slice(piece);
        for turn in 0.. {
            output.clear();
            let before = input.len();
            let step = session.handle(&mut cache, CLOCK, &mut input, output);
            assert!(output.len() <= OUTPUT_MAX, "{} bytes were written at once", output.len());
            assert!(
                step != Step::WriteOutput || !output.is_empty() || input.len() < before || turn < 2_000,
                "it goes on for ever"
            );
            let len = output.len().min(COMPARED_MAX - answer.len());
            answer.extend_from_slice(output.get(..len).unwrap_or_default());
            largest = largest.max(output.len());
            match step {
                Step::NeedInput => break,
                Step::WriteOutput => {}
                end => {
                    last = Some(end);
                    break 'read;
                }
            }
        }
    }
    let over = measure.peak().saturating_sub(4 * (stream.len() + largest) + ITEM_BYTES_MAX + 64 * 1024);
    assert_eq!(over, 0, "{} bytes for {} received and {largest} sent", measure.peak(), stream.len());
    session.end(&mut cache);
    output.clear();
    let step = session.handle(&mut cache, CLOCK, &mut BytesMut::from(&b"mn\r\n"[..]), output);
    assert_eq!((step, output.len()), (Step::Close, 0), "an ended session stays ended");
    (answer, last)
}
