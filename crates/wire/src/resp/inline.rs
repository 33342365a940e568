//! Inline requests: a line of words, some of them quoted.
