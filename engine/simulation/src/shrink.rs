//! Runs of plans, and failing plans made smaller.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use homeroom_engine::planted::{Fault, plant};

use crate::{
    broken::Broken,
    plan::{Plan, Planned},
    world::World,
};

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Everything that happened, as one number: two runs of one plan have the same.
    pub trace: u64,
    /// The promise that did not hold, and the step, from 0 on, behind which that was seen.
    pub broken: Option<(usize, Broken)>,
}

/// Acts out a plan with this fault planted in the engine, or none.
#[must_use]
pub fn run(plan: &Plan, fault: Option<Fault>) -> Run {
    act_out(plan, fault, World::new(plan), &mut |_, _| ())
}

/// The same, telling of each step all that happened, in words.
pub fn run_aloud(
    plan: &Plan,
    fault: Option<Fault>,
    mut tell: impl FnMut(&Planned, Vec<String>),
) -> Run {
    let mut world = World::new(plan);
    world.take_notes();
    act_out(plan, fault, world, &mut |planned, world| {
        tell(planned, world.take_notes());
    })
}

fn act_out(
    plan: &Plan,
    fault: Option<Fault>,
    mut world: World,
    after: &mut dyn FnMut(&Planned, &mut World),
) -> Run {
    plant(fault);
    let mut broken = None;
    for (number, planned) in plan.steps.iter().enumerate() {
        let stepped = catch_unwind(AssertUnwindSafe(|| world.step(planned)));
        let stepped =
            stepped.unwrap_or_else(|panic| Err(Broken::new("nothing panics", said(&*panic))));
        after(planned, &mut world);
        if let Err(seen) = stepped {
            broken = Some((number, seen));
            break;
        }
    }
    plant(None);
    let trace = world.trace();
    Run { trace, broken }
}

/// The words of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_default()
}

/// Drops steps as long as the same promise is still broken: whole parts of the plan first, then smaller ones.
#[must_use]
pub fn shrink(plan: &Plan, fault: Option<Fault>) -> Plan {
    let mut smallest = plan.clone();
    let Some((last, broken)) = run(plan, fault).broken else {
        return smallest;
    };
    smallest.steps.truncate(last + 1);
    let mut part = smallest.steps.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < smallest.steps.len() {
            let mut fewer = smallest.clone();
            let end = (from + part).min(fewer.steps.len());
            fewer.steps.drain(from..end);
            match run(&fewer, fault).broken {
                Some((last, again)) if again.law == broken.law => {
                    fewer.steps.truncate(last + 1);
                    smallest = fewer;
                }
                _ => from += part,
            }
        }
        part /= 2;
    }
    smallest
}
