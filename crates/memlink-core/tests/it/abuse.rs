//! A protocol that is wrong in itself: whatever it says, the engine neither panics nor loops, and everybody is told.

use std::sync::Arc;

use memlink_core::{
    Ask, Broken, Command, Connection, Encoder, Frame, Framed, Incoming, Limits, Looked, Malformed, Protocol, Refusal,
    Reply, Step, Tick, Transmit, Verdict,
};

/// Gives the verdicts of a list, whatever comes.
#[derive(Debug)]
struct Wrong {
    verdicts: Vec<Verdict>,
    steps: fn(usize) -> Step<(), ()>,
}

impl Protocol for Wrong {
    type Expect = ();
    type State = (usize, usize);
    type Peer = ();

    fn open(
        &self,
        state: &mut (usize, usize),
        _: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<(), ()>, Refusal> {
        state.0 += 1;
        let step = (self.steps)(state.0 - 1);
        if let Step::Send(expects) = &step {
            expects.iter().for_each(|()| out.put(b"open"));
        }
        Ok(step)
    }

    fn frame(&self, state: &mut (usize, usize), _: Option<Ask<'_, ()>>, _: &[u8], _: &Limits) -> Verdict {
        state.1 += 1;
        self.verdicts[(state.1 - 1) % self.verdicts.len()].clone()
    }
}

struct Any;

impl Command<Wrong> for Any {
    type Output = Reply;

    fn size_hint(&self) -> usize {
        usize::MAX
    }

    fn encode(&self, (): &(), _: u64, out: &mut Encoder<'_>) {
        out.put(b"any");
    }

    fn decode(&self, reply: Reply) -> Result<Reply, Malformed> {
        Ok(reply)
    }
}

struct Life {
    connection: Connection<Wrong, u32>,
    incoming: Incoming<Wrong>,
    transmit: Transmit<()>,
    woken: Vec<u32>,
}

impl Life {
    fn new(verdicts: &[Verdict], steps: fn(usize) -> Step<(), ()>) -> Life {
        let (protocol, limits) = (Arc::new(Wrong { verdicts: verdicts.to_vec(), steps }), Arc::new(Limits::default()));
        Life {
            connection: Connection::new(protocol.clone(), limits.clone()),
            incoming: Incoming::new(protocol, limits, Tick::ZERO),
            transmit: Transmit::default(),
            woken: Vec::new(),
        }
    }

    fn open(&mut self) -> Result<(), Broken> {
        self.connection.opened(Tick::ZERO, false, &mut self.incoming, &mut self.woken)
    }

    fn write(&mut self) {
        self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        self.incoming.handle_written(Tick::ZERO, &mut self.transmit, usize::MAX);
    }

    /// Lets `bytes` be framed until more are needed or the connection breaks.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.incoming.handle_bytes(Tick::ZERO, bytes);
        for _ in 0..1_000 {
            let framed = self.incoming.poll_replies();
            self.connection.handle_replies(Tick::ZERO, &mut self.incoming, &mut self.woken)?;
            if framed? == Framed::NeedInput {
                return Ok(());
            }
        }
        panic!("it never asks for more");
    }
}

fn ready(_: usize) -> Step<(), ()> {
    Step::Ready(())
}

/// Four bytes come for one command; gives how the connection stands then.
fn check(verdicts: &[Verdict]) -> Result<(), Broken> {
    let mut life = Life::new(verdicts, ready);
    life.open().expect("it opens at once");
    let token = life.connection.submit(&Any, Tick::NEVER, true, &mut Some(7)).expect("there is room").token;
    life.write();
    let result = life.receive(b"four");
    if let Err(why) = &result {
        assert!(life.incoming.poll_replies().is_err(), "what is broken stays so");
        drop(life.connection.closed(why, &mut life.transmit, &mut life.woken));
        assert_eq!(life.woken, [7]);
        assert!(matches!(life.connection.poll(token), Looked::Ended(_)));
    }
    result
}

fn reply(len: usize, tail: usize) -> Verdict {
    Verdict::Reply { len, tail }
}

