//! The order of the steps: of all that give the same results, the one with the least peak of the arena.
//!
//! What is alive after some steps depends on which steps these are, not on their order. So the search goes through the sets of
//! steps that may have run, from the empty one to all of them, and keeps the best way to each. Graphs with few branches have few
//! such sets; beyond a number of them only the most promising go on.

use std::collections::BTreeMap;

use tanbo_format::emit::{Artifact, StorageSpec};

/// Most sets of as many steps each that the search goes on from.
const MOST_SETS: usize = 1_000;

/// What an order takes: its peak, then the sum over its steps, bytes.
type Cost = (u64, u64);

/// Returns an order of the steps, as their numbers, with the least peak, if the peak of the given one is higher, or equal and more is
/// alive in the sum over the steps; `None` if none was found. Of orders with that peak, it need not have the least sum.
pub fn least_peak(artifact: &Artifact) -> Option<Vec<usize>> {
    let steps = Steps::of(artifact);
    let given = steps.cost(0..artifact.steps.len());
    let (order, cost) = steps.search(given)?;
    (cost < given).then_some(order)
}

/// A storage of the arena.
#[derive(Clone, Debug, Default)]
struct Life {
    bytes: u64,
    /// Steps that read or write it.
    users: Vec<usize>,
    /// The model's input: there before the first step.
    given: bool,
    /// The model's output: there after the last.
    kept: bool,
}

struct Steps {
    /// Steps that must come before each.
    before: Vec<Vec<usize>>,
    /// Storages each uses.
    uses: Vec<Vec<usize>>,
    scratch: Vec<u64>,
    lives: Vec<Life>,
}

/// A set of steps.
type Set = Vec<u64>;

fn holds(set: &[u64], step: usize) -> bool {
    set.get(step / 64).is_some_and(|word| word >> (step % 64) & 1 == 1)
}

/// The best way to a set of steps.
struct Way {
    cost: Cost,
    live: u64,
    /// Place in the list of all ways, from which the last step was taken.
    from: usize,
    step: usize,
}

