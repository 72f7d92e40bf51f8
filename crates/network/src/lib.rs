//! Listeners: bytes to frames to bytes, bounded.
