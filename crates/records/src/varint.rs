//! Zigzag variable-length integers (as in Protocol Buffers), the numbers within a record.

/// Most bytes an `i32` takes.
pub const VARINT_SIZE_MAX: usize = 5;
/// Most bytes an `i64` takes.
pub const VARLONG_SIZE_MAX: usize = 10;

/// Takes an `i32` from the front of `input`; `None` where the bytes end early or go on for too long.
///
/// Most numbers of a record take one byte or two: these are read without a loop.
#[inline(always)]
pub fn take_varint(input: &mut &[u8]) -> Option<i32> {
    match **input {
        [a @ 0..0x80, ref rest @ ..] => {
            *input = rest;
            Some(unzigzag32(u32::from(a)))
        }
        [a, b @ 0..0x80, ref rest @ ..] => {
            *input = rest;
            Some(unzigzag32(u32::from(a & 0x7f) | u32::from(b) << 7))
        }
        _ => take_long_varint(input),
    }
}

#[inline(never)]
fn take_long_varint(input: &mut &[u8]) -> Option<i32> {
    let mut raw = 0u32;
    for (index, &byte) in input.iter().take(VARINT_SIZE_MAX).enumerate() {
        raw |= u32::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *input = input.get(index + 1..)?;
            return Some(unzigzag32(raw));
        }
    }
    None
}

/// Takes an `i64` from the front of `input`; `None` where the bytes end early or go on for too long.
#[inline(always)]
pub fn take_varlong(input: &mut &[u8]) -> Option<i64> {
    match **input {
        [a @ 0..0x80, ref rest @ ..] => {
            *input = rest;
            Some(unzigzag64(u64::from(a)))
        }
        [a, b @ 0..0x80, ref rest @ ..] => {
            *input = rest;
            Some(unzigzag64(u64::from(a & 0x7f) | u64::from(b) << 7))
        }
        _ => take_long_varlong(input),
    }
}

#[inline(never)]
fn take_long_varlong(input: &mut &[u8]) -> Option<i64> {
    let mut raw = 0u64;
    for (index, &byte) in input.iter().take(VARLONG_SIZE_MAX).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *input = input.get(index + 1..)?;
            return Some(unzigzag64(raw));
        }
    }
    None
}

/// Appends `value` to `out`.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Appends `value` to `out`.
#[inline]
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Bytes that `value` takes.
#[inline]
pub fn varint_size(value: i32) -> usize {
    unsigned_size(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// Bytes that `value` takes.
#[inline]
pub fn varlong_size(value: i64) -> usize {
    unsigned_size(((value << 1) ^ (value >> 63)) as u64)
}

fn put_unsigned(out: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn unsigned_size(raw: u64) -> usize {
    let bits = (u64::BITS - raw.leading_zeros()).max(1) as usize;
    bits.div_ceil(7)
}

#[inline]
fn unzigzag32(raw: u32) -> i32 {
    (raw >> 1) as i32 ^ -((raw & 1) as i32)
}

#[inline]
fn unzigzag64(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_come_back_in_the_bytes_kafka_writes() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(varint_size(value), bytes.len(), "{value}");
            assert_eq!(take_varint(&mut &out[..]), Some(value));
        }
        for value in [0, -1, 1, i64::MAX, i64::MIN, 1 << 33, -(1 << 62)] {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(varlong_size(value), out.len(), "{value}");
            let mut rest = &out[..];
            assert_eq!(take_varlong(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn numbers_that_end_early_or_never_are_refused() {
        for bytes in [&[][..], &[0x80], &[0xff; 5], &[0xff; 12]] {
            assert_eq!(take_varint(&mut &bytes[..]), None, "{bytes:?}");
        }
        for bytes in [&[][..], &[0x80], &[0xff; 9], &[0xff; 12]] {
            assert_eq!(take_varlong(&mut &bytes[..]), None, "{bytes:?}");
        }
    }
}
