//! The parts of Python's behaviour that task files rely on: `str` and `repr` of values, literals, regular expressions and random
//! numbers. All four are needed for the same prompts, the same extracted answers and the same few-shot examples as lm-eval's.

mod json;
mod literal;
mod nested;
mod random;
mod regex;
mod text;

pub use json::dumps;
pub use literal::literal;
pub use random::Random;
pub use regex::{Match, Pattern, escape};
pub use text::{PUNCTUATION, is_digits, shown, strip};
