//! The record batch, Kafka's unit of everything: what a producer sends, a log stores, a fetch returns.
//!
//! A batch is looked at where it lies ([`BatchView`]), never decoded into objects; what a broker
//! assigns (offset, leader epoch, append time) is a patched copy of its 61-byte header
//! ([`patched_prefix`]), so the received bytes are neither changed nor copied. Only magic 2 is
//! read; the older formats are detected and refused.
//!
//! This crate knows no files, no topics and no requests, and keeps nothing between calls but the
//! compression contexts of each thread.
//!
//! Start reading at [`header`] (the 61 bytes), then [`view`] and [`record`].

pub mod header;
pub mod varint;

pub mod record;
pub mod view;

pub mod lookup;
pub mod validate;

pub mod builder;
pub mod compression;
pub mod control;

mod error;

pub use builder::{BatchBuilder, BuildError, retained_empty};
pub use compression::{Codec, Compression};
pub use control::{ControlType, EndTransactionMarker};
pub use error::BatchError;
pub use header::{Attributes, BatchHeader, HEADER_SIZE, TimestampType, size_of_batch_at};
pub use lookup::{FoundRecord, first_record_at_or_after, max_timestamp_offset};
pub use record::{Header, Headers, RecordView};
pub use validate::{
    Checked, DECOMPRESSED_SIZE_MAX, ProduceError, ProduceRules, RecordError, validate_produce,
};
pub use view::{BatchView, Batches, Records, batches, patched_prefix};
