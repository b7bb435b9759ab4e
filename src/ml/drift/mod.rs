//! How far later rows lie from those a model learned from, column by column.
//!
//! A [`Reference`] is kept with the model: for each raw column the model reads, edges or categories that never change again and
//! the training rows counted by them; for the predictions, the same of the validation rows. A [`Watch`] counts later rows by the same
//! cells while they stream by, in memory that does not grow with them, and [`measure`] gives one effect size a column:
//!
//! | method | numbers | categories |
//! |---|---|---|
//! | `psi` | Σ (qᵢ − pᵢ) ln (qᵢ / pᵢ) over the tenths of the training rows, each count with half a row more | over categories of 1 % and more, at most 20, and the others |
//! | `jensenshannon` | the square root of the Jensen–Shannon divergence to base 2, over the same bins | the same |
//! | `wasserstein` | W₁ between the two distributions, divided by the standard deviation of the training rows | total variation, which is W₁ where any two categories lie 1 apart |
//!
//! Missing values are a bin of their own, and so is what lies outside of the training range, or was no category of it. `wasserstein` looks at
//! the numbers that are there, and gives the change of the missing share where that says more; of a constant column it gives the total
//! variation. Dates and times go on by themselves, so only their missing values are held against training.
//!
//! Every figure is above zero by chance alone, the more so the fewer rows there are. [`Figure`] therefore says what is expected of equal
//! distributions, and a bound that about one column in ten thousand would pass by chance: with B bins, n rows and m training rows,
//! psi is about (1/n + 1/m) χ² of B − 1 degrees of freedom, and jensenshannon the square root of an eighth of it (in nats); W₁ is
//! expected to be √(2/π) √(1/n + 1/m) ∫ √(F (1 − F)) and stays within 5 σ √(1/n + 1/m) of that (Borell's inequality gives 3.7 in the
//! normal limit; few rows of a skewed column, such as 50 of an exponential one, need more).
//! There are no p-values: with many rows any two tables differ, and the question is by how much.

mod adversarial;
mod count;
mod measure;
mod reference;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use adversarial::{Apart, apart};
pub use count::{Counts, Watch};
pub use measure::{Figure, measure};
pub use reference::{ColumnReference, Reference, Ruler};

/// Raised whenever a figure changes for the same rows.
pub const VERSION: u32 = 2;

/// How two distributions are held against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The population stability index.
    #[default]
    Psi,
    /// The distance W₁ in standard deviations of the training rows.
    Wasserstein,
    /// The Jensen–Shannon distance, from 0 to 1.
    Jensenshannon,
}

impl Method {
    /// The name as cards write it.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Psi => "PSI",
            Self::Wasserstein => "Wasserstein distance",
            Self::Jensenshannon => "Jensen–Shannon distance",
        }
    }

    /// The name as configuration has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Psi => "psi",
            Self::Wasserstein => "wasserstein",
            Self::Jensenshannon => "jensenshannon",
        }
    }

    /// Above it a shift is large, by custom.
    #[must_use]
    pub fn threshold(self) -> f64 {
        match self {
            Self::Psi => 0.25,
            Self::Wasserstein | Self::Jensenshannon => 0.1,
        }
    }
}
