//! Drives raft and controller over the metadata log; publishes the image.
