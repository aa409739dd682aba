//! Kinds by description: checking what a program asks for, and making the kind.

use core::ffi::CStr;
use core::ptr;

use super::dynamic::{FILE_MIN_SIZE, FILE_UNIT, Usage, anywhere, format_name};
use super::spec::{From, Source, Spec};
use super::wishes::{Exhausted, Wishes};
use super::{Head, Kind, registry};
use crate::backing::{
    Anonymous, Backing, Bind, File, Options, PageSize, Plan, Slabs, TransparentHuge, page_size,
    round_up,
};
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::{Heap, arena};
use crate::log;
use crate::topology::{self, NodeMask};

/// The most bytes of a name.
const NAME_MAX: usize = 63;

/// Which nodes memory comes from.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// Near the CPU that asks.
    Here,
    /// A list as numa(3) writes it.
    Named(&'a CStr),
    /// The node with this number.
    Node(u16),
}

/// What a kind is to be like. A field that is 0 or `None` asks for the default.
pub struct Description<'a> {
    /// The directory of a file-backed kind.
    pub dir: Option<&'a CStr>,
    /// The most bytes.
    pub limit: usize,
    /// When memory goes back.
    pub usage: Usage,
    /// Bits of [`Options`].
    pub options: u32,
    /// Where memory comes from.
    pub place: Place<'a>,
    /// How it is tied to the nodes.
    pub bind: Bind,
    /// Bytes of a page.
    pub page: usize,
    /// Whether smaller pages will not do.
    pub required: bool,
    /// What every block is aligned to.
    pub alignment: usize,
    /// Bytes of a slab.
    pub slab: usize,
    /// The kind that serves when this one has no memory.
    pub fallback: Option<&'static Kind>,
    /// The function that is called when neither of the two has memory.
    pub exhausted: Option<Exhausted<Kind>>,
    /// The kind's name.
    pub name: Option<&'a CStr>,
}

/// Whether a kind serves when another one has no memory.
pub fn is_fallback(kind: &'static Kind) -> bool {
    registry::dynamic().any(|other| other.fallback().is_some_and(|it| ptr::eq(it, kind)))
}

/// Logs what is wrong with a description, and returns `Invalid` from the function.
macro_rules! refuse {
    ($($text:tt)*) => {{
        log::error!("Cannot create kind: {}.", format_args!($($text)*));
        return Err(Error::Invalid);
    }};
}

