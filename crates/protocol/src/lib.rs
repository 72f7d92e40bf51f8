//! Every message and record of Kafka, its keys, versions and error codes.
