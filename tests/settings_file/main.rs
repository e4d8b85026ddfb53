//! Settings files: what they say, who has the last word, and what is wrong with them.

mod errors;
mod precedence;
