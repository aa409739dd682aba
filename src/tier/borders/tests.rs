use super::{Border, Borders, Threshold, Tuning, rounded_up};

fn one_border(check_cnt: u32) -> Borders {
    let border = Border::new(Threshold::default_for(0), 1, 4);
    Borders::new(
        Box::new([border]),
        Tuning {
            check_cnt,
            ..Tuning::DEFAULT
        },
    )
}

fn check_times(borders: &Borders, times: usize, allocated: impl Fn(usize) -> usize) {
    for _ in 0..times {
        borders.check(0, &allocated);
    }
}

fn val(borders: &Borders) -> usize {
    borders
        .iter()
        .next()
        .map_or(0, |border| border.threshold().val)
}

#[test]
fn a_border_that_stays_moves_again_when_bytes_change() {
    let borders = one_border(1);
    check_times(&borders, 5, |_| 0);
    assert_eq!(val(&borders), 1355);
    // Too much below, and it could sink; then to its minimum.
    borders.check(0, |_| 1000);
    assert_eq!(val(&borders), 1151);
    check_times(&borders, 9, |_| 1000);
    assert_eq!(val(&borders), 600);
    // As asked for, and too much above at last.
    check_times(&borders, 2, |tier| if tier == 0 { 1000 } else { 4000 });
    assert_eq!(val(&borders), 600);
    borders.check(0, |tier| if tier == 0 { 1000 } else { 9000 });
    assert_eq!(val(&borders), 690);
}

#[test]
fn sizes_part_at_the_border() {
    let borders = one_border(1);
    assert_eq!(borders.tier(0), 0);
    assert_eq!(borders.tier(1023), 0);
    assert_eq!(borders.tier(1024), 1);
    assert_eq!(borders.tier(usize::MAX), 1);
    assert_eq!(borders.sizes(0), 0..1024);
    assert_eq!(borders.sizes(1), 1024..usize::MAX);
}

#[test]
fn an_empty_lower_tier_raises_the_border_up_to_its_maximum() {
    let borders = one_border(1);
    let expected = [1178, 1355, 1355];
    for value in expected {
        assert!(borders.count());
        borders.check(0, |_| 0);
        assert_eq!(val(&borders), value);
    }
}

#[test]
fn the_border_moves_against_the_deviation_unless_it_shrinks() {
    let borders = one_border(1);
    // Too much below: the border sinks.
    borders.check(0, |_| 1000);
    assert_eq!(val(&borders), 870);
    // Better than last time: it stays.
    borders.check(0, |tier| if tier == 0 { 1000 } else { 2000 });
    assert_eq!(val(&borders), 870);
    // Too much above: it rises.
    borders.check(0, |tier| if tier == 0 { 1000 } else { 9000 });
    assert_eq!(val(&borders), 1001);
    // As asked for: it stays.
    borders.check(0, |tier| if tier == 0 { 1000 } else { 4000 });
    assert_eq!(val(&borders), 1001);
}

#[test]
fn checks_come_every_check_cnt_operations() {
    let borders = one_border(3);
    assert_eq!(borders.left(0), 3);
    assert!(!borders.count() && !borders.count());
    assert_eq!(borders.left(0), 1);
    assert!(borders.count());
    assert_eq!(borders.left(0), 3);
    let never = one_border(0);
    assert!((0..100).all(|_| !never.count()));
    assert_eq!(never.left(0), 0);
}

#[test]
fn numbers_are_rounded_up() {
    for number in [0.0, 0.1, 1.0, 1.5, 153.6, 16_777_215.0, 1e18, 1e30_f32] {
        assert_eq!(rounded_up(number), number.ceil() as usize, "{number}");
    }
    assert_eq!(rounded_up(f32::NAN), 0);
}

#[test]
fn the_operation_of_a_check_is_counted_for_a_thread_that_is_alone() {
    let borders = one_border(100);
    // Until the second check in a row the thread may not be alone.
    for _ in 0..2 {
        assert_eq!(borders.count_ahead(2), (99, false));
        assert_eq!(borders.count_ahead(2), (0, false));
        assert!(borders.count());
        borders.check(2, |_| 0);
    }
    for _ in 0..3 {
        assert_eq!(borders.count_ahead(2), (100, true));
        assert_eq!(borders.left(1), 1);
        borders.check(2, |_| 0);
    }
    assert_eq!(borders.left(0), 100);
    // Another thread comes.
    assert_eq!(borders.count_ahead(4), (99, false));
    assert_eq!(borders.count_ahead(2), (0, false));
    assert!(borders.count());
    borders.check(4, |_| 0);
    assert_eq!(borders.count_ahead(4), (99, false));
}

#[test]
fn threads_that_do_little_leave_the_check_to_others() {
    let borders = one_border(20);
    let mut checks = 0;
    for thread in 1..=100 {
        let mut ahead = 0;
        for _ in 0..19 {
            if ahead == 0 {
                ahead = borders.count_ahead(2 * thread).0;
            }
            if ahead > 0 {
                ahead -= 1;
            } else if borders.count() {
                borders.check(2 * thread, |_| 0);
                checks += 1;
            }
        }
    }
    assert!((90..=100).contains(&checks), "{checks}");
}

#[test]
fn long_rounds_are_counted_in_parts() {
    let borders = one_border(200);
    for _ in 0..2 {
        let parts = [0; 3].map(|_| borders.count_ahead(2));
        assert_eq!(parts, [(127, false), (72, false), (0, false)]);
        assert!(borders.count());
        borders.check(2, |_| 0);
    }
    let parts = [0; 3].map(|_| borders.count_ahead(2));
    assert_eq!(parts, [(127, false), (73, true), (127, false)]);
    assert_eq!(one_border(0).count_ahead(2), (127, false));
}

/// The rule as it stands, without what is kept to save work.
struct Plain {
    val: usize,
    seen: f32,
}

impl Plain {
    fn adjust(&mut self, lower: usize, upper: usize) {
        let mut raise = true;
        if lower > 0 {
            let ratio = upper as f32 / lower as f32;
            let off = (ratio - 4.0).abs();
            let seen = core::mem::replace(&mut self.seen, ratio);
            if off < Tuning::DEFAULT.trigger || off < (seen - 4.0).abs() {
                return;
            }
            raise = ratio > 4.0;
        }
        let step = (self.val as f32 * Tuning::DEFAULT.degree).ceil() as usize;
        let moved = if raise {
            self.val + step
        } else {
            self.val - step
        };
        if (512..=1535).contains(&moved) {
            self.val = moved;
        }
    }
}

#[test]
fn what_is_kept_changes_no_decision() {
    let mut random = 7_u32;
    let mut below = |limit: u32| {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12345);
        ((random >> 16) % limit) as usize
    };
    for _ in 0..2000 {
        let borders = one_border(1);
        let mut plain = Plain {
            val: 1024,
            seen: 4.0,
        };
        let mut bytes = (0, 0);
        for _ in 0..100 {
            if below(3) == 0 {
                bytes = (1000 * below(3), 1000 * below(12));
            }
            borders.check(0, |tier| if tier == 0 { bytes.0 } else { bytes.1 });
            plain.adjust(bytes.0, bytes.1);
            assert_eq!(val(&borders), plain.val);
        }
    }
}
