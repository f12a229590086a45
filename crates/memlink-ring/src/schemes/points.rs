//! A ring of points, sorted, and the three ways of picking one.
//!
//! ```text
//!   values   3     9        17   17        40      sorted
//!   owners   b     a        c    a         b
//!                    ^ 12
//!   from(12): c      the first point at or after it;   from(41): b, the first of all
//!   after(9): c      the first point after it
//!   until(12): a     the last point at or before it;   until(2): b, the last of all
//! ```

use alloc::{boxed::Box, vec::Vec};

use super::{SchemeError, SchemeRing};

/// Points and their servers, in two arrays: a search touches only the first.
pub(super) struct Points<T> {
    /// Invariant: never empty, sorted, and as many as `owners`.
    values: Box<[T]>,
    owners: Box<[u16]>,
}

/// Who has a point that two servers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    /// The server that comes first in the order the points were made in.
    First,
    /// The one that comes last: points put into a map overwrite each other.
    Last,
}

impl<T: Ord + Copy> Points<T> {
    pub(super) fn new(mut points: Vec<(T, u16)>, ties: Ties) -> Result<Self, SchemeError> {
        // Stable, so equal points stay in the order they were made in.
        points.sort_by_key(|(value, _)| *value);
        match ties {
            Ties::First => points.dedup_by_key(|(value, _)| *value),
            Ties::Last => points.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    *kept = *later;
                }
                same
            }),
        }
        if points.is_empty() {
            return Err(SchemeError::NoWeight);
        }
        let (values, owners): (Vec<T>, Vec<u16>) = points.into_iter().unzip();
        Ok(Self { values: values.into(), owners: owners.into() })
    }

    /// The owner of the first point at `hash` or after it.
    pub(super) fn from(&self, hash: T) -> u16 {
        self.owner(self.values.partition_point(|value| *value < hash))
    }

    /// The owner of the first point after `hash`.
    pub(super) fn after(&self, hash: T) -> u16 {
        self.owner(self.values.partition_point(|value| *value <= hash))
    }

    /// The owner of the last point at `hash` or before it.
    pub(super) fn until(&self, hash: T) -> u16 {
        let place = self.values.partition_point(|value| *value <= hash);
        self.owner(place.checked_sub(1).unwrap_or(self.owners.len() - 1))
    }

    /// Past the end comes the first again.
    fn owner(&self, place: usize) -> u16 {
        self.owners.get(place).or(self.owners.first()).copied().unwrap_or(0)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.values.as_ref()) + size_of_val(self.owners.as_ref())
    }
}

/// Collects points, up to [`SchemeRing::POINTS_MAX`].
pub(super) struct Drawing<T> {
    points: Vec<(T, u16)>,
}

impl<T: Ord + Copy> Drawing<T> {
    pub(super) fn new() -> Self {
        Self { points: Vec::new() }
    }

    /// Makes room for so many points, before they are computed.
    pub(super) fn reserve(&mut self, len: u64) -> Result<(), SchemeError> {
        let free = SchemeRing::POINTS_MAX - self.points.len();
        match usize::try_from(len) {
            Ok(len) if len <= free => {
                self.points.reserve(len);
                Ok(())
            }
            _ => Err(SchemeError::TooManyPoints),
        }
    }

    pub(super) fn add(&mut self, owner: u16, values: impl IntoIterator<Item = T>) -> Result<(), SchemeError> {
        for value in values {
            if self.points.len() == SchemeRing::POINTS_MAX {
                return Err(SchemeError::TooManyPoints);
            }
            self.points.push((value, owner));
        }
        Ok(())
    }

    pub(super) fn finish(self, ties: Ties) -> Result<Points<T>, SchemeError> {
        Points::new(self.points, ties)
    }
}

/// Each server as often as its weight says, in the order given: what a remainder picks from.
pub(super) fn repeated(servers: impl IntoIterator<Item = (u16, u32)>) -> Result<Box<[u16]>, SchemeError> {
    let mut owners = Vec::new();
    for (server, weight) in servers {
        let weight = usize::try_from(weight).unwrap_or(usize::MAX);
        if weight > SchemeRing::POINTS_MAX - owners.len() {
            return Err(SchemeError::TooManyPoints);
        }
        owners.extend(core::iter::repeat_n(server, weight));
    }
    if owners.is_empty() { Err(SchemeError::NoWeight) } else { Ok(owners.into()) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn every_pick_at_before_and_after_every_point() {
        // The drawing at the top.
        let points = vec![(17, 2), (3, 1), (40, 1), (9, 0), (17, 0)];
        let circle = Points::new(points, Ties::First).unwrap();
        let cases = [
            (0, [1, 1, 1]),
            (3, [1, 0, 1]),
            (4, [0, 0, 1]),
            (9, [0, 2, 0]),
            (12, [2, 2, 0]),
            (17, [2, 1, 2]),
            (18, [1, 1, 2]),
            (40, [1, 1, 1]),
            (41, [1, 1, 1]),
        ];
        for (hash, owners) in cases {
            assert_eq!([circle.from(hash), circle.after(hash), circle.until(hash)], owners, "{hash}");
        }
    }

    #[test]
    fn an_equal_point_goes_to_the_first_or_the_last() {
        let points = || vec![(5, 3), (7, 0), (5, 1), (5, 2)];
        assert_eq!(Points::new(points(), Ties::First).unwrap().from(5), 3);
        assert_eq!(Points::new(points(), Ties::Last).unwrap().from(5), 2);
        assert_eq!(Points::new(points(), Ties::Last).unwrap().from(6), 0);
        assert_eq!(Points::<u32>::new(vec![], Ties::First).err(), Some(SchemeError::NoWeight));
    }

    #[test]
    fn points_and_repeats_end_at_the_bound() {
        let mut drawing = Drawing::<u32>::new();
        assert_eq!(drawing.reserve(SchemeRing::POINTS_MAX as u64 + 1), Err(SchemeError::TooManyPoints));
        assert_eq!(drawing.add(0, 0..SchemeRing::POINTS_MAX as u32), Ok(()));
        assert_eq!(drawing.reserve(1), Err(SchemeError::TooManyPoints));
        assert_eq!(drawing.add(0, [0]), Err(SchemeError::TooManyPoints));
        assert_eq!(repeated([(0, 1 << 21)]).map(|owners| owners.len()), Ok(1 << 21));
        assert_eq!(repeated([(0, 1 << 21), (1, 1)]), Err(SchemeError::TooManyPoints));
        assert_eq!(repeated([(0, 0)]), Err(SchemeError::NoWeight));
    }
}
