//! Base64 (RFC 4648) in the two forms that clients use: padded with the standard alphabet in x402's headers, and
//! unpadded with the URL alphabet in API keys. Decoding takes only the spelling that encoding writes.

/// Which letters stand for 62 and 63, and whether the end is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `+` and `/`, padded with `=`.
    Standard,
    /// `-` and `_`, unpadded.
    Url,
}

impl Form {
    const fn alphabet(self) -> &'static [u8; 64] {
        match self {
            Self::Standard => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Self::Url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        }
    }
}

/// `bytes` as text.
pub fn encode(bytes: &[u8], form: Form) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for i in 0..=group.len() {
            let index = (bits >> (18 - 6 * i)) & 63;
            out.push(char::from(form.alphabet()[index as usize]));
        }
        if form == Form::Standard {
            out.extend(std::iter::repeat_n('=', 3 - group.len()));
        }
    }
    out
}

/// The bytes of `text`, `None` if [`encode`] would not write it so.
pub fn decode(text: &str, form: Form) -> Option<Vec<u8>> {
    let letters = match form {
        Form::Standard => text.trim_end_matches('='),
        Form::Url => text,
    };
    let mut out = Vec::with_capacity(letters.len() * 3 / 4);
    for group in letters.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            let value = form.alphabet().iter().position(|letter| letter == byte)?;
            bits = bits << 6 | value as u32;
        }
        bits <<= 6 * (4 - group.len());
        let bytes = bits.to_be_bytes();
        out.extend_from_slice(&bytes[1..group.len()]);
    }
    (encode(&out, form) == text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in vectors {
            assert_eq!(encode(plain.as_bytes(), Form::Standard), text);
            assert_eq!(decode(text, Form::Standard).as_deref(), Some(plain.as_bytes()));
            let url = text.trim_end_matches('=');
            assert_eq!(encode(plain.as_bytes(), Form::Url), url);
            assert_eq!(decode(url, Form::Url).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff], Form::Standard), "+/8=");
        assert_eq!(encode(&[0xfb, 0xff], Form::Url), "-_8");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["Zg", "Zg=", "Zg===", "Zh==", "Z", "Zm9v=", "Zm 9", "Zm9-", "====", "Zé=="] {
            assert_eq!(decode(text, Form::Standard), None, "{text}");
        }
    }
}
