package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// identity is what tells one incarnation of a node from everybody else, other holders of the gossip key included: a key
// pair that is made at the start and never leaves the process. The node's identifier has the hash of the public half,
// so whoever knows the identifier can check what claims to come from it, and needs no list of keys.
type identity struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

func newIdentity() identity {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("cluster: %v", err)) // crypto/rand never fails
	}
	return identity{public, private}
}

// id is the identifier of a node of that name.
func (i identity) id(name string) string { return name + "~" + fingerprint(i.public) }

// fingerprintBytes of a SHA-256 are in an identifier: finding another key pair with the same ones takes 2^96 tries.
const fingerprintBytes = 12

func fingerprint(public []byte) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:fingerprintBytes])
}

// What is signed begins with what it is, so that a signature under one kind of thing is none under another.
const (
	signedFrame  = "ringloom frame\x00"
	signedMember = "ringloom member\x00"
)

func (i identity) sign(kind string, parts ...string) []byte {
	return ed25519.Sign(i.private, []byte(kind+strings.Join(parts, "\x00")))
}

var errForged = errors.New("it is not signed by the node that it names")

// verify checks that the node with that identifier signed the parts.
func verify(id string, public, signature []byte, kind string, parts ...string) error {
	_, print, _ := cutLast(id, "~")
	if len(public) != ed25519.PublicKeySize || print != fingerprint(public) ||
		!ed25519.Verify(public, []byte(kind+strings.Join(parts, "\x00")), signature) {
		return errForged
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
