//! An area that the program provides: handed out from its start, never given back, never written
//! to by the library itself.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::base::{Extent, cut, page_size, round_up};
use crate::error::Error;

/// The part of an area that is still free.
pub struct Fixed {
    start: usize,
    size: usize,
    /// Bytes that have been handed out or lost, from the start.
    used: AtomicUsize,
}

impl Fixed {
    /// An area of `size` bytes at `start`. All values are accepted; an area without a whole page
    /// has no room.
    pub const fn new(start: usize, size: usize) -> Self {
        Self {
            start,
            size,
            used: AtomicUsize::new(0),
        }
    }

    /// First address of the area.
    pub const fn start(&self) -> usize {
        self.start
    }

    /// Size of the area, in bytes.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Bytes before the first page.
    fn before_first_page(&self) -> usize {
        let first = round_up(self.start, page_size());
        first.map_or(usize::MAX, |first| first - self.start)
    }

    pub(super) fn take(&self, size: usize, align: usize) -> Result<Extent, Error> {
        // An area beyond the last address has no room.
        let area = self.start.checked_add(self.size);
        let area = area.map(|_| (self.start, self.size));
        let cut = area.and_then(|area| cut(&self.used, area, size, align));
        Ok(Extent {
            address: cut.ok_or(Error::NoMemory)?.address,
            zeroed: false,
            memory: true,
        })
    }

    pub(super) fn held(&self) -> usize {
        let used = self.used.load(Ordering::Relaxed);
        used.saturating_sub(self.before_first_page())
    }

    pub(super) fn left(&self) -> usize {
        let size = self.size.min(usize::MAX - self.start);
        size.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    pub(super) fn for_each_range(&self, mut each: impl FnMut(usize, usize)) {
        let held = self.held();
        if held > 0 {
            each(self.start + self.before_first_page(), held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fixed, page_size};

    #[test]
    fn one_page_is_enough_and_less_is_not() {
        let area = Fixed::new(0x10_0000, page_size());
        assert!(area.take(page_size(), page_size()).is_ok());
        assert!(area.take(page_size(), page_size()).is_err());
        assert!(
            Fixed::new(0x10_0001, page_size())
                .take(page_size(), page_size())
                .is_err()
        );
        assert!(
            Fixed::new(0x10_0000, page_size() - 1)
                .take(page_size(), page_size())
                .is_err()
        );
    }

    #[test]
    fn what_is_taken_is_not_left() {
        let area = Fixed::new(page_size() + 16, 5 * page_size());
        assert_eq!((area.held(), area.left()), (0, 5 * page_size()));
        assert!(area.take(2 * page_size(), page_size()).is_ok());
        assert_eq!(
            (area.held(), area.left()),
            (2 * page_size(), 2 * page_size() + 16)
        );
        let nonsense = Fixed::new(usize::MAX, usize::MAX);
        assert_eq!((nonsense.held(), nonsense.left()), (0, 0));
    }

    #[test]
    fn nonsense_areas_have_no_room() {
        assert!(
            Fixed::new(usize::MAX, 0)
                .take(page_size(), page_size())
                .is_err()
        );
        assert!(
            Fixed::new(usize::MAX, usize::MAX)
                .take(page_size(), page_size())
                .is_err()
        );
        let all = Fixed::new(0, usize::MAX);
        assert!(
            all.take(usize::MAX & !(page_size() - 1), page_size())
                .is_ok()
        );
        assert!(all.take(page_size(), 1 << 40).is_err());
    }

    #[test]
    fn alignment_is_kept_and_the_gap_is_lost() {
        let area = Fixed::new(0x1000, 2 << 20);
        assert_eq!(
            area.take(page_size(), page_size()).map(|e| e.address),
            Ok(page_size())
        );
        assert_eq!(
            area.take(page_size(), 16 * page_size()).map(|e| e.address),
            Ok(16 * page_size())
        );
    }
}
