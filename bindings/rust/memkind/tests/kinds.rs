//! What the crate promises, on the library that is loaded.

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use memkind::{Capacity, Kind, Nodes, Policy, Pool, Region, Static, TiersBuilder, Usage};

fn is_in(address: *const u8, kind: &Kind) -> bool {
    // SAFETY: the function takes any address.
    let owner = unsafe { memkind_sys::memkind_detect_kind(address.cast_mut().cast()) };
    // The handle is not public: a block of the kind tells it.
    let one = Box::new_in(0_u8, kind);
    // SAFETY: the function takes any address.
    owner == unsafe { memkind_sys::memkind_detect_kind((&raw const *one).cast_mut().cast()) }
}

#[test]
fn the_library_is_this_one() {
    assert!(memkind::version() >= (1, 15, 0));
}

#[test]
fn vectors_grow_in_their_kind() -> Result<(), memkind::Error> {
    let file = Kind::file(std::env::temp_dir(), Some(64 << 20))?;
    let mut numbers = Vec::new_in(&file);
    for number in 0..100_000_u32 {
        numbers.push(number);
    }
    numbers.shrink_to_fit();
    assert!(
        numbers
            .iter()
            .enumerate()
            .all(|(index, number)| index == *number as usize)
    );
    assert!(is_in(numbers.as_ptr().cast(), &file));
    // What does not fit is refused, and what is there stays.
    assert!(numbers.try_reserve(64 << 20).is_err());
    assert_eq!(numbers[99_999], 99_999);
    memkind::update_statistics()?;
    assert!(file.statistics()?.allocated >= 400_000);
    Ok(())
}

/// Takes all memory that is left for blocks of 16 bytes and more.
fn use_up<A: Allocator + Copy>(from: A) -> std::vec::Vec<Vec<u8, A>> {
    let mut all = std::vec::Vec::new();
    let mut size = 16 << 20;
    while size >= 16 {
        let mut block = Vec::new_in(from);
        match block.try_reserve_exact(size) {
            Ok(()) => all.push(block),
            Err(_) => size /= 2,
        }
    }
    all
}

/// A vector gives its room back, and takes some again, where there is no memory for a second block.
fn shrinks_in_what_is_full<T: Copy + PartialEq, A: Allocator + Copy>(from: A, value: T) {
    for capacity in [200_usize, 20_000, 3_000_000] {
        let mut values = Vec::new_in(from);
        let count = capacity / size_of::<T>();
        assert!(values.try_reserve_exact(count).is_ok());
        values.resize(count / 2, value);
        let rest = use_up(from);
        values.shrink_to_fit();
        assert_eq!(values.capacity(), count / 2);
        assert!(values.iter().all(|one| *one == value));
        drop(rest);
        values.resize(count, value);
        assert!(values.iter().all(|one| *one == value));
    }
}

#[test]
fn shrinking_takes_no_memory() -> Result<(), memkind::Error> {
    #[derive(Clone, Copy, PartialEq)]
    #[repr(align(64))]
    struct Aligned(u8);
    let file = Kind::file(std::env::temp_dir(), Some(16 << 20))?;
    shrinks_in_what_is_full(&file, 7_u8);
    shrinks_in_what_is_full(&file, Aligned(7));
    let tiers = TiersBuilder::new(Policy::StaticRatio)
        .expect("there is memory")
        .tier_of(&file, 1)?
        .build()?;
    shrinks_in_what_is_full(&tiers, 7_u8);
    Ok(())
}

