package scaling

import (
	"fmt"
	"strings"
)

// number prints three significant digits, and all of those before the point.
func number(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return trim(fmt.Sprintf("%.1f", v))
	case v >= 1:
		return trim(fmt.Sprintf("%.2f", v))
	}
	return fmt.Sprintf("%.3g", v)
}

// trim takes off a fraction of zeros.
func trim(s string) string {
	if whole, fraction, ok := strings.Cut(s, "."); ok && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return s
}

// ms, seconds and bytes print with the unit that fits.
func ms(seconds float64) string {
	switch {
	case seconds == 0:
		return "0 ms"
	case seconds < 1e-3:
		return number(1e6*seconds) + " µs"
	case seconds < 10:
		return number(1e3*seconds) + " ms"
	}
	return number(seconds) + " s"
}

// binaryBytes is for message sizes, which are powers of two.
func binaryBytes(bytes float64) string {
	unit := 0
	for bytes >= 1024 && unit < 3 {
		bytes /= 1024
		unit++
	}
	return number(bytes) + []string{" B", " KiB", " MiB", " GiB"}[unit]
}

// megabytes is for gradients.
func megabytes(bytes float64) string { return number(bytes/1e6) + " MB" }

func bandwidth(bytesPerSecond float64) string { return number(bytesPerSecond/1e9) + " GB/s" }

func percent(fraction float64) string {
	if p := 100 * fraction; p > 0 && p < 9.95 {
		return trim(fmt.Sprintf("%.1f", p)) + "%"
	}
	return fmt.Sprintf("%.0f%%", 100*fraction)
}

// difference is how far a is from b, signed.
func difference(a, b float64) string { return fmt.Sprintf("%+.0f%%", 100*(a/b-1)) }

func ratio(v float64) string { return fmt.Sprintf("%.2f", v) }

func ranks(n int) string { return count(n, "rank") }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// list joins with commas, and "and" before the last.
func list(items []string) string {
	switch n := len(items); n {
	case 0:
		return ""
	case 1:
		return items[0]
	default:
		return strings.Join(items[:n-1], ", ") + " and " + items[n-1]
	}
}
