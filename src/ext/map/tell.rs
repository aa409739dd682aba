//! Telling the program of ranges: that they come, and that they go.

use core::ffi::c_void;
use core::ptr;

use super::super::map_table::Range;
use super::Map;
use crate::backing::Watch;
use crate::error::Error;

impl Map {
    /// Tells the program of one range, and remembers it.
    fn learn(&'static self, start: usize, size: usize) -> Result<(), Error> {
        let mut handle = ptr::null_mut();
        let address = start as *mut c_void;
        // SAFETY: the map's maker has promised that any thread may call its functions.
        if unsafe { (self.add)(self.context, address, size, &raw mut handle) } != 0 {
            return Err(Error::OperationFailed);
        }
        let known = self.state.with(|state| {
            let mut record = state.record(start, size)?;
            record.set_handle(handle);
            let place: *mut Range = &raw mut *record;
            let entered = match state.live.try_reserve(1) {
                Ok(()) => self.table.enter(start, size, place),
                Err(_) => Err(Error::NoMemory),
            };
            if entered.is_ok() {
                state.live.push(record);
            } else {
                // Clearing takes no memory.
                let _ = self.table.enter(start, size, ptr::null_mut());
                state.put_away(record);
            }
            entered
        });
        known.map_err(|_| {
            self.tell_of_end(start, size, handle);
            Error::NoMemory
        })
    }

    /// Forgets the range with this start, if there is one, and tells the program that it goes.
    pub(super) fn forget(&'static self, start: usize) {
        let found = self.state.with(|state| {
            let place = state.live.iter().rposition(|range| range.start == start)?;
            let record = state.live.remove(place);
            // Clearing takes no memory.
            let _ = self.table.enter(start, record.size, ptr::null_mut());
            let range = (record.size, record.handle());
            state.put_away(record);
            Some(range)
        });
        if let Some((size, handle)) = found {
            self.tell_of_end(start, size, handle);
        }
    }

    fn tell_of_end(&self, start: usize, size: usize, handle: *mut c_void) {
        if let Some(remove) = self.remove {
            // SAFETY: the map's maker has promised that any thread may call its functions.
            unsafe { remove(self.context, start as *mut c_void, size, handle) };
        }
    }

    /// The parts that a range of `size` bytes is split into, as offsets and sizes: whole pages of `page` bytes.
    pub(super) fn parts(
        &self,
        size: usize,
        page: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let most = (self.max_size / page).max(1).saturating_mul(page).min(size);
        (0..size.div_ceil(most)).map(move |n| (n * most, most.min(size - n * most)))
    }

    /// Tells the program of a range in parts. All or nothing.
    pub(super) fn learn_all(
        &'static self,
        start: usize,
        size: usize,
        page: usize,
    ) -> Result<(), Error> {
        for (offset, part) in self.parts(size, page) {
            if let Err(error) = self.learn(start + offset, part) {
                let before = self.parts(size, page).rev();
                before
                    .filter(|(earlier, _)| *earlier < offset)
                    .for_each(|(earlier, _)| self.forget(start + earlier));
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn forget_all(&'static self, start: usize, size: usize, page: usize) {
        let parts = self.parts(size, page).rev();
        parts.for_each(|(offset, _)| self.forget(start + offset));
    }
}

impl Watch for Map {
    fn add(&'static self, start: usize, size: usize, page: usize) -> bool {
        self.learn_all(start, size, page).is_ok()
    }

    fn remove(&'static self, start: usize, size: usize, page: usize) {
        self.forget_all(start, size, page);
    }
}
