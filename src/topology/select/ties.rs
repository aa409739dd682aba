//! MEMKIND_PREFERRED_TIES: several equally good nodes for kinds that prefer one.
#![forbid(unsafe_code)]

use core::ffi::CStr;

use super::choice::{Choice, Take};
use super::facts::{Facts, Settings};
use crate::error::Error;
use crate::topology::note::Note;

/// The value that allows ties.
pub const TIES_MANY: &CStr = c"many";

/// The choice, with ties allowed where the user wishes it and the kernel can.
pub(super) fn with_ties(
    facts: &Facts<'_>,
    settings: &Settings<'_>,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Choice, Error> {
    match settings.preferred_ties {
        Some(text) if choice.take == Take::One && !text.is_empty() => {
            if text != TIES_MANY {
                report(Note::TiesInvalid(text));
                return Err(Error::Environ);
            }
            if !(facts.prefers_many)() {
                report(Note::TiesUnsupported);
                return Ok(choice);
            }
            let take = Take::Many;
            Ok(Choice { take, ..choice })
        }
        _ => Ok(choice),
    }
}
