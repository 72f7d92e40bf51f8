//! KRaft: who leads the metadata log and what is committed.
