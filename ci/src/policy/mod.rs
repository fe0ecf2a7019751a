//! House rules that no compiler checks. Each rule is a pure function from a text to [`Finding`]s.

mod arithmetic;
mod attributes;
mod finding;
mod floors;
mod instructions;
mod length;
mod manifests;
mod places;
mod safety;
mod statics;
mod tokens;
mod tree;
mod words;

pub use finding::Finding;
pub use floors::check_floors;
pub use instructions::check_kernel;
pub use tree::check_tree;
