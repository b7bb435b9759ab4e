//! Addresses: their parts and queries, taken apart and written.

/// What stands behind `?`, or in a form: names and values, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(text: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// The first value of a name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A copy in which a name has this value only; none where it is empty.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let kept = self.0.iter().filter(|(known, value)| known != name && !value.is_empty()).cloned();
        Self(kept.chain((!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))).collect())
    }

    /// Behind a path: `?a=1&b=2`, or nothing.
    pub fn text(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

/// The parts of a path between slashes, decoded: `/` has one, which is empty.
pub fn parts(path: &str) -> Vec<String> {
    path.trim_start_matches('/').split('/').map(decoded).collect()
}

/// A part of an address that means itself.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = || text.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let code = code();
        found.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&found).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_and_paths_are_taken_apart() {
        let query = Query::of("run=a&run=b&x=%3Cb%3E+1&y=&%zz");
        assert_eq!((query.all("run").collect::<Vec<_>>(), query.get("x"), query.get("y"), query.get("nothing")), (vec!["a", "b"], Some("<b> 1"), None, None));
        assert_eq!(query.with("run", "c").with("x", "").text(), "?run=c");
        assert_eq!(parts("/models/a%2Fb/1"), ["models", "a/b", "1"]);
        assert_eq!((parts("/"), parts("")), (vec![String::new()], vec![String::new()]));
        assert_eq!(decoded("%e4%b8%80%"), "一%");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in ".{0,20}", name in ".{1,9}") {
            prop_assert_eq!(decoded(&encoded(&text)), text.clone());
            let query = Query::of(&Query::default().with(&name, &text).text()[usize::from(!text.is_empty())..]);
            prop_assert_eq!(query.get(&name), Some(text.as_str()).filter(|text| !text.is_empty()));
        }
    }
}
