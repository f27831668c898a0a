package emulate

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]Setting{
		"100ms":              {100 * time.Millisecond, ""},
		"1.5s:googlenet":     {1500 * time.Millisecond, "googlenet"},
		"250us:vgg-tiny-96":  {250 * time.Microsecond, "vgg-tiny-96"},
		(time.Hour).String(): {time.Hour, ""},
		"1s:nin":             {1e9, "nin"},
	} {
		if got, err := Parse(in); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
	for in, says := range map[string]string{
		"":              "such as 100ms or 100ms:googlenet",
		"100":           "such as 100ms",
		"googlenet":     "such as 100ms",
		"0s":            "above 0",
		"-5ms":          "above 0",
		"2h":            "up to 1h",
		"5ms:":          "choose one of",
		"5ms:resnet":    `unknown model "resnet"`,
		"5ms:lenet:nin": "unknown model",
	} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "--emulate-step") {
			t.Errorf("%q: %v does not name the flag and say %q", in, err, says)
		}
	}
}