impl Steps {
    fn of(artifact: &Artifact) -> Self {
        let storage_of =
            |tensor: &u16| artifact.tensors.get(usize::from(*tensor)).map(|tensor| usize::from(tensor.storage));
        let bytes = |storage: &StorageSpec| match storage {
            StorageSpec::Arena { bytes, .. } => u64::from(*bytes).next_multiple_of(4),
            // A state is there at all times.
            StorageSpec::State { .. } | StorageSpec::Constant(_) => 0,
        };
        let mut lives: Vec<Life> =
            artifact.storages.iter().map(|storage| Life { bytes: bytes(storage), ..Life::default() }).collect();
        artifact.inputs.iter().filter_map(storage_of).for_each(|storage| lives[storage].given = true);
        artifact.outputs.iter().filter_map(storage_of).for_each(|storage| lives[storage].kept = true);
        let (mut before, mut uses, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        // A read comes after the write before it, a write after all that used the storage before it: states keep their order.
        let mut writers: Vec<Option<usize>> = vec![None; lives.len()];
        for (number, step) in artifact.steps.iter().enumerate() {
            let written: Vec<usize> = step.states.iter().chain([&step.output]).filter_map(storage_of).collect();
            let mut used: Vec<usize> = step.inputs.iter().filter_map(storage_of).chain(written.clone()).collect();
            used.sort_unstable();
            used.dedup();
            let mut needs: Vec<usize> = used.iter().filter_map(|&storage| writers[storage]).collect();
            needs.extend(written.iter().flat_map(|&storage| lives[storage].users.iter().copied()));
            needs.sort_unstable();
            needs.dedup();
            used.iter().for_each(|&storage| lives[storage].users.push(number));
            written.iter().for_each(|&storage| writers[storage] = Some(number));
            before.push(needs);
            uses.push(used);
            let temporary = step.scratch.and_then(|storage| artifact.storages.get(usize::from(storage)));
            scratch.push(temporary.map_or(0, bytes));
        }
        Self { before, uses, scratch, lives }
    }

    /// Returns the bytes alive before the first step.
    fn at_first(&self) -> u64 {
        self.lives.iter().filter(|life| life.given).map(|life| life.bytes).sum()
    }

    /// Returns the bytes in use while `step` runs after the steps of `set`, and those alive after it.
    fn run(&self, set: &[u64], live: u64, step: usize) -> (u64, u64) {
        let (mut born, mut gone) = (0, 0);
        for life in self.uses[step].iter().map(|&storage| &self.lives[storage]) {
            if !life.given && !life.users.iter().any(|&user| holds(set, user)) {
                born += life.bytes;
            }
            if !life.kept && life.users.iter().all(|&user| user == step || holds(set, user)) {
                gone += life.bytes;
            }
        }
        (live + born + self.scratch[step], live + born - gone)
    }

    fn cost(&self, order: impl Iterator<Item = usize>) -> Cost {
        let mut set: Set = vec![0; self.before.len().div_ceil(64)];
        let (mut live, mut cost) = (self.at_first(), (0, 0));
        for step in order {
            let (bytes, after) = self.run(&set, live, step);
            cost = (bytes.max(cost.0), bytes + cost.1);
            live = after;
            set[step / 64] |= 1 << (step % 64);
        }
        cost
    }

    /// Returns the best order, and what it takes, of those whose peak is no higher than that of `given`.
    fn search(&self, given: Cost) -> Option<(Vec<usize>, Cost)> {
        let count = self.before.len();
        let mut ways = vec![Way { cost: (0, 0), live: self.at_first(), from: 0, step: 0 }];
        let mut level: Vec<(Set, usize)> = vec![(vec![0; count.div_ceil(64)], 0)];
        for _ in 0..count {
            let mut next: BTreeMap<Set, Way> = BTreeMap::new();
            for (set, from) in &level {
                let ready = |&step: &usize| !holds(set, step) && self.before[step].iter().all(|&need| holds(set, need));
                for step in (0..count).filter(ready) {
                    let (bytes, live) = self.run(set, ways[*from].live, step);
                    let cost = (bytes.max(ways[*from].cost.0), bytes + ways[*from].cost.1);
                    let mut after = set.clone();
                    after[step / 64] |= 1 << (step % 64);
                    let better = next.get(&after).is_none_or(|way| cost < way.cost);
                    if cost.0 <= given.0 && better {
                        next.insert(after, Way { cost, live, from: *from, step });
                    }
                }
            }
            let mut best: Vec<(Set, Way)> = next.into_iter().collect();
            best.sort_by_key(|(_, way)| (way.cost.0, way.live, way.cost.1));
            best.truncate(MOST_SETS);
            level.clear();
            for (set, way) in best {
                level.push((set, ways.len()));
                ways.push(way);
            }
        }
        let (_, mut at) = level.pop()?;
        let cost = ways[at].cost;
        let mut order = Vec::new();
        while order.len() < count {
            order.push(ways[at].step);
            at = ways[at].from;
        }
        order.reverse();
        Some((order, cost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random steps: each reads some of what is there and writes one storage.
    fn random(rng: &mut fastrand::Rng) -> Steps {
        let count = rng.usize(1..8);
        let mut lives = vec![Life { bytes: rng.u64(1..20), given: true, ..Life::default() }];
        let (mut before, mut uses) = (Vec::new(), Vec::new());
        for step in 0..count {
            let mut used: Vec<usize> = (0..rng.usize(1..3)).map(|_| rng.usize(..lives.len())).collect();
            used.sort_unstable();
            used.dedup();
            before.push(used.iter().filter(|&&storage| storage > 0).map(|storage| storage - 1).collect());
            used.push(lives.len());
            lives.push(Life { bytes: rng.u64(1..20), kept: step + 1 == count, ..Life::default() });
            used.iter().for_each(|&storage| lives[storage].users.push(step));
            uses.push(used);
        }
        Steps { before, uses, scratch: (0..count).map(|_| rng.u64(0..5)).collect(), lives }
    }

    fn every_order(steps: &Steps, order: &mut Vec<usize>, best: &mut Cost) {
        let count = steps.before.len();
        if order.len() == count {
            *best = (*best).min(steps.cost(order.iter().copied()));
        }
        for step in 0..count {
            if !order.contains(&step) && steps.before[step].iter().all(|need| order.contains(need)) {
                order.push(step);
                every_order(steps, order, best);
                order.pop();
            }
        }
    }

    #[test]
    fn the_best_order_is_found_as_by_trying_all() {
        let mut rng = fastrand::Rng::with_seed(2);
        let mut better = 0;
        for round in 0..1_000 {
            let steps = random(&mut rng);
            let given = steps.cost(0..steps.before.len());
            let (order, cost) = steps.search(given).expect("the given order is one");
            let mut best = (u64::MAX, u64::MAX);
            every_order(&steps, &mut Vec::new(), &mut best);
            assert_eq!((cost.0, steps.cost(order.iter().copied())), (best.0, cost), "round {round}");
            better += u32::from(cost.0 < given.0);
        }
        assert!(better > 100, "{better}");
    }
}
