//! Assembly: configuration in, a running node out.

pub mod config;
