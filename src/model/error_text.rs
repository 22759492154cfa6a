//! Errors as one line of text.

/// The message of an error and those of its causes. A cause that is already part of the text is left out, because many messages quote
/// their cause.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Outer {
        message: &'static str,
        #[source]
        cause: std::io::Error,
    }

    #[test]
    fn cause_appears_once() {
        let outer = |message| Outer {
            message,
            cause: std::io::Error::other("refused"),
        };
        assert_eq!(with_causes(&outer("no data")), "no data: refused");
        assert_eq!(with_causes(&outer("no data: refused; try again")), "no data: refused; try again");
    }
}
