//! A partition that lives here: append, read, wait.
