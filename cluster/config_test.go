package cluster

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := Default()
	good.Job, good.WorldSize = "j", 2
	good.Join = []string{"10.0.0.1", "10.0.0.1:7946", "ringloom.default.svc:7946", "::1", "[::1]:7946"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"the job has no name":               func(c *Config) { c.Job = "" },
		"at most 64 fit":                    func(c *Config) { c.Job = strings.Repeat("j", 65) },
		`node name "a b"`:                   func(c *Config) { c.Name = "a b" },
		"must be at least 1, not 0":         func(c *Config) { c.WorldSize = 0 },
		"must be at least 1, not -3":        func(c *Config) { c.WorldSize = -3 },
		`"localhost" is not an IP address`:  func(c *Config) { c.BindAddr = "localhost" },
		"--bind port 70000":                 func(c *Config) { c.BindPort = 70000 },
		"join time-out must be positive":    func(c *Config) { c.JoinTimeout = -time.Second },
		"the gossip key has 3 bytes":        func(c *Config) { c.Key = []byte("abc") },
		`address "h:x": the port must be`:   func(c *Config) { c.Join = []string{"h:x"} },
		`address ":1": the host is missing`: func(c *Config) { c.Join = []string{":1"} },
		`field "seed" is empty, reserved`:   func(c *Config) { c.Digest = Digest{{"seed", "1"}, {"seed", "2"}} },
		`field "job" is empty, reserved`:    func(c *Config) { c.Digest = Digest{{"job", "1"}} },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, want)
		}
	}
}

func TestMetadataTooLong(t *testing.T) {
	c := testConfig(t, 0, 1)
	c.Device = strings.Repeat("x", 500)
	if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "device name (500 bytes)") {
		t.Error(err)
	}
}
