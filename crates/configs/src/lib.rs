//! Kafka's configuration keys: names, types, defaults, documentation, and what is honoured.
