//! The memory plan: which bytes of the arena each storage has.
//!
//! Storages with overlapping lifetimes must not overlap in space. Several greedy orders give a first plan; a branch-and-bound
//! search then finds the least arena there is, or gives up after a fixed number of nodes. Nothing depends on the clock, so
//! equal inputs give equal artifacts.

use tanbo_format::{Model, Storage};

/// Offsets in the arena are multiples of this, so that 32-bit elements are aligned.
const OFFSET_ALIGN: u64 = 4;

/// Most storages for which the least arena is searched for.
const MOST_SEARCHED: usize = 96;

/// Nodes after which a search gives up.
const MOST_NODES: u32 = 20_000;

/// Orders in which storages are placed greedily.
const ORDERS: usize = 6;

/// A storage to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Number of bytes.
    pub bytes: u32,
    /// First and last chain in which they are in use.
    pub chains: (u16, u16),
}

/// Where the storages lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Arena offset of each demand.
    pub offsets: Vec<u32>,
    /// The greatest end of a demand.
    pub arena_bytes: u32,
    /// What is alive at once takes no less: the greatest sum over the chains, with the gaps that alignment asks for.
    pub lower_bound: u32,
    /// No placement has a smaller arena: it is at the lower bound, or the search came to its end.
    pub least: bool,
}

impl Demand {
    fn meets(&self, other: &Self) -> bool {
        self.chains.0 <= other.chains.1 && other.chains.0 <= self.chains.1
    }

    /// Bytes up to where another storage may begin.
    fn aligned(&self) -> u64 {
        u64::from(self.bytes).next_multiple_of(OFFSET_ALIGN)
    }

    /// What the topmost storage need not take.
    fn slack(&self) -> u64 {
        self.aligned() - u64::from(self.bytes)
    }
}

/// Returns what must lie in the arena of an artifact, by its storages and their lifetimes.
pub fn demands(model: &Model<'_>) -> Vec<Demand> {
    let storages = (0..model.storage_count() as u16).filter_map(|number| {
        let bytes = match model.storage(number)? {
            Storage::Arena { bytes, .. } | Storage::State { bytes, .. } => bytes,
            Storage::Constant { .. } => return None,
        };
        Some(Demand { bytes: u32::try_from(bytes).ok()?, chains: model.storage_lifetime(number)? })
    });
    storages.collect()
}

/// Returns the arena offset of each demand, or `None` if the arena would exceed 32 bits.
pub fn place(demands: &[Demand]) -> Option<Placement> {
    place_within(demands, MOST_NODES)
}

fn place_within(demands: &[Demand], most_nodes: u32) -> Option<Placement> {
    let moments = Moments::of(demands);
    let lower_bound = moments.bound(demands);
    let mut best = greedy(demands);
    let mut least = best.0 == lower_bound;
    if !least && demands.len() <= MOST_SEARCHED {
        let mut search = Search::new(demands, &moments, best, lower_bound, most_nodes);
        search.descend(0, None);
        least = search.nodes_left > 0 || search.best.0 == lower_bound;
        best = search.best;
    }
    let offsets = best.1.into_iter().map(|offset| u32::try_from(offset).ok()).collect::<Option<Vec<_>>>()?;
    let (arena_bytes, lower_bound) = (u32::try_from(best.0).ok()?, u32::try_from(lower_bound).ok()?);
    Some(Placement { offsets, arena_bytes, lower_bound, least })
}

/// Returns the smallest of the arenas that several orders give, each storage at the lowest place that is free, and its offsets.
fn greedy(demands: &[Demand]) -> (u64, Vec<u64>) {
    let chains = |demand: &Demand| u64::from(demand.chains.1 - demand.chains.0) + 1;
    let crowd = |demand: &Demand| demands.iter().filter(|other| demand.meets(other)).map(Demand::aligned).sum::<u64>();
    let keys = |demand: &Demand| {
        let bytes = u64::from(demand.bytes);
        [
            (bytes, 0),
            (demand.aligned() * chains(demand), 0),
            (chains(demand), bytes),
            (crowd(demand), bytes),
            (u64::from(u16::MAX - demand.chains.0), bytes),
            (demand.chains.1.into(), bytes),
        ]
    };
    let keys: Vec<[(u64, u64); ORDERS]> = demands.iter().map(keys).collect();
    let plans = (0..ORDERS).map(|kind| {
        let mut order: Vec<usize> = (0..demands.len()).collect();
        // Ties broken by time and number.
        order.sort_by_key(|&number| (std::cmp::Reverse(keys[number][kind]), demands[number].chains, number));
        first_fit(demands, &order)
    });
    plans.min_by_key(|(arena, _)| *arena).unwrap_or_default()
}

