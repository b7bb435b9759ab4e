//! From files to a checked [`Recipe`]: every configuration error ends here, all at once, with places.

pub mod document;
pub mod interpolate;
pub mod variables;
