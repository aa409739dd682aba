//! Numbers of CPUs, and errors of the system, in words.

use std::io;

/// CPUs by number.
pub(crate) fn cpus_in_words(cpus: &[usize]) -> String {
    match cpus {
        [] => "no CPUs".to_owned(),
        [only] => format!("CPU {only}"),
        cpus => format!("CPUs {}", list(cpus)),
    }
}

/// Numbers as a list of ranges, `0-3,8`; `-` for none.
pub(crate) fn list(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let range = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    match ranges.as_slice() {
        [] => "-".to_owned(),
        ranges => ranges.iter().map(range).collect::<Vec<_>>().join(","),
    }
}

/// The system's text for an error, as in perror(3).
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}
