//! The embedded server through each of its doors: every conversation whole, some in pieces and cut off.

use std::time::{Duration, UNIX_EPOCH};

use memlink_conversations::{Conversation, Match, Release, Scene, Step};
use memlink_testserver::TestServer;

use crate::doors::{self, Door, Stream};
use crate::embedded::{PIECES, PieceLen, WHOLE, held, report, settings};
use crate::real::{exchange, shown};

/// In pieces and cut off every so many-th conversation is held: what the door does to the bytes does not depend on them.
const SAMPLE_EVERY: usize = 8;

/// At how many places the requests of one conversation are cut off: each takes a server of its own.
const CUTS_MAX: usize = 12;

#[test]
fn the_embedded_server_answers_over_tcp() {
    check(Door::Tcp);
}

#[test]
fn the_embedded_server_answers_over_a_unix_socket() {
    check(Door::Unix);
}

#[test]
fn the_embedded_server_answers_over_tls() {
    check(Door::Tls);
}

#[test]
fn the_embedded_server_answers_through_a_pipe_in_memory() {
    check(Door::Pipe);
}

fn check(door: Door) {
    let all = memlink_conversations::all().expect("the table can be read");
    for release in Release::ALL {
        let held = held(&all, release);
        let wrong: Vec<String> = held.iter().filter_map(|said| hold(said, release, door, WHOLE).err()).collect();
        let sample: Vec<_> = held.iter().step_by(SAMPLE_EVERY).collect();
        let in_pieces: Vec<String> = sample.iter().filter_map(|said| hold(said, release, door, PIECES).err()).collect();
        let (mut cuts, mut cut_wrong) = (0, Vec::new());
        for said in &sample {
            for at in places(said, release) {
                cuts += 1;
                cut_wrong.extend(cut(said, release, door, at).err());
            }
        }
        println!(
            "embedded server as {} over {}: {} conversations held, {} agree; in pieces {} held, {} agree; cut off {cuts} \
             times, {} agree",
            release.text(),
            door.name(),
            held.len(),
            held.len() - wrong.len(),
            sample.len(),
            sample.len() - in_pieces.len(),
            cuts - cut_wrong.len(),
        );
        assert!(cuts > 0 && !held.is_empty(), "nothing was held");
        let wrong = [wrong, in_pieces, cut_wrong].concat();
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// A server for one conversation, and the connection to it.
struct Held {
    server: TestServer,
    stream: Stream,
    scene: Scene,
}

impl Held {
    fn open(conversation: &Conversation, release: Release, door: Door) -> Result<Held, String> {
        let builder = TestServer::builder().settings(settings(release, &conversation.startup));
        let builder = match door {
            Door::Tcp | Door::Pipe => builder,
            Door::Unix => builder.unix_socket(doors::new_path(".sock")),
            Door::Tls => builder.tls(doors::shown_by_server().clone()),
        };
        let server = builder.start_blocking().map_err(|error| error.to_string())?;
        let stream = match door {
            Door::Tcp => Stream::tcp(server.addr()),
            Door::Unix => Stream::unix(server.unix_path().ok_or("it has no path")?),
            Door::Tls => Stream::tls(server.addr()),
            Door::Pipe => Stream::pipe(|far| server.serve(far)),
        }?;
        let now = UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
        Ok(Held { server, stream, scene: Scene::new(now, release.text()) })
    }

    fn wait(&mut self, seconds: u64) {
        self.server.clock().advance(Duration::from_secs(seconds));
        self.scene.now += seconds;
    }
}

fn hold(conversation: &Conversation, release: Release, door: Door, piece_len: PieceLen) -> Result<(), String> {
    let mut held = Held::open(conversation, release, door).map_err(|wrong| report(conversation, &wrong))?;
    for step in &conversation.steps {
        match step {
            Step::Wait(seconds) => held.wait(*seconds),
            Step::Closed if held.stream.is_closed() => return Ok(()),
            Step::Closed => return Err(report(conversation, "the connection is not closed")),
            Step::Talk(talk) => {
                let request = talk.request(release).fill(&held.scene)?;
                let pieces: Vec<&[u8]> = request.chunks(piece_len(request.len()).max(1)).collect();
                exchange(&pieces, &talk.reply(release), &mut held.scene, &mut held.stream)
                    .map_err(|wrong| report(conversation, &wrong))?;
            }
        }
    }
    // What was said too much comes in front of the end.
    match held.stream.cut(b"") {
        Ok(more) if more.is_empty() => Ok(()),
        other => Err(report(conversation, &format!("behind it comes {other:?}"))),
    }
}

/// Which talk is cut off, and in which of its thousandths.
type Place = (usize, usize);

/// All talks in turn, further and further into each.
fn places(conversation: &Conversation, release: Release) -> Vec<Place> {
    let is_talk = |step: &&Step| matches!(step, Step::Talk(talk) if !talk.request(release).is_empty());
    let talks = conversation.steps.iter().filter(is_talk).count().min(CUTS_MAX);
    let parts = CUTS_MAX.checked_div(talks).unwrap_or_default();
    (0..talks).flat_map(|talk| (1..=parts).map(move |part| (talk, part * 1000 / (parts + 1)))).collect()
}

/// Up to the cut all is as ever. Of what was cut off the beginning of the replies comes, then the end, and nothing else.
fn cut(conversation: &Conversation, release: Release, door: Door, (cut, part): Place) -> Result<(), String> {
    let mut held = Held::open(conversation, release, door).map_err(|wrong| report(conversation, &wrong))?;
    let mut talks = 0;
    for step in &conversation.steps {
        let talk = match step {
            Step::Wait(seconds) => {
                held.wait(*seconds);
                continue;
            }
            Step::Closed => return Ok(()),
            Step::Talk(talk) => talk,
        };
        let request = talk.request(release).fill(&held.scene)?;
        let reply = talk.reply(release);
        if request.is_empty() || talks < cut {
            talks += usize::from(!request.is_empty());
            exchange(&[&request], &reply, &mut held.scene, &mut held.stream)
                .map_err(|wrong| report(conversation, &wrong))?;
            continue;
        }
        let at = request.len() * part / 1000;
        let is_right = match held.stream.cut(&request[..at]) {
            Ok(answered) => match reply.compare(&answered, &mut held.scene) {
                Match::More => true,
                Match::Whole(len) => len == answered.len(),
                Match::Differs(_) => false,
            }
            .then_some(())
            .ok_or_else(|| format!("answered {}", shown(&answered))),
            Err(error) => Err(error),
        };
        return is_right
            .map_err(|wrong| report(conversation, &format!("{} cut off at {at}: {wrong}", shown(&request))));
    }
    Ok(())
}