fn first_fit(demands: &[Demand], order: &[usize]) -> (u64, Vec<u64>) {
    let (mut arena, mut offsets) = (0, vec![0; demands.len()]);
    for (count, &number) in order.iter().enumerate() {
        let demand = &demands[number];
        let mut taken: Vec<(u64, u64)> = order[..count]
            .iter()
            .filter(|&&other| demand.meets(&demands[other]))
            .map(|&other| (offsets[other], offsets[other] + demands[other].aligned()))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for (start, end) in taken {
            if offset + u64::from(demand.bytes) <= start {
                break;
            }
            offset = offset.max(end);
        }
        offsets[number] = offset;
        arena = arena.max(offset + u64::from(demand.bytes));
    }
    (arena, offsets)
}

/// The moments that matter: those at which no neighbour has the same storages alive and more. Two demands meet exactly if a
/// moment has both.
struct Moments {
    /// First and last moment of each demand.
    spans: Vec<(usize, usize)>,
    count: usize,
}

impl Moments {
    fn of(demands: &[Demand]) -> Self {
        let mut starts: Vec<u16> = demands.iter().map(|demand| demand.chains.0).collect();
        starts.sort_unstable();
        starts.dedup();
        let alive = |chain: u16| move |demand: &&Demand| demand.chains.0 <= chain && chain <= demand.chains.1;
        let mut kept: Vec<u16> = Vec::new();
        for chain in starts {
            // What began before and still lives is alive now: the moment before matters if something has ended since.
            if let Some(&before) = kept.last()
                && demands.iter().filter(alive(before)).all(|demand| demand.chains.1 >= chain)
            {
                kept.pop();
            }
            kept.push(chain);
        }
        let spans = demands.iter().map(|demand| {
            let first = kept.partition_point(|&chain| chain < demand.chains.0);
            (first, kept.partition_point(|&chain| chain <= demand.chains.1).saturating_sub(1))
        });
        Self { spans: spans.collect(), count: kept.len() }
    }

    /// Returns the least bytes that what is alive at one moment takes, for the moment that takes most.
    fn bound(&self, demands: &[Demand]) -> u64 {
        let at = |moment: usize| {
            let alive = self.spans.iter().zip(demands).filter(move |(span, _)| span.0 <= moment && moment <= span.1);
            let (sum, slack) =
                alive.fold((0, 0), |(sum, slack), (_, demand)| (sum + demand.aligned(), demand.slack().max(slack)));
            sum - slack
        };
        (0..self.count).map(at).max().unwrap_or(0)
    }
}

/// Places storages from the bottom up, each on top of what it meets. In a placement where nothing can move down every storage
/// lies so, and of every placement there is such a one that is not larger.
struct Search<'a> {
    demands: &'a [Demand],
    moments: &'a Moments,
    /// The smallest arena found, and its offsets.
    best: (u64, Vec<u64>),
    lower_bound: u64,
    nodes_left: u32,
    offsets: Vec<Option<u64>>,
    /// By moment: where the next storage may begin, what is still to be placed, and the most that the topmost saves.
    ends: Vec<u64>,
    left: Vec<u64>,
    slack: Vec<u64>,
}

impl<'a> Search<'a> {
    fn new(demands: &'a [Demand], moments: &'a Moments, best: (u64, Vec<u64>), lower_bound: u64, nodes: u32) -> Self {
        let (mut left, mut slack) = (vec![0; moments.count], vec![0; moments.count]);
        for (demand, &(first, last)) in demands.iter().zip(&moments.spans) {
            for moment in first..=last {
                left[moment] += demand.aligned();
                slack[moment] = demand.slack().max(slack[moment]);
            }
        }
        let (offsets, ends) = (vec![None; demands.len()], vec![0; moments.count]);
        Self { demands, moments, best, lower_bound, nodes_left: nodes, offsets, ends, left, slack }
    }

    /// Places what is left in every way that may give a smaller arena. `last` is what was placed last, and where: what comes
    /// lies no lower, and of what lies as high the lesser number came first.
    fn descend(&mut self, arena: u64, last: Option<(u64, usize)>) {
        let moments = self.moments;
        let mut next: Vec<(u64, std::cmp::Reverse<u64>, usize)> = (0..self.demands.len())
            .filter(|&number| self.offsets[number].is_none())
            .map(|number| {
                let (first, end) = moments.spans[number];
                let offset = self.ends[first..=end].iter().copied().max().unwrap_or(0);
                (offset, std::cmp::Reverse(self.demands[number].aligned() * (end - first + 1) as u64), number)
            })
            .collect();
        if next.is_empty() && arena < self.best.0 {
            self.best = (arena, self.offsets.iter().map(|offset| offset.unwrap_or(0)).collect());
        }
        next.sort_unstable();
        for (offset, _, number) in next {
            if self.nodes_left == 0 || self.best.0 == self.lower_bound || self.least_above(offset) >= self.best.0 {
                return;
            }
            let demand = self.demands[number];
            let end = offset + u64::from(demand.bytes);
            let twin = |&other: &usize| self.offsets[other].is_none() && self.demands[other] == demand;
            if last.is_some_and(|last| (offset, number) < last)
                || end >= self.best.0
                || (0..number).any(|other| twin(&other))
            {
                continue;
            }
            self.nodes_left -= 1;
            let (first, until) = moments.spans[number];
            let before = self.ends[first..=until].to_vec();
            self.offsets[number] = Some(offset);
            for moment in first..=until {
                self.ends[moment] = offset + demand.aligned();
                self.left[moment] -= demand.aligned();
            }
            self.descend(arena.max(end), Some((offset, number)));
            self.offsets[number] = None;
            for (moment, end) in (first..=until).zip(before) {
                self.ends[moment] = end;
                self.left[moment] += demand.aligned();
            }
        }
    }

