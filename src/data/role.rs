//! What a column is for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a column is for; `predictor` where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Predictor,
    Target,
    Id,
    Weight,
    Group,
    Time,
    /// Known only after the event that is predicted: never a feature.
    PostEvent,
    Ignore,
    TextSource,
    Sensitive,
}

impl Role {
    /// The name in recipe.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Predictor => "predictor",
            Self::Target => "target",
            Self::Id => "id",
            Self::Weight => "weight",
            Self::Group => "group",
            Self::Time => "time",
            Self::PostEvent => "post_event",
            Self::Ignore => "ignore",
            Self::TextSource => "text_source",
            Self::Sensitive => "sensitive",
        }
    }
}

/// The roles of a recipe's columns by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    #[must_use]
    pub fn new(roles: BTreeMap<String, Role>) -> Self {
        Self(roles)
    }

    /// The same roles with `column` as the target.
    #[must_use]
    pub fn with_target(mut self, column: &str) -> Self {
        self.0.insert(column.to_owned(), Role::Target);
        self
    }

    /// The role of a column.
    #[must_use]
    pub fn of(&self, column: &str) -> Role {
        self.0.get(column).copied().unwrap_or(Role::Predictor)
    }

    /// May the column feed a model? (`predictor` and `sensitive` may.)
    #[must_use]
    pub fn is_feature(&self, column: &str) -> bool {
        matches!(self.of(column), Role::Predictor | Role::Sensitive)
    }

    /// The first column, by name, with the role.
    #[must_use]
    pub fn first(&self, role: Role) -> Option<&str> {
        self.all(role).next()
    }

    /// Every column with the role, by name.
    pub fn all(&self, role: Role) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, r)| **r == role).map(|(name, _)| name.as_str())
    }

    /// Every column that was given a role.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Role)> {
        self.0.iter().map(|(name, role)| (name.as_str(), *role))
    }
}
