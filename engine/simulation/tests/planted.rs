//! The checkers bite: each fault that is planted in the engine is found within a few seeds. The full list, with
//! more seeds, is `cargo run --release -p homeroom-simulation -- --fault all --seeds 0..1000`.

use homeroom_engine::planted::Fault;
use homeroom_simulation::{Plan, STEPS, run};

#[test]
fn every_planted_fault_is_found() {
    let missed: Vec<_> = (Fault::ALL.iter())
        .filter(|fault| {
            !(0..300).any(|seed| run(&Plan::new(seed, STEPS), Some(**fault)).broken.is_some())
        })
        .map(|fault| fault.name())
        .collect();
    assert_eq!(missed, [""; 0]);
}
