//! A little of everything.

use super::fault::Fault;
use std::time::Duration;

/// Times are short: what matters is that something else happens meanwhile.
const A_MOMENT: Duration = Duration::from_millis(2);

pub(super) fn mix(rate: f64) -> Vec<Fault> {
    let all = [
        Fault::reset_on_connect(),
        Fault::close_on_connect(),
        Fault::banner("ERROR Too many open connections"),
        Fault::delay_between(Duration::ZERO..=A_MOMENT),
        Fault::trickle(3, A_MOMENT / 2),
        Fault::coalesce(A_MOMENT),
        Fault::freeze().anywhere(),
        Fault::close(),
        Fault::close().anywhere(),
        Fault::reset(),
        Fault::reset().anywhere(),
        Fault::half_close().anywhere(),
        Fault::lose(),
        Fault::error_line("SERVER_ERROR out of memory storing object"),
        Fault::garbage(16),
        Fault::wrong_length(1),
        Fault::wrong_length(-1),
        Fault::no_line_end(),
        Fault::line_before("HD"),
        Fault::line_after("HD"),
        Fault::duplicate(),
        Fault::swallow(),
        Fault::swap(),
        Fault::wrong_opaque(),
    ];
    let share = rate / all.len() as f64;
    all.into_iter().map(|fault| fault.chance(share)).collect()
}
