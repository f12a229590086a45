//! Schemes that number the servers or fill a table from them, and memlink's own.

use memlink_ring::Ring;

use crate::{Scheme, key_hash, mix, name_hash};

/// Jump hashing over the names in sorted order: the order is all it knows of them.
pub(crate) struct Jump {
    places: Vec<usize>,
}

impl Scheme for Jump {
    const NAME: &str = "jump over sorted names";
    const WEIGHTS: &str = "as repeats";

    fn new(names: &[String]) -> Self {
        let mut places: Vec<usize> = (0..names.len()).collect();
        places.sort_by_key(|place| &names[*place]);
        Self { places }
    }

    fn route(&self, key: &[u8]) -> usize {
        let mut state = key_hash(key);
        let (mut bucket, mut next) = (0, 0);
        while next < self.places.len() as u64 {
            bucket = next;
            state = state.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
            next = ((bucket + 1) as f64 * ((1_u64 << 31) as f64 / ((state >> 33) + 1) as f64)) as u64;
        }
        self.places[bucket as usize]
    }

    fn bytes(&self) -> usize {
        size_of_val(self.places.as_slice())
    }
}

/// Maglev's table: like claims in turn, but a server whose slot is taken claims on until it finds a free one.
pub(crate) struct Maglev {
    owners: Vec<u16>,
}

impl Scheme for Maglev {
    const NAME: &str = "Maglev, 65,537 slots";
    const WEIGHTS: &str = "as turns";

    fn new(names: &[String]) -> Self {
        let slots = 65_537;
        let mut owners = vec![u16::MAX; slots];
        let mut lines: Vec<(usize, usize, u16)> = (0..)
            .zip(names)
            .map(|(place, name)| {
                let seed = name_hash(name) as usize;
                (seed % slots, mix(seed as u64) as usize % (slots - 1) + 1, place)
            })
            .collect();
        let mut free = slots;
        'filling: loop {
            for (at, step, place) in &mut lines {
                while owners[*at] != u16::MAX {
                    *at = (*at + *step) % slots;
                }
                owners[*at] = *place;
                free -= 1;
                if free == 0 {
                    break 'filling;
                }
            }
        }
        Self { owners }
    }

    fn route(&self, key: &[u8]) -> usize {
        usize::from(self.owners[(key_hash(key) % 65_537) as usize])
    }

    fn bytes(&self) -> usize {
        size_of_val(self.owners.as_slice())
    }
}

/// The earliest claim keeps the slot, for another number of slots than the library has.
///
/// This one knows no weights. Then the order of time is the order of the phases, round after round, and the filling
/// takes about half the time it would with weights.
pub(crate) struct Claims<const BITS: u32> {
    owners: Vec<u16>,
}

impl<const BITS: u32> Scheme for Claims<BITS> {
    const NAME: &str = match BITS {
        16 => "first claim, 2^16 slots",
        _ => "first claim, 2^20 slots",
    };
    const WEIGHTS: &str = "left out";

    fn new(names: &[String]) -> Self {
        let mut lines: Vec<(u64, u64, u16)> =
            (0..).zip(names).map(|(place, name)| (mix(!name_hash(name)), name_hash(name), place)).collect();
        lines.sort_unstable();
        let mut owners = vec![u16::MAX; 1 << BITS];
        let (mut free, mut round) = (owners.len(), 0_u64);
        while free > 0 {
            round = round.wrapping_add(0x9e37_79b9_7f4a_7c15);
            for (_, seed, place) in &lines {
                let owner = &mut owners[(mix(seed.wrapping_add(round)) >> (64 - BITS)) as usize];
                if *owner == u16::MAX {
                    *owner = *place;
                    free -= 1;
                }
            }
        }
        Self { owners }
    }

    fn route(&self, key: &[u8]) -> usize {
        usize::from(self.owners[(key_hash(key) >> (64 - BITS)) as usize])
    }

    fn bytes(&self) -> usize {
        size_of_val(self.owners.as_slice())
    }
}

/// The library itself.
pub(crate) struct Memlink(Ring);

impl Scheme for Memlink {
    const NAME: &str = "**memlink-ring** (first claim, 2^18 slots)";
    const WEIGHTS: &str = "yes";

    fn new(names: &[String]) -> Self {
        match Ring::new(names.iter().map(|name| (name, 1))) {
            Ok(ring) => Self(ring),
            Err(error) => unreachable!("the names are distinct and few: {error}"),
        }
    }

    fn route(&self, key: &[u8]) -> usize {
        self.0.route(key)
    }

    fn bytes(&self) -> usize {
        Ring::SLOTS * size_of::<u16>()
    }
}
