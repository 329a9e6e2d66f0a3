// Counts the primes up to N. N comes from standard input; without it N is 100000.
import java.util.BitSet;
import java.util.Scanner;

public class Hello {
    public static void main(String[] arguments) {
        Scanner input = new Scanner(System.in);
        int limit = input.hasNextInt() ? input.nextInt() : 100000;

        BitSet prime = new BitSet(limit + 1);
        prime.set(2, Math.max(2, limit + 1));
        for (int n = 2; (long) n * n <= limit; n++) {
            if (prime.get(n)) {
                for (int multiple = n * n; multiple <= limit && multiple > 0; multiple += n) {
                    prime.clear(multiple);
                }
            }
        }

        System.out.printf("%d: %d primes, the largest is %d%n", limit, prime.cardinality(), prime.length() - 1);
    }
}
