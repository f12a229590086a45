//! Every order of a few steps.
//!
//! `SIMULATOR_PIECES` allows so many pieces in the worlds of four commands.

use memlink_simulator::Mutant;
use memlink_simulator::small::{Scope, Tried, explore, explore_mutant};

#[test]
fn every_order_of_up_to_four_commands() {
    let more = std::env::var("SIMULATOR_PIECES").ok().and_then(|text| text.parse().ok());
    let mut sum = Tried::default();
    for (commands, pieces) in [(1, 4), (2, 2), (3, 1), (4, more.unwrap_or(0))] {
        let (mut tried, mut worlds) = (Tried::default(), 0);
        for scope in Scope::all(commands, pieces) {
            tried.add(&explore(scope).unwrap_or_else(|wrong| panic!("{wrong}")));
            worlds += 1;
        }
        println!("{commands} commands, {pieces} pieces: {worlds} worlds, {} orders", tried.orders);
        assert!(tried.finished > 0 && tried.cut > tried.finished, "{tried:?}");
        sum.add(&tried);
    }
    println!("{} orders, {} steps, all of them right", sum.orders, sum.steps);
    assert!(sum.orders > 1_000_000);
}

/// What is about one connection alone shows in the smallest worlds.
#[test]
fn bugs_of_the_engine_show_in_small_worlds() {
    for mutant in [Mutant::PoppedOnTimeout, Mutant::PermitLeaked, Mutant::WaiterDropped] {
        let found = (1..=3)
            .flat_map(|commands| Scope::all(commands, 1))
            .find_map(|scope| explore_mutant(scope, Some(mutant)).err());
        assert!(found.is_some(), "{mutant} is not found");
    }
}
