//! Every order of a few steps.
