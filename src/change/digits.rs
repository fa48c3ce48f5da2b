//! Numbers with a fixed count of digits, written without the machinery of `format!`: each event has some.

/// Fills the buffer with the last hexadecimal digits of the number, lower-case.
pub fn hexadecimal(buffer: &mut [u8], number: u64) {
    fill(buffer, number, 16);
}

/// Fills the buffer with the last decimal digits of the number.
pub fn decimal(buffer: &mut [u8], number: u64) {
    fill(buffer, number, 10);
}

fn fill(buffer: &mut [u8], mut number: u64, base: u64) {
    for digit in buffer.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % base) as usize];
        number /= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_leading_zeros() {
        let mut buffer = [0; 4];
        for (number, in_hexadecimal, in_decimal) in [
            (0, "0000", "0000"),
            (9, "0009", "0009"),
            (0xbeef, "beef", "8879"),
            (u64::MAX, "ffff", "1615"),
        ] {
            hexadecimal(&mut buffer, number);
            assert_eq!(buffer, in_hexadecimal.as_bytes());
            decimal(&mut buffer, number);
            assert_eq!(buffer, in_decimal.as_bytes());
        }
    }
}
