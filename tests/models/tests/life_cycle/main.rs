//! Every interleaving of small machines, without a bug and with each that is put back.

mod machines;

use std::borrow::Cow;

use machines::*;
use models::{Action, Config, Machine, Op, Seeded, State, Violation};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// The checker's view of a machine.
struct Checked(Machine);

/// Whether it has not gone wrong in that way.
fn holds<const BIT: u16>(_: &Checked, state: &State) -> bool {
    state.broken & 1 << BIT == 0
}

impl Model for Checked {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.0.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.0.after(state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no step touches what is freed", holds::<{ Violation::UseAfterFree as u16 }>),
            Property::always("a thread is in one place", holds::<{ Violation::Owners as u16 }>),
            Property::always("a CPU returns through its own thread", holds::<{ Violation::Return as u16 }>),
            Property::always("no end runs inside anything", holds::<{ Violation::NestedEnd as u16 }>),
            Property::always("no lock is taken twice", holds::<{ Violation::LockTwice as u16 }>),
            Property::always("a reply goes to its call", holds::<{ Violation::WrongCaller as u16 }>),
            Property::always("a deadline ends its own wait", holds::<{ Violation::WrongDeadline as u16 }>),
            Property::always("nobody is lost in the end", holds::<{ Violation::Lost as u16 }>),
        ]
    }
}

/// The name of the property.
fn name(violation: Violation) -> Cow<'static, str> {
    let machine = Machine { config: Config::default() };
    Checked(machine).properties()[violation as usize].name.into()
}

/// No property fails; answers how many states there are.
fn sound(what: &str, config: Config) -> usize {
    let checker = Checked(Machine { config }).checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    let states = checker.unique_state_count();
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        for (state, action) in path.into_vec() {
            let cpus: Vec<_> = state.cpus.iter().map(|cpu| (cpu.current, &cpu.todo)).collect();
            println!("{action:?} of {cpus:?}, locked: {:?}", state.locks);
        }
        panic!("{what}: not so: {property}");
    }
    assert!(states > 20, "{what}: something happens");
    states
}

/// The bug makes that property fail; prints after how many steps.
fn finds(seeded: Seeded, violation: Violation, config: Config) {
    let property = name(violation);
    let only = HasDiscoveries::AnyOf([name_of(&property)].into());
    let config = Config { seeded: Some(seeded), ..config };
    let checker = Checked(Machine { config }).checker().finish_when(only).spawn_bfs().join();
    let discoveries = checker.discoveries();
    let found = discoveries.get(&*property);
    let others: Vec<_> = discoveries.keys().collect();
    let Some(path) = found else {
        panic!("{seeded:?} is not found by {property:?}, in {} states; but {others:?}", checker.unique_state_count());
    };
    println!("{seeded:?}: {property:?} fails after {} steps", path.clone().into_actions().len());
}

fn name_of(property: &str) -> &'static str {
    Violation::ALL
        .iter()
        .map(|it| name(*it))
        .find_map(|name| match name {
            Cow::Borrowed(name) if name == property => Some(name),
            _ => None,
        })
        .unwrap_or_default()
}

/// No property fails of any of the machines.
fn all_sound(cpus: usize) {
    let machines = matrix(cpus);
    let states: usize = machines.iter().map(|machine| sound(&format!("{machine:?}"), machine.clone())).sum();
    println!("every operation against every end, {cpus} CPUs: {} machines, {states} states", machines.len());
}

fn scenarios_are_sound(cpus: usize) {
    for (what, make) in SCENARIOS {
        let states = sound(what, make(cpus));
        println!("{what}, {cpus} CPUs: {states} states");
    }
}

#[test]
fn every_operation_stands_every_end_on_two_cpus() {
    all_sound(2);
}

#[test]
fn nothing_goes_wrong_on_two_cpus() {
    scenarios_are_sound(2);
}

#[test]
fn nothing_goes_wrong_on_three_cpus() {
    scenarios_are_sound(3);
}

#[test]
fn the_last_reference_that_ends_its_holder_is_found() {
    finds(Seeded::LastReferenceEnds, Violation::UseAfterFree, saved_reply(2, Op::ReadRegisters(1)));
}

#[test]
fn a_stale_link_to_a_server_is_found() {
    finds(Seeded::StaleServer, Violation::UseAfterFree, forgotten_client(2, 0));
}

#[test]
fn an_end_inside_a_wake_is_found() {
    finds(Seeded::EndInWake, Violation::Return, signalled_pager(2));
}

#[test]
fn a_drivers_lock_that_is_taken_twice_is_found() {
    finds(Seeded::WakeUnderLock, Violation::LockTwice, killed_driver(2, 1));
}

#[test]
fn a_capability_dropped_under_locks_is_found() {
    finds(Seeded::DropUnderLock, Violation::LockTwice, refused_handler(2));
}

#[test]
fn a_thread_that_is_lost_in_hands_is_found() {
    finds(Seeded::LostInHands, Violation::Lost, received_while_killed(2, Op::Call(0)));
}

#[test]
fn a_limit_that_outlives_its_fault_is_found() {
    finds(Seeded::LimitOutlives, Violation::WrongDeadline, outlived_limit(2));
}

#[test]
fn a_client_that_is_put_back_is_found() {
    finds(Seeded::PutBack, Violation::WrongCaller, cleared_breakpoint(3));
}

#[test]
fn a_limit_that_is_asked_too_early_is_found_with_a_new_handler() {
    finds(Seeded::LimitAskedEarly, Violation::WrongDeadline, outlived_limit(2));
}

#[test]
fn a_limit_that_is_asked_too_early_is_found_with_a_cleared_breakpoint() {
    finds(Seeded::LimitAskedEarly, Violation::WrongDeadline, cleared_limit(3));
}
