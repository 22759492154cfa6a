//! What Python does where task files rely on it: its texts of values, its literals, its regular expressions and its random
//! numbers. The same prompt, the same extracted answer and the same few-shot examples as lm-eval's need all four.

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
