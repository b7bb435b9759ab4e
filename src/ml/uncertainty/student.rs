//! Student's distribution: how far a mean of few values lies from the truth.

/// How likely a value above `t` is, with so many degrees of freedom (need not be whole): `½ I(ν/(ν+t²); ν/2, ½)` for `t ≥ 0`.
#[must_use]
pub fn upper_tail(t: f64, degrees: f64) -> f64 {
    let half = 0.5 * incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t), t * t / (degrees + t * t));
    if t.is_nan() {
        f64::NAN
    } else if t.is_infinite() {
        if t > 0.0 { 0.0 } else { 1.0 }
    } else if t >= 0.0 {
        half
    } else {
        1.0 - half
    }
}

/// The value that is not exceeded with a probability from 0.5 to below 1, by bisection.
#[must_use]
pub fn quantile(probability: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while upper_tail(high, degrees) > 1.0 - probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if upper_tail(middle, degrees) > 1.0 - probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function at `x`, whose complement `rest` is given apart so that no digits are lost: the continued fraction
/// DLMF 8.17.22, from its end to its beginning.
fn incomplete_beta(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    if x <= 0.0 || rest <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, rest, x);
    }
    let front = (a * x.ln() + b * rest.ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    let terms = 100 + 4 * a.max(b).sqrt() as usize;
    let fraction = (1..=terms).rev().fold(1.0, |below, term| {
        let m = (term / 2) as f64;
        let d = if term % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        1.0 + d / below
    });
    front / fraction
}

/// ln Γ for positive numbers: Stirling's series (DLMF 5.11.1) from 10 on, the recurrence below.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - below
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One degree of freedom is Cauchy's distribution, two have a root, and `scipy.stats.t.ppf(0.975, [5, 9, 30, 1e4])` gave the rest.
    #[test]
    fn tails_and_quantiles_are_those_of_closed_forms_and_of_scipy() {
        for t in [-3.0_f64, -0.4, 0.0, 0.7, 2.5, 40.0] {
            let (one, two) = (0.5 - t.atan() / std::f64::consts::PI, 0.5 - t / (2.0 * (2.0 + t * t).sqrt()));
            assert!((upper_tail(t, 1.0) - one).abs() < 1e-12 && (upper_tail(t, 2.0) - two).abs() < 1e-12, "{t}");
        }
        for (degrees, wanted) in [(5.0, 2.570_581_835_6), (9.0, 2.262_157_162_7), (30.0, 2.042_272_456_3), (1e4, 1.960_201_239_9)] {
            assert!((quantile(0.975, degrees) - wanted).abs() < 1e-8, "{degrees}");
        }
        assert_eq!((upper_tail(f64::INFINITY, 3.0), upper_tail(f64::NEG_INFINITY, 3.0)), (0.0, 1.0));
    }
}
