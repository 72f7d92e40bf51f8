//! Assembly: configuration in, a running node out.
