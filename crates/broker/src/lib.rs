//! Dispatch and one handler per API key.
