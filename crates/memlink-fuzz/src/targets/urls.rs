use memlink::Client;
use memlink_resp::Redis;

use crate::Choices;

/// Any text is a URL or an error, and neither shows a password.
///
/// ```text
///   form, what stands inside the password | the rest of the URL
/// ```
pub fn urls(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (form, inside) = (choices.byte(), choices.byte());
    let text = String::from_utf8_lossy(choices.rest());
    // Whoever looks for the password's halves may put one where it is none.
    if SECRET.iter().any(|half| text.contains(half)) {
        return;
    }
    let (front, behind) = text.split_once('\n').unwrap_or(("", &text));
    let secret = format!("{}{}{}", SECRET[0], char::from(inside & 0x7f), SECRET[1]);
    const SCHEMES: [&str; 12] = [
        "memcache",
        "memcaches",
        "memcache+unix",
        "redis",
        "rediss",
        "redis+unix",
        "valkey",
        "valkeys",
        "MEMCACHE",
        "http",
        "",
        "elasticache",
    ];
    let scheme = SCHEMES[usize::from(form >> 2) % SCHEMES.len()];
    let url = match form % 4 {
        0 => text.into_owned(),
        // What begins with a / is the path of a socket, and not a user.
        1 if scheme.ends_with("+unix") && front.starts_with('/') => return,
        1 => format!("{scheme}://{front}:{secret}@{behind}"),
        // Behind an option it is a part of that one's value.
        2 if front.contains('?') => return,
        2 => format!("{scheme}://{front}?password={secret}{behind}"),
        _ => format!("{scheme}://{text}"),
    };
    check(&url, Client::builder().url(&url));
    check(&url, Redis::builder().url(&url));
}

/// Neither half occurs in anything else.
const SECRET: [&str; 2] = ["q7Zx", "9wKv"];

fn check<T: std::fmt::Debug, E: std::fmt::Debug + std::fmt::Display>(url: &str, result: Result<T, E>) {
    let shown = match result {
        Ok(builder) => format!("{builder:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    let is_shown = SECRET.iter().any(|half| shown.contains(half));
    assert!(!is_shown, "{url:?} is answered {shown}");
}
