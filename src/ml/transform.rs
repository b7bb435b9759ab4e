//! What a transform is: configuration that fits on training rows and becomes an [`Apply`].
//!
//! A transform is one file in `transformers/` and one line in its list. Fitting reads the training
//! table in batches or in one aggregate query; applying only adds lazy expressions, so it streams. What
//! becomes of the training rows themselves may differ from what is applied to all other rows: see
//! [`Transformer::fit_training`]. Where a row gets values of other rows, the whole table is looked at first: see [`AcrossRows`].

use schemars::JsonSchema;
#[cfg(test)]
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use polars::prelude::{Column, LazyFrame};

use crate::card;
use crate::data::{Role, Roles, Table};
use crate::error::{Error, Result};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::ColumnKind;
use crate::ml::sparse::Block;
use crate::value::{Fault, Value, parse};

/// What a transform may look at while it fits: training rows only.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    /// The training table as the transforms before this one left it.
    pub table: &'a Table,
    pub roles: &'a Roles,
    /// The recipe's seed, for those that draw.
    pub seed: u64,
    /// What the target is; `None`: its type says so.
    pub target: Option<TargetKind>,
}

/// What the target is to a transform that learns from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    Number,
    Classes,
}

impl<'a> Fit<'a> {
    /// The target's column and what it is, for transforms that learn from it.
    ///
    /// # Errors
    /// No target among the roles or in the table.
    pub fn target(&self, transform: &str) -> Result<(&'a str, TargetKind)> {
        let found = self.roles.first(Role::Target).and_then(|name| Some((name, self.table.schema().get(name)?)));
        let Some((name, dtype)) = found else { return Err(Error::data(format!("`{transform}` learns from the target, and the table has none"))) };
        let by_type = if matches!(ColumnKind::of(dtype), ColumnKind::Integer | ColumnKind::Float) { TargetKind::Number } else { TargetKind::Classes };
        Ok((name, self.target.unwrap_or(by_type)))
    }
}

/// A transform before fitting: its configuration.
pub trait Transformer: JsonSchema + Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The canonical name in recipe.yaml.
    const NAME: &'static str;
    /// Other accepted names (tidymodels, scikit-learn).
    const ALIASES: &'static [&'static str] = &[];
    /// Raised whenever the same input gives other output.
    const VERSION: u32 = 1;
    /// The user's page: first line a sentence, then parameters, then an example fenced as yaml.
    const DOC: &'static str;

    type Fitted: Apply;

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Each refused value with its path.
    fn check(&self) -> Result<(), Vec<Fault>> {
        Ok(())
    }

    /// Learns from training rows.
    ///
    /// # Errors
    /// Missing columns (all named), wrong column types.
    fn fit(&self, on: Fit<'_>) -> Result<Self::Fitted>;

    /// Learns, and says what becomes of the training rows themselves: by default what [`Apply::apply`] makes of any row.
    ///
    /// Two sorts of transforms say otherwise. Where the target is learned from (`target_encode`), no training row may be
    /// shown its own target. Where training rows are chosen (`filter`, `sample`), all other rows stay as they are.
    ///
    /// # Errors
    /// As [`Transformer::fit`] and [`Apply::apply`].
    fn fit_training(&self, on: Fit<'_>) -> Result<(Self::Fitted, LazyFrame)> {
        let fitted = self.fit(on)?;
        let rows = fitted.apply(on.table.lazy())?;
        Ok((fitted, rows))
    }
}

/// A fitted transform.
pub trait Apply: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Adds this transform's expressions to a query, which keeps its rows and their order. Columns that were named at
    /// fitting are there. Only a check reads the rows now, so that it can name all that break it, and what is [`AcrossRows`].
    ///
    /// # Errors
    /// Where the query cannot be built; what a check found.
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame>;

    /// Columns that later data must have even where no feature is computed from them: those that are checked.
    fn required(&self) -> Vec<String> {
        Vec::new()
    }

    /// Set where rows get values of other rows: [`Apply::apply`] is then only right for a whole table.
    fn across_rows(&self) -> Option<&dyn AcrossRows> {
        None
    }

    /// The sparse columns that are made.
    fn blocks(&self) -> Vec<Block> {
        Vec::new()
    }

    /// Says what it computes in operations that other programs have: the same as [`Apply::apply`], column by column.
    ///
    /// # Errors
    /// Why it has no such form.
    fn lower(&self, _on: &mut Lowering) -> Result<(), Why> {
        let why = if self.across_rows().is_some() { "gives rows values of other rows" } else { "computes what ONNX and SQL have no operation for" };
        Err(Why::new(why))
    }

    /// What was learned, as tables for the card and for `recipe show transformer`.
    fn learned(&self) -> Vec<card::Table>;
}

