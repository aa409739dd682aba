//! The names of memtier_ctl_set, parsed.
#![forbid(unsafe_code)]

/// A setting of the dynamic policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// Operations between two checks.
    CheckCnt,
    /// Smallest deviation that moves a border.
    Trigger,
    /// Relative step of a border.
    Degree,
    /// The initial value of a border.
    Val(usize),
    /// The minimum of a border.
    Min(usize),
    /// The maximum of a border.
    Max(usize),
}

impl Property {
    /// Parses a full name; the error is the part that is not understood.
    pub(super) fn parse(name: &[u8]) -> Result<Self, &[u8]> {
        let Some(rest) = name.strip_prefix(b"policy.dynamic_threshold.") else {
            return Err(name);
        };
        match rest {
            b"check_cnt" => return Ok(Self::CheckCnt),
            b"trigger" => return Ok(Self::Trigger),
            b"degree" => return Ok(Self::Degree),
            _ => {}
        }
        let Some(indexed) = rest.strip_prefix(b"thresholds") else {
            return Err(rest);
        };
        if !matches!(indexed.first(), None | Some(b'[')) {
            return Err(rest);
        }
        let Some((index, field)) = subscript(indexed) else {
            return Err(indexed);
        };
        match field {
            b".val" => Ok(Self::Val(index)),
            b".min" => Ok(Self::Min(index)),
            b".max" => Ok(Self::Max(index)),
            _ => Err(field),
        }
    }
}

/// Splits `[N]rest`, N in decimal digits.
fn subscript(text: &[u8]) -> Option<(usize, &[u8])> {
    let text = text.strip_prefix(b"[")?;
    let end = text.iter().position(|&byte| byte == b']')?;
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let index = digits.iter().try_fold(0_usize, |index, digit| {
        let digit = digit.is_ascii_digit().then(|| usize::from(digit - b'0'))?;
        index.checked_mul(10)?.checked_add(digit)
    })?;
    Some((index, &rest[1..]))
}

#[cfg(test)]
mod tests {
    use super::Property;

    #[test]
    fn every_documented_name_is_known() {
        for (name, property) in [
            ("check_cnt", Property::CheckCnt),
            ("trigger", Property::Trigger),
            ("degree", Property::Degree),
            ("thresholds[0].val", Property::Val(0)),
            ("thresholds[12].min", Property::Min(12)),
            ("thresholds[513].max", Property::Max(513)),
        ] {
            let name = format!("policy.dynamic_threshold.{name}");
            assert_eq!(Property::parse(name.as_bytes()), Ok(property));
        }
    }

    #[test]
    fn anything_else_is_not() {
        for (name, left) in [
            ("", ""),
            ("policy.", "policy."),
            ("policy.static_ratio.trigger", "policy.static_ratio.trigger"),
            (
                ".policy.dynamic_threshold.trigger",
                ".policy.dynamic_threshold.trigger",
            ),
            ("policy.dynamic_threshold", "policy.dynamic_threshold"),
            ("policy.dynamic_threshold.check_cntx", "check_cntx"),
            ("policy.dynamic_threshold.trigger[0]", "trigger[0]"),
            ("policy.dynamic_threshold..trigger", ".trigger"),
            ("policy.dynamic_threshold.thresholds[0]", ""),
            (
                "policy.dynamic_threshold.thresholds0.val",
                "thresholds0.val",
            ),
            ("policy.dynamic_threshold.thresholds[].val", "[].val"),
            ("policy.dynamic_threshold.thresholds[-1].val", "[-1].val"),
            ("policy.dynamic_threshold.thresholds[0x0].val", "[0x0].val"),
            ("policy.dynamic_threshold.thresholds[0].val.", ".val."),
            ("policy.dynamic_threshold.thresholds[0]]..val", "]..val"),
            (
                "policy.dynamic_threshold.thresholds[99999999999999999999].val",
                "[99999999999999999999].val",
            ),
        ] {
            assert_eq!(
                Property::parse(name.as_bytes()),
                Err(left.as_bytes()),
                "{name}"
            );
        }
    }
}
