package run

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"ringloom/allreduce/natsring"
	"ringloom/cluster"
)

// MinKeyBytes is the shortest key that a cluster takes.
const MinKeyBytes = cluster.MinKeyBytes

// reachesBeyond says whether other machines reach this node, as far as its addresses tell.
func (c MemberConfig) reachesBeyond() bool {
	hosts := []string{c.Advertise}
	for _, address := range []string{c.Bind, c.NATSBind} {
		if host, _, err := net.SplitHostPort(address); err == nil {
			hosts = append(hosts, host)
		}
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); host != "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return true
		}
	}
	return false
}

// checkKey refuses what is too short to be secret, and a node that others reach without one.
func (c MemberConfig) checkKey() error {
	switch n := len(c.Key); {
	case c.Insecure && n > 0:
		return settingError("insecure", " and a key exclude each other: leave out --key-file, and unset $RINGLOOM_KEY")
	case n > 0 && n < MinKeyBytes:
		return settingError("key-file", ", or $RINGLOOM_KEY: the key has %d bytes, at least %d are needed: make one with 'openssl rand -hex 32'", n, MinKeyBytes)
	case n == 0 && !c.Insecure && c.reachesBeyond():
		return settingError("bind", " %s: other machines reach this node, and there is no key: give all nodes the same --key-file or $RINGLOOM_KEY ('openssl rand -hex 32' makes one), or --insecure to let anybody join and read", c.Bind)
	}
	return nil
}

// secrets are all that a node knows and others must not. Everything comes from one key.
type secrets struct {
	key   []byte // nil: nothing is encrypted
	token string
}

// secrets finds the key: what was given, else that of this user and machine.
func (c MemberConfig) secrets() (secrets, error) {
	s := secrets{token: c.NATSToken}
	switch {
	case c.Insecure:
		return s, nil
	case len(c.Key) > 0:
		s.key = c.Key
		return s, nil
	}
	if c.WorldSize == 1 { // nobody is to join
		s.key = []byte(rand.Text() + rand.Text())
		return s, nil
	}
	var err error
	if s.key, err = localKey(); err != nil {
		return s, UsageError{fmt.Errorf("there is no key, and none can be kept for the nodes of this machine: %w; give all nodes the same --key-file, or --insecure", err)}
	}
	return s, nil
}

// gossip is the key of the cluster's messages, nil for none.
func (s secrets) gossip() ([]byte, error) {
	if s.key == nil {
		return nil, nil
	}
	return hkdf.Key(sha256.New, s.key, nil, "ringloom gossip", sha256.Size)
}

// servers is what the embedded NATS servers ask for, from which natsring derives a credential. A token takes part in it.
func (s secrets) servers() []byte {
	if s.token == "" {
		return s.key
	}
	return append(append(append([]byte{}, s.key...), 0), s.token...)
}

// seal adds the secrets to a ring's configuration. A ring without a key travels in clear text.
func (s secrets) seal(c *natsring.Config, node *cluster.Node) {
	if s.key == nil {
		return
	}
	c.Secret = func(rank int) ([]byte, error) {
		shared, err := node.Secret(rank)
		if err != nil {
			return nil, err
		}
		return hkdf.Key(sha256.New, shared, s.key, "ringloom ring", sha256.Size)
	}
}

// digest is what nodes must agree on, so that a difference is found before they meet in the ring. It is shown in error
// messages: of a token it has a hash that needs the key to be made, or without one so few bits that they tell nothing.
func (s secrets) digest() (cluster.Digest, error) {
	protection, token := "AES-256-GCM", "none"
	if s.key == nil {
		protection = "none (--insecure)"
	}
	if s.token != "" {
		bytes := 4
		if s.key == nil {
			bytes = 2
		}
		h, err := hkdf.Key(sha256.New, []byte(s.token), s.key, "ringloom fingerprint of a token", bytes)
		if err != nil {
			return nil, err
		}
		token = "one with the fingerprint " + hex.EncodeToString(h)
	}
	return cluster.Digest{{Name: "protection", Value: protection}, {Name: "NATS token", Value: token}}, nil
}

// localKey is the key of this user's nodes on this machine, for those who were given none and are reached from here
// alone. It lies in a file that nobody else can read, in the folder for what lasts until the machine is started again.
func localKey() ([]byte, error) {
	var errs []error
	for _, dir := range runtimeDirs() {
		key, err := keyIn(dir)
		if err == nil {
			return key, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// PrivateDir is a folder that nobody else can read, for what this user's processes share until the machine is started again. It is made
// where it is missing.
func PrivateDir() (string, error) {
	var errs []error
	for _, dir := range runtimeDirs() {
		err := makePrivate(dir)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// makePrivate makes a folder where it is missing, and refuses one that others can read.
func makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return isPrivate(dir)
}

// runtimeDirs are where the key may lie, best first. /run/user is what $XDG_RUNTIME_DIR names, for who comes by sudo or
// cron, which do not set it.
func runtimeDirs() (dirs []string) {
	uid := strconv.Itoa(os.Getuid())
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		dirs = append(dirs, filepath.Join(dir, "ringloom"))
	} else if dir := filepath.Join("/run/user", uid); isPrivate(dir) == nil {
		dirs = append(dirs, filepath.Join(dir, "ringloom"))
	}
	return append(dirs, filepath.Join(os.TempDir(), "ringloom-"+uid))
}

// keyIn reads the key in a folder, and makes both where they are missing. Several processes may do so at once: all get
// the same.
func keyIn(dir string) ([]byte, error) {
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "key")
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, err
		}
	}
	if err := isPrivate(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key := strings.TrimSpace(string(text))
	if len(key) < MinKeyBytes {
		return nil, fmt.Errorf("%s holds no key: remove it", path)
	}
	return []byte(key), nil
}

// makeKey writes a random key to a path, whole or not at all, unless somebody else has just done so.
func makeKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(rand.Text() + rand.Text() + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return os.Rename(f.Name(), path) // a file system without links
	}
	return nil
}

// isPrivate says whether a file or folder is this user's alone, and no link.
func isPrivate(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file or folder", path)
	case ok && int(owner.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be read by others (mode %#o)", path, info.Mode().Perm())
	}
	return nil
}
