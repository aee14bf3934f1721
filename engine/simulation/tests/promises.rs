//! Some hundred runs hold every promise, and each run is the same again.

use homeroom_simulation::{Plan, STEPS, run, shrink};

/// As many as a build without optimisations does in a few seconds.
const SEEDS: u64 = 300;

#[test]
fn every_promise_holds() {
    for seed in 0..SEEDS {
        let plan = Plan::new(seed, STEPS);
        if let Some((_, broken)) = run(&plan, None).broken {
            let steps: Vec<_> = shrink(&plan, None)
                .steps
                .iter()
                .map(|planned| planned.step.to_string())
                .collect();
            panic!("seed {seed}: {broken}\n{}", steps.join("\n"));
        }
    }
}

#[test]
fn a_seed_is_one_run() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let plan = Plan::new(seed, STEPS);
        let first = run(&plan, None);
        assert_eq!(first, run(&Plan::new(seed, STEPS), None), "seed {seed}");
        traces.insert(first.trace);
    }
    assert_eq!(traces.len(), 20, "other seeds are other runs");
}
