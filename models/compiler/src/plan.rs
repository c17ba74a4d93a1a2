//! The memory plan: which bytes of the arena each tensor has, and for how long.
//!
//! One chain per step, every tensor whole. Offsets are found largest first, each at the lowest place where it meets no
//! storage that is alive at the same time.

/// Offsets in the arena are multiples of this, so that 32-bit elements are aligned.
const OFFSET_ALIGN: u32 = 4;

/// A storage to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Number of bytes.
    pub bytes: u32,
    /// First and last chain in which they are in use.
    pub chains: (u16, u16),
}

/// Returns the arena offset of each demand, or `None` if the arena would exceed 32 bits.
pub fn place(demands: &[Demand]) -> Option<Vec<u32>> {
    let mut order: Vec<usize> = (0..demands.len()).collect();
    // Ties broken by time and index, so that equal inputs give equal artifacts.
    order.sort_by_key(|&i| (std::cmp::Reverse(demands[i].bytes), demands[i].chains, i));
    let mut offsets = vec![0u32; demands.len()];
    let mut placed: Vec<usize> = Vec::new();
    for index in order {
        let demand = demands[index];
        let mut taken: Vec<(u32, u32)> = placed
            .iter()
            .filter(|&&other| {
                let (first, last) = demands[other].chains;
                demand.chains.0 <= last && first <= demand.chains.1
            })
            .map(|&other| (offsets[other], offsets[other] + demands[other].bytes))
            .collect();
        taken.sort_unstable();
        let mut offset = 0u32;
        for (start, end) in taken {
            if offset.checked_add(demand.bytes)? <= start {
                break;
            }
            offset = offset.max(end.checked_next_multiple_of(OFFSET_ALIGN)?);
        }
        offset.checked_add(demand.bytes)?;
        offsets[index] = offset;
        placed.push(index);
    }
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_storages_never_overlap_and_dead_ones_are_reused() {
        let demands = [
            Demand { bytes: 100, chains: (0, 1) },
            Demand { bytes: 60, chains: (1, 2) },
            Demand { bytes: 99, chains: (2, 3) },
            Demand { bytes: 7, chains: (0, 3) },
        ];
        let offsets = place(&demands).unwrap();
        for (i, a) in demands.iter().enumerate() {
            for (j, b) in demands.iter().enumerate().skip(i + 1) {
                let in_time = a.chains.0 <= b.chains.1 && b.chains.0 <= a.chains.1;
                let in_space = offsets[i] < offsets[j] + b.bytes && offsets[j] < offsets[i] + a.bytes;
                assert!(!(in_time && in_space), "{i} {j}: {offsets:?}");
            }
        }
        assert_eq!(offsets[0], offsets[2]);
    }

    #[test]
    fn an_arena_beyond_32_bits_is_refused() {
        let huge = Demand { bytes: u32::MAX - 3, chains: (0, 1) };
        assert_eq!(place(&[huge, huge]), None);
    }
}
