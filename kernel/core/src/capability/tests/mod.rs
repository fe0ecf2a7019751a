//! The forest and its spaces against a simple model, and by example.

mod cost;
mod examples;
mod interleaved;
mod model;
mod properties;
mod world;
