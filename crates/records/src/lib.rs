//! The record batch: view over bytes, checks, builder, compression.