#[test]
fn layouts_change_in_every_way() {
    let layout = |size, align: usize| Layout::from_size_align(size, align).expect("a layout");
    let layouts = [
        (0, 1),
        (0, 4096),
        (1, 1),
        (8, 16),
        (100, 8),
        (100, 256),
        (70_000, 64),
        (70_000, 1),
    ];
    for old in layouts {
        for new in layouts {
            let (old, new) = (layout(old.0, old.1), layout(new.0, new.1));
            let kept = old.size().min(new.size());
            // SAFETY: the block is of the layout that it was allocated or resized with last, and the longer one is grown to.
            unsafe {
                let block = Static::Regular.allocate(old).expect("there is memory");
                block.cast::<u8>().write_bytes(9, old.size());
                let block = if new.size() >= old.size() {
                    Static::Regular.grow(block.cast(), old, new)
                } else {
                    Static::Regular.shrink(block.cast(), old, new)
                };
                let block = block.expect("there is memory");
                assert_eq!(block.len(), new.size());
                assert_eq!(block.cast::<u8>().addr().get() % new.align(), 0);
                assert!(block.as_ref()[..kept].iter().all(|byte| *byte == 9));
                Static::Regular.deallocate(block.cast(), new);
            }
        }
    }
}

#[test]
fn layouts_are_honoured() -> Result<(), memkind::Error> {
    let nodes = Kind::nodes("0", Nodes::Preferred)?;
    for (size, align) in [
        (0, 1),
        (0, 64),
        (1, 1),
        (8, 16),
        (24, 8),
        (100, 4096),
        (5000, 128),
        (1, 1 << 20),
    ] {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        let block = (&nodes).allocate_zeroed(layout).expect("there is memory");
        assert_eq!(block.len(), size);
        assert_eq!(block.cast::<u8>().as_ptr() as usize % align, 0);
        // SAFETY: the block is of this size, and zeroed.
        unsafe {
            assert!(block.as_ref().iter().all(|byte| *byte == 0));
            let larger = Layout::from_size_align(size + 10_000, align).expect("a layout");
            let grown = (&nodes)
                .grow(block.cast(), layout, larger)
                .expect("there is memory");
            assert_eq!(grown.cast::<u8>().as_ptr() as usize % align, 0);
            (&nodes).deallocate(grown.cast(), larger);
        }
    }
    Ok(())
}

#[test]
fn refusals_have_reasons() {
    let error = Kind::file("/nonexistent", None).expect_err("there is no such directory");
    assert_eq!(error.code(), -13);
    assert!(error.to_string().contains("Invalid input"), "{error}");
    let dynamic: std::boxed::Box<dyn std::error::Error> = error.into();
    assert!(!dynamic.to_string().is_empty());
    assert!(Kind::nodes("nonsense", Nodes::Bind).is_err());
    assert!(Kind::file("a\0b", None).is_err());
    assert!(Kind::file_with_usage(std::env::temp_dir(), Some(1), Usage::Conservative).is_err());
}

#[test]
fn an_area_is_used_and_given_back() -> Result<(), memkind::Error> {
    const SIZE: usize = 1 << 20;
    let mut area = std::vec![0_u8; SIZE + 4096];
    let offset = area.as_ptr().align_offset(4096);
    let area = &mut area[offset..offset + SIZE];
    let range = area.as_ptr_range();
    // SAFETY: nothing else uses the area before the kind is gone.
    let kind = unsafe { Kind::area(area.as_mut_ptr(), SIZE) }?;
    assert_eq!(kind.capacity(), Some(1 << 20));
    let value = Box::new_in(7_u64, &kind);
    assert!(range.contains(&(&raw const *value).cast::<u8>()));
    drop(value);
    drop(kind);
    area[0] = 1;
    Ok(())
}

#[test]
fn tiers_keep_their_ratio() -> Result<(), memkind::Error> {
    let file = Kind::file(std::env::temp_dir(), None)?;
    let tiers = TiersBuilder::new(Policy::StaticRatio)
        .expect("there is memory")
        .tier(Static::Regular, 1)?
        .tier_of(&file, 3)?
        .build()?;
    let mut boxes = std::vec::Vec::new();
    for _ in 0..400 {
        boxes.push(Box::new_in([0_u8; 1024], &tiers));
    }
    let in_regular = Static::Regular.allocated_by_tiers();
    assert!((95..=105).contains(&(in_regular / 1024)), "{in_regular}");
    drop(boxes);
    assert_eq!(Static::Regular.allocated_by_tiers(), 0);
    Ok(())
}