/// A fitted transform that gives a row values of other rows. A chain asks it once for a whole table, so that the rows can be
/// taken apart afterwards: [`super::FittedChain::prepare`].
pub trait AcrossRows {
    /// The names of the columns that it adds.
    fn outputs(&self) -> Vec<&str>;

    /// Those columns for a whole table, in the order of its rows.
    ///
    /// # Errors
    /// Columns that are absent; where the table cannot be read.
    fn columns(&self, table: &Table) -> Result<Vec<Column>>;
}

/// [`Transformer`] without its type, as the chain holds it.
pub trait UnfittedTransform: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> u32;
    /// The configuration with every default filled in: what enters the key.
    fn config(&self) -> serde_json::Value;
    /// See [`Transformer::fit`].
    ///
    /// # Errors
    /// As there.
    fn fit(&self, on: Fit<'_>) -> Result<Box<dyn FittedTransform>>;
    /// See [`Transformer::fit_training`].
    ///
    /// # Errors
    /// As there.
    fn fit_training(&self, on: Fit<'_>) -> Result<(Box<dyn FittedTransform>, LazyFrame)>;
}

/// [`Apply`] without its type.
pub trait FittedTransform: Send + Sync {
    fn name(&self) -> &'static str;
    /// See [`Apply::apply`].
    ///
    /// # Errors
    /// As there.
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame>;
    /// See [`Apply::required`].
    fn required(&self) -> Vec<String>;
    /// See [`Apply::across_rows`].
    fn across_rows(&self) -> Option<&dyn AcrossRows>;

    /// See [`Apply::blocks`].
    fn blocks(&self) -> Vec<Block>;
    /// See [`Apply::lower`].
    ///
    /// # Errors
    /// As there.
    fn lower(&self, on: &mut Lowering) -> Result<(), Why>;
    fn learned(&self) -> Vec<card::Table>;
    /// The fitted state, to be read back by [`TransformerEntry::load`].
    fn save(&self) -> serde_json::Value;
}

struct Unfitted<T>(T);
struct Fitted<T: Transformer>(T::Fitted);

impl<T: Transformer> UnfittedTransform for Unfitted<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn version(&self) -> u32 {
        T::VERSION
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }

    fn fit(&self, on: Fit<'_>) -> Result<Box<dyn FittedTransform>> {
        Ok(Box::new(Fitted::<T>(self.0.fit(on)?)))
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(Box<dyn FittedTransform>, LazyFrame)> {
        let (fitted, rows) = self.0.fit_training(on)?;
        Ok((Box::new(Fitted::<T>(fitted)), rows))
    }
}

impl<T: Transformer> FittedTransform for Fitted<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        self.0.apply(frame)
    }

    fn required(&self) -> Vec<String> {
        self.0.required()
    }

    fn across_rows(&self) -> Option<&dyn AcrossRows> {
        self.0.across_rows()
    }

    fn blocks(&self) -> Vec<Block> {
        self.0.blocks()
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        self.0.lower(on)
    }

    fn learned(&self) -> Vec<card::Table> {
        self.0.learned()
    }

    fn save(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}

/// One line of the list of transforms.
pub struct TransformerEntry {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub version: u32,
    pub doc: &'static str,
    /// Reads the configuration under the transform's name.
    pub parse: fn(&Value) -> Result<Box<dyn UnfittedTransform>, Vec<Fault>>,
    /// What an editor is told of the parameters.
    #[cfg(test)]
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Reads a fitted state back.
    pub load: fn(serde_json::Value) -> Result<Box<dyn FittedTransform>>,
}

impl TransformerEntry {
    #[must_use]
    pub const fn of<T: Transformer>() -> Self {
        Self {
            name: T::NAME,
            aliases: T::ALIASES,
            version: T::VERSION,
            doc: T::DOC,
            parse: |value| {
                // `- drop_constant:` with nothing behind it means: all defaults.
                let nothing = Value::empty();
                let transformer: T = parse(if *value == Value::Null { &nothing } else { value })?;
                transformer.check()?;
                Ok(Box::new(Unfitted(transformer)))
            },
            #[cfg(test)]
            schema: T::json_schema,
            load: |saved| {
                let fitted = serde_json::from_value(saved).map_err(|error| Error::model(format!("fitted `{}` is damaged: {error}", T::NAME)))?;
                Ok(Box::new(Fitted::<T>(fitted)))
            },
        }
    }
}
