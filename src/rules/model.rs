//! The model that forecasts dormancy: its parameters, their check, and the bytes that stand for them. `dormancy` asks
//! it.

use super::fields::Fields;
use crate::settings::{Faults, settings};

settings! {
    /// Parameters of the MBG/NBD model, in days (Batislam et al. 2007).
    #[derive(Copy)]
    pub struct Model {
        /// Shape of the gamma prior of the rate of activity; above 0.
        pub r: f64 = 0.525,
        /// Scale of the gamma prior of the rate of activity, in days; above 0.
        pub alpha: f64 = 43.28,
        /// First parameter of the beta prior of leaving after an activity; above 0.
        pub a: f64 = 0.891,
        /// Second parameter of the beta prior of leaving after an activity; above 0.
        pub b: f64 = 1.614,
    }
}

impl Model {
    /// The faults of its keys in `[rules.model]`.
    pub(super) fn check(&self, faults: &mut Faults) {
        for (key, value) in [("r", self.r), ("alpha", self.alpha), ("a", self.a), ("b", self.b)] {
            let what = format!("must be above 0, not {value}");
            faults.unless(value.is_finite() && value > 0.0, &format!("model.{key}"), what);
        }
    }

    /// The bytes that stand for it.
    pub(super) fn fields(&self) -> Fields {
        let Self { r, alpha, a, b } = *self;
        let mut fields = Fields::default();
        fields.real(1, r, 0.525);
        fields.real(2, alpha, 43.28);
        fields.real(3, a, 0.891);
        fields.real(4, b, 1.614);
        fields
    }
}