impl Description<'_> {
    /// Whether something is asked for that only slabs have: a limit, a page or a slab size, or an
    /// option but WIPE.
    fn needs_slabs(&self) -> bool {
        let of_memory = self.options & !Options::WIPE;
        of_memory != 0 || self.limit != 0 || self.page != 0 || self.slab != 0
    }

    /// Makes the kind.
    ///
    /// # Errors
    /// `Invalid` for what does not go together; `HugeTlb` when there are no pages of a size that
    /// is required; `MemtypeNotAvailable` as [`topology::named()`]; `Unavailable` without NUMA in
    /// the kernel; `OperationFailed`; `Environ`; `TooMany`; `Malloc`.
    pub fn create(&self) -> Result<&'static Kind, Error> {
        let Some(options) = Options::of(self.options) else {
            refuse!("unknown option in {:#x}", self.options);
        };
        let page = self.checked_page()?;
        let alignment = self.alignment.max(1);
        if !alignment.is_power_of_two() || alignment > page {
            refuse!("alignment {alignment} is no power of two up to the page size {page}");
        }
        if self
            .name
            .is_some_and(|name| name.to_bytes().len() > NAME_MAX)
        {
            refuse!("its name has more than {NAME_MAX} bytes");
        }
        let at_once = self.usage == Usage::Conservative;
        let stays = options.has(Options::PIN | Options::LOCK) || page != page_size();
        if at_once && stays {
            refuse!("memory that stays cannot be given back at once");
        }
        arena::asked_for()?;
        let (spec, nodes) = self.spec()?;
        if self.required {
            let meant = Some(&nodes).filter(|_| self.bind == Bind::Bind && spec.bind != Bind::None);
            topology::huge_pages()?.available(page, meant)?;
        }
        let wishes = boxed(Wishes::new(alignment, self.fallback, self.exhausted))?;
        let decay_ms = at_once.then_some(0);
        registry::add(|number| {
            let backing = self.backing(options, page, &spec, nodes)?;
            let automatic = format_name(format_args!("config{number}"));
            let name = self
                .name
                .map_or(automatic.text().as_bytes(), CStr::to_bytes);
            let heap = Heap::new(backing, number + 1, decay_ms).aligned_to(alignment);
            let heap = if options.has(Options::WIPE) {
                heap.wiping()
            } else {
                heap
            };
            Ok(Kind::new(Head::new(number, name), spec, heap).with_wishes(wishes))
        })
    }

    /// The page size, with what goes with it.
    fn checked_page(&self) -> Result<usize, Error> {
        let page = self.page.max(page_size());
        let huge = page != page_size();
        if self.page != 0 && huge && !topology::huge_pages()?.has_size(page) {
            refuse!("the kernel has no pages of {} bytes", self.page);
        }
        if self.page != 0 && self.page != page {
            refuse!(
                "a page has at least {} bytes, not {}",
                page_size(),
                self.page
            );
        }
        if self.required && !huge {
            refuse!("only the size of huge pages can be required");
        }
        if huge && self.options & Options::TRANSPARENT_HUGE != 0 {
            refuse!("pages are either from the pool of huge pages or transparent ones");
        }
        if self.slab % page != 0 {
            refuse!(
                "a slab of {} bytes is no multiple of the page size {page}",
                self.slab
            );
        }
        if self.dir.is_some() {
            let of_memory = self.options != 0 || self.page != 0 || self.slab != 0;
            if of_memory || !matches!(self.place, Place::Here) {
                refuse!("a file has no nodes, options, page or slab size");
            }
        }
        Ok(page)
    }

    /// The row, and its nodes.
    fn spec(&self) -> Result<(Spec, NodeMask), Error> {
        let (from, nodes) = match self.place {
            Place::Here => (From::Any, NodeMask::EMPTY),
            Place::Named(list) => {
                if !topology::numa_available() {
                    log::error!("Cannot create kind: the kernel has no NUMA.");
                    return Err(Error::Unavailable);
                }
                let targets = topology::named(list.to_bytes())?;
                (From::Exactly(targets), targets.all())
            }
            Place::Node(node) => (From::Any, NodeMask::single(node)),
        };
        let source = match self.dir {
            Some(_) => Source::File,
            None => Source::Anonymous,
        };
        let bind = match self.place {
            Place::Here => Bind::None,
            Place::Named(_) | Place::Node(_) => self.bind,
        };
        let thp = match bind {
            Bind::Interleave => TransparentHuge::Never,
            _ => TransparentHuge::AsSystem,
        };
        let spec = Spec {
            from,
            bind,
            thp,
            ..anywhere(source)
        };
        Ok((spec, nodes))
    }

    fn backing(
        &self,
        options: Options,
        page: usize,
        spec: &Spec,
        nodes: NodeMask,
    ) -> Result<Backing, Error> {
        if let Some(dir) = self.dir {
            if self.limit != 0 && self.limit < FILE_MIN_SIZE {
                refuse!("a file has a limit of 0 or at least {FILE_MIN_SIZE} bytes");
            }
            let limit = round_up(self.limit, FILE_UNIT).unwrap_or(0);
            return Ok(Backing::File(File::create(dir, limit)?));
        }
        if !self.needs_slabs() {
            let source = Anonymous::new(PageSize::Base, spec.thp, spec.bind);
            if let From::Exactly(targets) = spec.from {
                source.set_nodes(targets.of_place(0), targets.home(0))?;
            } else {
                source.set_anywhere()?;
            }
            return Ok(Backing::Anonymous(source));
        }
        let plan = Plan {
            options,
            page,
            required: self.required,
            slab: self.slab,
            // SIZE_MAX is how some programs say that there is none.
            limit: round_up(self.limit, page).unwrap_or(0),
            bind: spec.bind,
            nodes,
        };
        Ok(Backing::Slabs(Slabs::new(plan)?))
    }
}
