//! Values written in attributes: numbers, boxes, transforms, runs of distances. GB/T 33190-2016, 7.3.

/// A decimal number; the words that Rust also reads (`inf`, `nan`) are none.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    let value: f64 = text.parse().ok().filter(|_| plain)?;
    (value.abs() <= 1e9).then_some(value)
}

/// ST_Array: numbers between white space, at most so many.
#[must_use]
pub fn numbers(text: &str, most: usize) -> Option<Vec<f64>> {
    let all: Option<Vec<f64>> = text.split_ascii_whitespace().take(most.saturating_add(1)).map(number).collect();
    all.filter(|all| all.len() <= most)
}

/// ST_Box, `x y w h`.
#[must_use]
pub fn area(text: &str) -> Option<[f64; 4]> {
    let area: [f64; 4] = numbers(text, 4)?.try_into().ok()?;
    let [_, _, width, height] = area;
    (width >= 0.0 && height >= 0.0).then_some(area)
}

/// ST_Pos, `x y`.
#[must_use]
pub fn position(text: &str) -> Option<[f64; 2]> {
    numbers(text, 2)?.try_into().ok()
}

/// A CTM: six numbers, `x' = ax + cy + e`, `y' = bx + dy + f` (8.5).
#[must_use]
pub fn transform(text: &str) -> Option<[f64; 6]> {
    numbers(text, 6)?.try_into().ok()
}

/// DeltaX and DeltaY (11.3): distances, where `g n d` stands for n times d. At most `most` of them are read.
#[must_use]
pub fn distances(text: &str, most: usize) -> Option<Vec<f64>> {
    let mut all = Vec::new();
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if all.len() >= most {
            break;
        }
        if word.eq_ignore_ascii_case("g") {
            let count: usize = words.next()?.parse().ok()?;
            let distance = number(words.next()?)?;
            let room = most.saturating_sub(all.len());
            all.resize(all.len().saturating_add(count.min(room)), distance);
        } else {
            all.push(number(word)?);
        }
    }
    Some(all)
}

/// `xs:boolean`.
#[must_use]
pub fn flag(text: Option<&str>, absent: bool) -> bool {
    match text.map(str::trim) {
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        _ => absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_and_finite() {
        assert_eq!(numbers(" 1 -2.5\n3e1 ", 3), Some(vec![1.0, -2.5, 30.0]));
        for text in ["inf", "NaN", "1e99", "0x10", "1,2", "--1"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(numbers("1 2 3 4", 3), None);
        assert_eq!(area("0 0 -1 1"), None);
        assert_eq!(area("0 0 1"), None);
        assert_eq!(transform("1 0 0 1 5 6"), Some([1.0, 0.0, 0.0, 1.0, 5.0, 6.0]));
    }

    #[test]
    fn runs_of_distances_are_spread() {
        assert_eq!(distances("1 g 3 2.5 4", 9), Some(vec![1.0, 2.5, 2.5, 2.5, 4.0]));
        assert_eq!(distances("g 4000000000 1", 4), Some(vec![1.0; 4]));
        assert_eq!(distances("g", 4), None);
        assert_eq!(distances("g x 1", 4), None);
        assert_eq!(distances("", 4), Some(Vec::new()));
    }

    #[test]
    fn a_boolean_that_is_none_is_absent() {
        assert!(flag(Some("1"), false) && flag(None, true) && flag(Some("yes"), true) && !flag(Some(" false "), true));
    }
}