#[test]
fn verdicts_that_the_input_does_not_allow_end_the_connection() {
    let why = Broken::Unsolicited;
    for verdict in [
        reply(0, 0),
        reply(5, 0),
        reply(usize::MAX, 0),
        reply(4, 5),
        reply(4, usize::MAX),
        Verdict::Part { len: 0, tail: 0 },
        Verdict::Part { len: 9, tail: 0 },
        Verdict::Last { len: 0, tail: 0, why: why.clone() },
        Verdict::Unasked { len: 0 },
        Verdict::Unasked { len: 5 },
        Verdict::More { total: usize::MAX },
        Verdict::Silence,
    ] {
        let broken = check(std::slice::from_ref(&verdict));
        let is_found = match verdict {
            Verdict::More { .. } => matches!(broken, Err(Broken::ReplyTooLarge { .. })),
            _ => matches!(broken, Err(Broken::Syntax(_))),
        };
        assert!(is_found, "{verdict:?} ends in {broken:?}");
    }
    assert_eq!(check(&[Verdict::More { total: 0 }]), Ok(()), "less than there is means one more");
    assert_eq!(check(&[Verdict::Last { len: 4, tail: 4, why: why.clone() }]), Err(why));
}

#[test]
fn silence_behind_a_part_does_not_give_the_part_to_the_next_command() {
    let verdicts = [Verdict::Part { len: 1, tail: 0 }, Verdict::Silence, reply(3, 0)];
    let mut life = Life::new(&verdicts, ready);
    life.open().expect("it opens at once");
    for n in 0..2 {
        life.connection.submit(&Any, Tick::NEVER, true, &mut Some(n)).expect("there is room");
        life.write();
    }
    assert!(matches!(life.receive(b"four"), Err(Broken::Syntax(_))));
    assert_eq!(life.woken, []);
}

#[test]
fn bytes_before_the_command_are_not_its_reply() {
    let last = Verdict::Last { len: 4, tail: 0, why: Broken::DriverGone };
    for verdict in [reply(4, 0), Verdict::Silence, Verdict::Part { len: 4, tail: 0 }, last] {
        let mut life = Life::new(&[Verdict::More { total: 4 }, verdict], ready);
        life.open().expect("it opens at once");
        life.receive(b"str").expect("it waits for more");
        life.connection.submit(&Any, Tick::NEVER, true, &mut Some(7)).expect("there is room");
        life.write();
        assert_eq!(life.receive(b"ay"), Err(Broken::Unsolicited));
    }
}

#[test]
fn an_opening_that_waits_for_nothing_or_ends_too_soon_is_broken() {
    for steps in [(|_| Step::Await) as fn(usize) -> _, |_| Step::Send(vec![])] {
        assert!(matches!(Life::new(&[reply(4, 0)], steps).open(), Err(Broken::Syntax(_))));
    }
    let mut life = Life::new(&[reply(4, 0)], |step| if step == 0 { Step::Send(vec![(), ()]) } else { Step::Ready(()) });
    life.open().expect("two are asked");
    life.write();
    assert!(matches!(life.receive(b"one_two_"), Err(Broken::Syntax(_))));
}

#[test]
fn a_length_that_grows_is_read_in_large_pieces() {
    let more = |total| Verdict::More { total };
    let verdicts = [more(100_000), more(0), more(0), more(0), reply(100_000, 0)];
    let mut life = Life::new(&verdicts, ready);
    life.open().expect("it opens at once");
    life.connection.submit(&Any, Tick::NEVER, true, &mut Some(7)).expect("there is room");
    life.write();
    let mut received = 0;
    while life.incoming.is_owed() {
        let n = life.incoming.read_with(|space| {
            let n = space.remaining_mut().min(60_000);
            space.put_bytes(b'x', n);
            n
        });
        assert!(received < 100_000 || n > 2_000, "{n} bytes after {received}");
        life.incoming.handle_input(Tick::ZERO, n);
        received += n;
        life.incoming.poll_replies().expect("it goes on and on");
    }
    life.connection.handle_replies(Tick::ZERO, &mut life.incoming, &mut life.woken).expect("one reply");
    assert_eq!(life.woken, [7]);
}
