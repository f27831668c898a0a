package natsring

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ringloom/allreduce"
)

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"nats://host:4222":                            "nats://host:4222",
		"host:4222":                                   "host:4222",
		"host:4222,tls://other:4222":                  "host:4222,tls://other:4222",
		"nats://user:PASSWORD@host:4222":              "nats://xxxxx@host:4222",
		"nats://TOKENPASSWORD@host":                   "nats://xxxxx@host",
		"user:PASSWORD@host":                          "xxxxx@host",
		"nats://a:PASSWORD@b:1,nats://c:PASSWORD@d:2": "nats://xxxxx@b:1,nats://xxxxx@d:2",
		"nats://a:PASS@WORD@b:1":                      "nats://xxxxx@b:1",
		"nats://a:PASSWORD,PASSWORD@b:1":              "nats://xxxxx@b:1",
		"nats://a:PASS%40WORD@b:1":                    "nats://xxxxx@b:1",
		"nats://a:PASS/WORD@b:1":                      "nats://xxxxx@b:1",
	} {
		if got := Redact(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// No error about an external server repeats what its address has of secrets, whatever is wrong with it.
func TestErrorsOfServersShowNoPassword(t *testing.T) {
	for _, url := range []string{
		"nats://user:PASSWORD@127.0.0.1:1", "nats://PASSWORD@127.0.0.1:1", "nats://user:PASSWORD@127.0.0.1:99999", "nats://user:PASSWORD@127.0.0.1:x",
		"nats://user:PASSWORD@", "nats://user:PASSWORD%zz@127.0.0.1:1", "user:PASSWORD@127.0.0.1:1", "://user:PASSWORD@127.0.0.1:1",
		"nats://user:PASS WORD@127.0.0.1:1", "nats://user:PASS/WORD@127.0.0.1:1", "nats://user:PASSWORD@no host:1", "nats://user:PASSWORD,PASSWORD@127.0.0.1:1",
		"nats://user:PASSWORD@127.0.0.1:1,nats://user:PASSWORD@127.0.0.1:2", "nats://user:PASSWORD@[::1", "tls://user:PASSWORD@127.0.0.1:1",
	} {
		cfg := DefaultConfig(allreduce.DefaultConfig())
		cfg.URL, cfg.Token = url, "TOKENWORD"
		err := Probe(t.Context(), cfg)
		if !errors.Is(err, ErrConnect) && !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", url, err)
		}
		for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err)} {
			if strings.Contains(text, "PASS") || strings.Contains(text, "WORD") {
				t.Errorf("%s: the error shows it: %s", url, text)
			}
		}
	}
}
