//! Computes how large a difference is beside the spread of people's differences.

use super::gamma_ratio::gamma_ratio;
use super::moments::Moments;

/// A mean difference in units of the standard deviation of the differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectSize {
    /// Cohen's d of paired differences, mean / s (Cohen 1988, Statistical Power Analysis, section 2.3.5).
    pub d_z: f64,
    /// The same without the bias of small samples: times Γ(ν/2) / (√(ν/2) Γ((ν - 1)/2)) for ν = n - 1 (Hedges 1981).
    pub g_z: f64,
}

impl EffectSize {
    /// The effect size of differences; `None` if there are fewer than two, or all are the same.
    pub fn of(differences: &Moments) -> Option<Self> {
        let deviation = differences.deviation().filter(|&deviation| deviation > 0.0)?;
        let d_z = differences.mean()? / deviation;
        let half = (differences.count() - 1) as f64 / 2.0;
        Some(Self { d_z, g_z: d_z * gamma_ratio(half - 0.5) / half.sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_are_corrected() {
        let effect = EffectSize::of(&Moments::of(&[0.1, 0.3, 0.2, 0.4, 0.5])).expect("they differ");
        // scipy 1.17.1: gamma(2) / (2 ** 0.5 * gamma(1.5)) = 0.7978845608028654
        assert!((effect.d_z - 0.3 / 0.025_f64.sqrt()).abs() < 1e-14);
        assert!((effect.g_z / effect.d_z - 0.797_884_560_802_865_4).abs() < 1e-14);
        assert_eq!(EffectSize::of(&Moments::of(&[0.1, 0.1])), None);
        assert_eq!(EffectSize::of(&Moments::of(&[0.1])), None);
    }
}