#[test]
fn tiers_are_not_made_of_too_few_kinds() -> Result<(), memkind::Error> {
    let code = |builder: TiersBuilder<'_>| builder.build().expect_err("too few tiers").code();
    let none = TiersBuilder::new(Policy::StaticRatio).expect("there is memory");
    let one = TiersBuilder::new(Policy::DynamicThreshold).expect("there is memory");
    let one = one.tier(Static::Regular, 1)?;
    assert_eq!((code(none), code(one)), (-13, -13));
    Ok(())
}

#[test]
fn a_region_refuses_beyond_its_limit() -> Result<(), memkind::Error> {
    let file = Kind::file(std::env::temp_dir(), Some(64 << 20))?;
    let mut region = Region::with_limit(&file, 1 << 20)?;
    let one = region.put([1_u8; 100]).expect("there is memory");
    let two = region.put([2_u8; 100]).expect("there is memory");
    assert_eq!((one[99], two[0]), (1, 2));
    assert!(region.slice(2 << 20, |_| 0_u8).is_none());
    assert!(region.slice(usize::MAX, |_| 0_u64).is_none());
    region.reset();
    assert!(region.slice(1000, |_| 0_u8).is_some());
    Ok(())
}

#[test]
fn kinds_go_between_threads() -> Result<(), memkind::Error> {
    let kind = Kind::nodes("0", Nodes::Bind)?;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let text: Vec<u8, _> = Vec::with_capacity_in(1000, &kind);
                assert!(text.capacity() >= 1000);
            });
        }
    });
    Ok(())
}

#[test]
fn descriptions_make_kinds() -> Result<(), memkind::Error> {
    let kind = Kind::describe()
        .name("described")
        .limit(8 << 20)
        .alignment(256)
        .wipe()
        .create()?;
    let block = Box::new_in(7_u8, &kind);
    assert_eq!((&raw const *block).addr() % 256, 0);
    let mut large: Vec<u8, _> = Vec::new_in(&kind);
    assert!(large.try_reserve(16 << 20).is_err());
    // With a fallback what does not fit comes from elsewhere.
    let kind = Kind::describe()
        .limit(8 << 20)
        .fallback(Static::Regular)
        .create()?;
    let mut large: Vec<u8, _> = Vec::new_in(&kind);
    assert!(large.try_reserve(16 << 20).is_ok());
    drop(large);
    let refused = Kind::describe().alignment(3).create();
    assert_eq!(refused.err().map(|error| error.code()), Some(-13));
    let refused = Kind::describe().name("a\0b").create();
    assert_eq!(refused.err().map(|error| error.code()), Some(-13));
    Ok(())
}

#[test]
fn pools_reuse_places_and_drop_values() -> Result<(), memkind::Error> {
    use std::sync::Arc;
    let kind = Kind::nodes("0", Nodes::Preferred)?;
    let pool = Pool::new(&kind, Some(2))?;
    let count = Arc::new(());
    let (first, second) = (pool.put(count.clone()), pool.put(count.clone()));
    assert!(pool.put(count.clone()).is_err());
    let first = first.expect("a place");
    let place = &raw const *first;
    // By another thread too.
    std::thread::scope(|scope| scope.spawn(move || drop(first)).join().expect("no panic"));
    assert_eq!(Arc::strong_count(&count), 2);
    let third = pool.put(count.clone()).expect("a place");
    assert_eq!(&raw const *third, place);
    drop((second, third));
    assert_eq!(Arc::strong_count(&count), 1);
    // Types without bytes, and aligned ones.
    let empty = Pool::new(Static::Regular, None)?;
    assert!(empty.put(()).is_ok());
    #[repr(align(4096))]
    struct Aligned(u8);
    let pages = Pool::new(Static::Regular, None)?;
    pages.prepare(10)?;
    let page = pages.put(Aligned(1)).ok().expect("there is memory");
    assert_eq!(((&raw const *page).addr() % 4096, page.0), (0, 1));
    assert!(Pool::<u8>::new(Static::Regular, Some(0)).is_err());
    Ok(())
}
