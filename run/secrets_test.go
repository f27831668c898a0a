package run

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ringloom/allreduce/natsring"
)

// TestMain gives the tests' nodes a key of their own.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ringloom-run-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_RUNTIME_DIR", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func TestOtherMachinesNeedAKey(t *testing.T) {
	key := []byte(strings.Repeat("k", MinKeyBytes))
	for name, c := range map[string]struct {
		change func(c *MemberConfig)
		says   string // empty: it is allowed
	}{
		"loopback":                  {func(*MemberConfig) {}, ""},
		"all interfaces":            {func(c *MemberConfig) { c.Bind = "0.0.0.0:0" }, "there is no key"},
		"all interfaces of IPv6":    {func(c *MemberConfig) { c.Bind = "[::]:0" }, "there is no key"},
		"loopback of IPv6":          {func(c *MemberConfig) { c.Bind = "[::1]:0" }, ""},
		"its NATS server alone":     {func(c *MemberConfig) { c.NATSBind = "10.0.0.1:4222" }, "there is no key"},
		"behind a translator":       {func(c *MemberConfig) { c.Advertise = "example.org" }, "there is no key"},
		"with a key":                {func(c *MemberConfig) { c.Bind, c.Key = "0.0.0.0:0", key }, ""},
		"insecure":                  {func(c *MemberConfig) { c.Bind, c.Insecure = "0.0.0.0:0", true }, ""},
		"a short key":               {func(c *MemberConfig) { c.Key = key[1:] }, "15 bytes, at least 16"},
		"a short key, everywhere":   {func(c *MemberConfig) { c.Bind, c.Key = "0.0.0.0:0", key[1:] }, "15 bytes, at least 16"},
		"insecure with a key":       {func(c *MemberConfig) { c.Insecure, c.Key = true, key }, "exclude each other"},
		"loopback with a 127.0.1.1": {func(c *MemberConfig) { c.Advertise = "127.0.1.1" }, ""},
	} {
		m := DefaultMemberConfig()
		m.WorldSize = 2
		c.change(&m)
		err := m.Validate()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), string(key[1:])) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// The nodes of one user on one machine find the same key, whoever is first, and nobody else can read it.
func TestLocalKeyIsOneAndPrivate(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	keys := make([][]byte, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = localKey(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if len(k) < MinKeyBytes || !bytes.Equal(k, keys[0]) {
			t.Fatalf("keys %q and %q", keys[0], k)
		}
	}
	for path, want := range map[string]os.FileMode{filepath.Join(dir, "ringloom"): 0o700, filepath.Join(dir, "ringloom", "key"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "ringloom")); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A folder or file that another could have made or read is not used.
func TestKeyOfAnotherIsNotUsed(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"folder for all": func(dir string) error { return os.Chmod(dir, 0o755) },
		"file for all": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "key"), []byte(strings.Repeat("k", 40)), 0o644)
		},
		"link":            func(dir string) error { return os.Symlink("/etc/hostname", filepath.Join(dir, "key")) },
		"link to nothing": func(dir string) error { return os.Symlink("/nonexistent", filepath.Join(dir, "key")) },
		"empty file":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "key"), nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "ringloom")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if key, err := keyIn(dir); err == nil {
			t.Errorf("%s: key %q", name, key)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := keyIn(link); err == nil {
		t.Error("a link to a folder is used")
	}
}

// Each purpose has a secret of its own, and what is shown to the others shows none.
func TestSecretsAreApart(t *testing.T) {
	key := []byte("a key of the job that is long enough")
	s := secrets{key: key, token: "a token"}
	gossip, err := s.gossip()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(gossip, key[:8]) || bytes.Equal(gossip, s.servers()) {
		t.Error("purposes share a secret")
	}
	value := func(s secrets, name string) string {
		d, err := s.digest()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range d {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	mine := value(s, "NATS token")
	if mine != value(secrets{key: key, token: "a token"}, "NATS token") || mine == value(secrets{key: key, token: "another"}, "NATS token") {
		t.Error("the fingerprint does not tell tokens apart")
	}
	if mine == value(secrets{key: []byte("another key of the job, as long"), token: "a token"}, "NATS token") {
		t.Error("the fingerprint can be made without the key")
	}
	if open := value(secrets{token: "a token"}, "NATS token"); len(open) >= len(mine) {
		t.Errorf("without a key the fingerprint tells much: %s", open)
	}
	if value(s, "protection") == value(secrets{}, "protection") {
		t.Error("--insecure on one node alone is not told")
	}
	var c natsring.Config
	if secrets.seal(secrets{}, &c, nil); c.Secret != nil {
		t.Error("without a key something is sealed")
	}
	if s.seal(&c, nil); c.Secret == nil {
		t.Error("with a key nothing is sealed")
	}
}
