//! Collects tiers and settings, checks them and makes memories of them.
#![forbid(unsafe_code)]

use super::borders::{Border, Borders};
use super::describe;
use super::memory::{Memory, Tier};
use super::policy::{self, Policy, Threshold, Tuning};
use super::property::Property;
use crate::boxed::boxed_slice;
use crate::error::Error;
use crate::kind::Kind;
use crate::log;

/// The value of a setting, in the type that libmemtier(3) names for it.
pub enum Value {
    /// `unsigned int`.
    Count(u32),
    /// `float`.
    Real(f32),
    /// `size_t`, bytes.
    Bytes(usize),
}

/// The type of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// `unsigned int`.
    Count,
    /// `float`.
    Real,
    /// `size_t`.
    Bytes,
}

/// A setting that exists in a builder.
#[derive(Clone, Copy)]
pub struct Setting(Property);

impl Setting {
    /// The type of its value.
    pub const fn value_type(self) -> ValueType {
        match self.0 {
            Property::CheckCnt => ValueType::Count,
            Property::Trigger | Property::Degree => ValueType::Real,
            Property::Val(_) | Property::Min(_) | Property::Max(_) => ValueType::Bytes,
        }
    }
}

/// Collects the tiers of a [`Memory`].
pub struct Builder {
    policy: Policy,
    /// The kind and the ratio of each tier.
    tiers: Vec<(&'static Kind, u32)>,
    /// The border of each pair of neighbouring tiers; none if the policy is static.
    thresholds: Vec<Threshold>,
    tuning: Tuning,
}

impl Builder {
    /// A builder without tiers.
    ///
    /// # Errors
    /// `Invalid` if no policy has this number.
    pub fn new(policy: u32) -> Result<Self, Error> {
        let Some(policy) = Policy::from_number(policy) else {
            log::error!("Unrecognized memory policy {policy}");
            return Err(Error::Invalid);
        };
        let tuning = match policy {
            Policy::StaticRatio => Tuning::NONE,
            Policy::DynamicThreshold => Tuning::DEFAULT,
        };
        Ok(Self {
            policy,
            tiers: Vec::new(),
            thresholds: Vec::new(),
            tuning,
        })
    }

    /// Adds a tier; its share is `ratio` compared with the other tiers' ratios.
    ///
    /// # Errors
    /// `Invalid` without a kind or if the kind is a tier already, `Malloc` if the
    /// builder cannot grow. The builder stays as it was.
    pub fn add_tier(&mut self, kind: Option<&'static Kind>, ratio: u32) -> Result<(), Error> {
        let Some(kind) = kind else {
            log::error!("Kind is empty.");
            return Err(Error::Invalid);
        };
        if self
            .tiers
            .iter()
            .any(|&(tier, _)| core::ptr::eq(tier, kind))
        {
            log::error!("Kind is already in builder.");
            return Err(Error::Invalid);
        }
        let grown = self
            .tiers
            .try_reserve(1)
            .and_then(|()| self.thresholds.try_reserve(1));
        if grown.is_err() {
            log::error!("malloc() failed.");
            return Err(Error::Malloc);
        }
        if self.policy == Policy::DynamicThreshold && !self.tiers.is_empty() {
            self.thresholds
                .push(Threshold::default_for(self.thresholds.len()));
        }
        self.tiers.push((kind, ratio));
        Ok(())
    }

    /// The setting called `name`.
    ///
    /// # Errors
    /// `Invalid` if no setting has this name, or its tiers have not been added.
    pub fn setting(&self, name: &[u8]) -> Result<Setting, Error> {
        let parsed = match self.policy {
            Policy::StaticRatio => Err(name),
            Policy::DynamicThreshold => Property::parse(name),
        };
        match parsed {
            Err(unknown) => {
                log::error!("Invalid name: {}", log::Bytes(unknown));
                Err(Error::Invalid)
            }
            Ok(Property::Val(index) | Property::Min(index) | Property::Max(index))
                if index >= self.thresholds.len() =>
            {
                let n_tiers = self.tiers.len();
                log::error!("Too small tiers defined {n_tiers}, for tier index {index}");
                Err(Error::Invalid)
            }
            Ok(property) => Ok(Setting(property)),
        }
    }

    /// Sets a setting to a value; [`Builder::construct`] checks all settings together.
    ///
    /// # Errors
    /// `Invalid` if the value is not of the setting's type.
    pub fn set(&mut self, setting: Setting, value: Value) -> Result<(), Error> {
        match (setting.0, value) {
            (Property::CheckCnt, Value::Count(count)) => self.tuning.check_cnt = count,
            (Property::Trigger, Value::Real(part)) => self.tuning.trigger = part,
            (Property::Degree, Value::Real(part)) => self.tuning.degree = part,
            (Property::Val(index), Value::Bytes(size)) => self.threshold(index)?.val = size,
            (Property::Min(index), Value::Bytes(size)) => self.threshold(index)?.min = size,
            (Property::Max(index), Value::Bytes(size)) => self.threshold(index)?.max = size,
            _ => return Err(Error::Invalid),
        }
        Ok(())
    }

    fn threshold(&mut self, index: usize) -> Result<&mut Threshold, Error> {
        self.thresholds.get_mut(index).ok_or(Error::Invalid)
    }

    /// Makes a memory of the tiers and settings, which the builder keeps.
    ///
    /// # Errors
    /// `Invalid` with no tier, with one tier and a dynamic policy, or if the
    /// settings contradict each other; `Malloc` if memory for it runs out.
    pub fn construct(&self) -> Result<Memory, Error> {
        let Some(&(_, first)) = self.tiers.first() else {
            if self.policy == Policy::StaticRatio {
                log::error!("No tier in builder.");
                log::error!("memtier_memory_init failed.");
            } else {
                too_few_tiers();
            }
            return Err(Error::Invalid);
        };
        let tiers = boxed_slice(
            self.tiers
                .iter()
                .enumerate()
                .map(|(index, &(kind, ratio))| {
                    let ratio = if index == 0 {
                        1.0
                    } else {
                        policy::normalized(first, ratio)
                    };
                    Tier { kind, ratio }
                }),
        )?;
        let borders = match self.policy {
            Policy::StaticRatio => None,
            Policy::DynamicThreshold => Some(self.borders()?),
        };
        Ok(Memory { tiers, borders })
    }

    fn borders(&self) -> Result<Borders, Error> {
        if self.thresholds.is_empty() {
            too_few_tiers();
            return Err(Error::Invalid);
        }
        if let Err(inconsistent) = policy::check(&self.thresholds, &self.tuning) {
            log::error!("{inconsistent}");
            return Err(Error::Invalid);
        }
        let borders = self
            .thresholds
            .iter()
            .zip(self.tiers.iter().zip(self.tiers.iter().skip(1)))
            .map(|(&threshold, (&(_, lower), &(_, upper)))| Border::new(threshold, lower, upper));
        let borders = boxed_slice(borders)?;
        Ok(Borders::new(borders, self.tuning))
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        log::info!("Number of memory tiers {}", self.tiers.len());
        for (index, &(kind, ratio)) in self.tiers.iter().enumerate() {
            // The name of the number is the original's; it is the ratio as given.
            describe::tier(index, kind, f64::from(ratio));
        }
        describe::thresholds(self.thresholds.iter().copied(), &self.tuning);
    }
}

fn too_few_tiers() {
    log::error!(
        "There should be at least 2 tiers added to builder to use POLICY_DYNAMIC_THRESHOLD"
    );
}
