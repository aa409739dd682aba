use super::{Amounts, FEW, Found, GRANULE, PART, Pages, page_size};
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

fn length() -> usize {
    20 * GRANULE + 2 * page_size()
}

struct File {
    pages: Pages,
    ahead: AtomicUsize,
    held: usize,
}

impl File {
    fn new() -> Self {
        let pages = Pages::new();
        pages.prepare(length(), true);
        Self {
            pages,
            ahead: AtomicUsize::new(0),
            held: 0,
        }
    }

    fn amounts(&self) -> Amounts<'_> {
        Amounts {
            held: self.held,
            ahead: &self.ahead,
        }
    }

    fn ahead(&self) -> usize {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Takes the range `own` as a file does. Returns the range of blocks that it asks for, empty if it asks
    /// for none.
    fn fill(&self, own: Range<usize>) -> Range<usize> {
        let found = self.pages.take(&own, &self.amounts());
        assert!(found.to_touch.is_empty());
        if found.missing == 0 {
            return 0..0;
        }
        let wide = self.pages.claim(&own, &self.amounts());
        self.pages.settle(&wide, &own, true, &self.amounts());
        wide
    }

    fn taken(&self) -> Vec<Range<usize>> {
        self.pages.taken(length()).collect()
    }
}

const fn found(missing: usize, to_touch: Range<usize>) -> Found {
    Found { missing, to_touch }
}

#[test]
fn what_is_new_is_filled_by_granules() {
    let file = File::new();
    assert_eq!(file.fill(page_size()..2 * page_size()), 0..GRANULE);
    assert_eq!(file.ahead(), GRANULE - page_size());
    assert!(file.fill(2 * page_size()..GRANULE).is_empty());
    assert_eq!(
        file.fill(GRANULE - page_size()..2 * GRANULE).end,
        2 * GRANULE
    );
    assert_eq!(
        file.fill(length() - page_size()..length()),
        length() - 2 * page_size()..length()
    );
    assert_eq!(file.ahead(), 2 * page_size());
    let taken = [page_size()..2 * GRANULE, length() - page_size()..length()];
    assert_eq!(file.taken(), taken);
    file.pages.after_fork_in_child(2 * GRANULE);
    assert_eq!(file.taken(), taken);
    assert_eq!(file.fill(0..page_size()), 0..page_size());
}

#[test]
fn what_was_given_back_is_filled_like_new() {
    let file = File::new();
    file.fill(0..3 * GRANULE);
    file.pages.give_back(&(page_size()..GRANULE));
    file.pages.give_back(&(GRANULE + page_size()..3 * GRANULE));
    assert_eq!(
        file.taken(),
        [0..page_size(), GRANULE..GRANULE + page_size()]
    );
    assert_eq!(
        file.fill(2 * page_size()..3 * page_size()),
        page_size()..GRANULE
    );
    let part = 2 * GRANULE..2 * GRANULE + page_size();
    assert_eq!(file.fill(part.clone()), 2 * GRANULE..3 * GRANULE);
    // Now and again only what is its own.
    file.pages.give_back(&part);
    assert_eq!(file.fill(part.clone()), part);
}

#[test]
fn much_is_asked_for_where_there_is_much_and_no_more() {
    let mut file = File::new();
    file.held = PART * 3 * GRANULE;
    assert_eq!(file.fill(0..page_size()), 0..3 * GRANULE + page_size());
    let ahead = file.ahead();
    file.held = 0;
    for first in 4..20 {
        file.fill(first * GRANULE..first * GRANULE + page_size());
    }
    assert!(ahead < FEW && file.ahead() == FEW);
}

#[test]
fn who_takes_a_claimed_page_touches_it() {
    for done in [true, false] {
        let file = File::new();
        let (ours, theirs) = (0..page_size(), 2 * page_size()..4 * page_size());
        file.pages.take(&ours, &file.amounts());
        let wide = file.pages.claim(&ours, &file.amounts());
        assert_eq!(wide, 0..GRANULE);
        let other = GRANULE - page_size()..GRANULE + page_size();
        let edge = GRANULE - page_size()..GRANULE;
        assert_eq!(
            file.pages.take(&other, &file.amounts()),
            found(page_size(), edge)
        );
        let both = found(0, theirs.clone());
        assert_eq!(file.pages.take(&theirs, &file.amounts()), both);
        // They give some back before we are done.
        file.pages.give_back(&(2 * page_size()..3 * page_size()));
        file.pages.settle(&wide, &ours, done, &file.amounts());
        assert_eq!(
            file.taken(),
            [ours, 3 * page_size()..4 * page_size(), other]
        );
        let rest = if done { GRANULE - 4 * page_size() } else { 0 };
        assert_eq!(file.ahead(), rest);
        assert_eq!(
            file.pages
                .take(&(page_size()..3 * page_size()), &file.amounts())
                .missing,
            if done { page_size() } else { 2 * page_size() }
        );
    }
}

#[test]
fn without_a_table_each_range_is_asked_for() {
    let file = File {
        pages: Pages::new(),
        ahead: AtomicUsize::new(0),
        held: 0,
    };
    assert_eq!(
        file.fill(page_size()..2 * page_size()),
        page_size()..2 * page_size()
    );
    assert_eq!(
        file.fill(page_size()..2 * page_size()),
        page_size()..2 * page_size()
    );
    assert_eq!(file.taken(), [0..length(); 1]);
    let short = File::new();
    short.pages.prepare(length(), false);
    short.pages.advances.store(false, Ordering::Relaxed);
    assert_eq!(
        short.fill(page_size()..2 * page_size()),
        page_size()..2 * page_size()
    );
}
