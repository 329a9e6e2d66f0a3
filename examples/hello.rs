//! Counts the primes up to N. N comes from standard input; without it N is 100000.

use std::io::Read;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let limit: usize = match text.split_whitespace().next() {
        Some(word) => word.parse()?,
        None => 100_000,
    };

    let mut composite = vec![false; limit + 1];
    let (mut count, mut largest) = (0, None);
    for n in 2..=limit {
        if composite[n] {
            continue;
        }
        (count, largest) = (count + 1, Some(n));
        for multiple in (n * n..=limit).step_by(n) {
            composite[multiple] = true;
        }
    }

    let largest = largest.map_or(-1, |n| n as i64);
    println!("{limit}: {count} primes, the largest is {largest}");
    Ok(())
}
