//! The image of the cluster, replayed from the metadata log.