    /// Returns what the arena takes at least if all that is left lies at `offset` or above.
    fn least_above(&self, offset: u64) -> u64 {
        let moments = self.ends.iter().zip(&self.left).zip(&self.slack).filter(|((_, left), _)| **left > 0);
        moments.map(|((&end, left), slack)| end.max(offset) + left - slack).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(bytes: u32, first: u16, last: u16) -> Demand {
        Demand { bytes, chains: (first, last) }
    }

    fn is_valid(demands: &[Demand], placement: &Placement) -> bool {
        let spans = || demands.iter().zip(&placement.offsets);
        let apart = spans().enumerate().all(|(i, (a, &at))| {
            spans().skip(i + 1).all(|(b, &other)| !a.meets(b) || at + a.bytes <= other || other + b.bytes <= at)
        });
        let end = spans().map(|(demand, offset)| demand.bytes + offset).max().unwrap_or(0);
        apart && end == placement.arena_bytes && placement.offsets.iter().all(|offset| offset % 4 == 0)
    }

    /// Tries every offset of every demand below `arena`.
    fn fits(demands: &[Demand], arena: u32, offsets: &mut Vec<u32>) -> bool {
        let Some(demand) = demands.get(offsets.len()) else { return true };
        (0..arena).step_by(4).take_while(|offset| offset + demand.bytes <= arena).any(|offset| {
            let free = demands
                .iter()
                .zip(offsets.iter())
                .all(|(other, &at)| !demand.meets(other) || at + other.bytes <= offset || offset + demand.bytes <= at);
            if !free {
                return false;
            }
            offsets.push(offset);
            let fits = fits(demands, arena, offsets);
            offsets.pop();
            fits
        })
    }

    #[test]
    fn the_least_arena_is_found_as_by_trying_every_offset() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut improved = 0;
        for round in 0..600 {
            let demands: Vec<Demand> = (0..rng.usize(0..8))
                .map(|_| {
                    let first = rng.u16(0..6);
                    demand(rng.u32(1..17), first, first + rng.u16(0..4))
                })
                .collect();
            let placement = place(&demands).unwrap();
            assert!(is_valid(&demands, &placement) && placement.least, "round {round}: {demands:?} {placement:?}");
            assert!(placement.lower_bound <= placement.arena_bytes);
            let least = (0..=placement.arena_bytes).find(|&arena| fits(&demands, arena, &mut Vec::new()));
            assert_eq!(Some(placement.arena_bytes), least, "round {round}: {demands:?}");
            improved += u32::from(greedy(&demands).0 > u64::from(placement.arena_bytes));
        }
        assert!(improved > 0, "greedy orders find everything: the test shows nothing");
    }

    #[test]
    fn the_search_finds_what_no_greedy_order_does() {
        let demands = [demand(16, 2, 5), demand(32, 3, 3), demand(12, 1, 4), demand(4, 4, 6), demand(32, 5, 8)];
        let placement = place(&demands).unwrap();
        assert!(is_valid(&demands, &placement));
        assert_eq!(
            placement,
            Placement { offsets: placement.offsets.clone(), arena_bytes: 60, lower_bound: 60, least: true }
        );
        assert_eq!(greedy(&demands).0, 64);
    }

    #[test]
    fn a_search_that_gives_up_keeps_the_best_plan_and_says_so() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut given_up = 0;
        for _ in 0..40 {
            let demands: Vec<Demand> = (0..80)
                .map(|_| {
                    let first = rng.u16(0..40);
                    demand(rng.u32(1..4000), first, first + rng.u16(0..12))
                })
                .collect();
            let placement = place_within(&demands, 300).unwrap();
            assert!(is_valid(&demands, &placement));
            assert!(u64::from(placement.arena_bytes) <= greedy(&demands).0);
            assert_eq!(place_within(&demands, 300).unwrap(), placement, "another plan from the same demands");
            given_up += u32::from(!placement.least);
        }
        assert!(given_up > 0);
    }

    #[test]
    fn the_bound_counts_the_gaps_that_alignment_asks_for() {
        let placement = place(&[demand(5, 0, 1), demand(6, 0, 0), demand(1, 1, 1)]).unwrap();
        assert_eq!((placement.arena_bytes, placement.lower_bound, placement.least), (13, 13, true));
    }

    #[test]
    fn an_arena_beyond_32_bits_is_refused() {
        let huge = demand(u32::MAX - 3, 0, 1);
        assert_eq!(place(&[huge, huge]), None);
    }
}
