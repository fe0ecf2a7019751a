//! The forest and its spaces against a simple model, and by example.

mod examples;
mod model;
mod properties;
mod world;
