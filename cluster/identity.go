package cluster

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
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
	agree   *ecdh.PrivateKey // X25519; its public half is in the signed metadata
}

func newIdentity() identity {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	agree, err2 := ecdh.X25519().GenerateKey(rand.Reader)
	if err := errors.Join(err, err2); err != nil {
		panic(fmt.Sprintf("cluster: %v", err)) // crypto/rand never fails
	}
	return identity{public, private, agree}
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

// SecretBytes is the size of what [Node.Secret] gives.
const SecretBytes = 32

// secret derives, for one purpose, what this member and the one with that public key alone know.
func (i identity) secret(public []byte, purpose string) ([]byte, error) {
	peer, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("cluster: a member's public key: %w", err)
	}
	shared, err := i.agree.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("cluster: a member's public key: %w", err)
	}
	return hkdf.Key(sha256.New, shared, nil, "ringloom "+purpose, SecretBytes)
}

// Secret gives what this rank and another one of the view know and nobody else, other holders of the gossip key
// included: SecretBytes bytes, the same on both and new with every process. Errors say why there is none.
func (n *Node) Secret(rank int) ([]byte, error) {
	select {
	case <-n.formed:
	default:
		return nil, errors.New("cluster: Secret without a view")
	}
	view := n.current()
	if rank < 0 || rank >= view.WorldSize() {
		return nil, fmt.Errorf("cluster: there is no rank %d", rank)
	}
	return n.who.secret(view.Members[rank].Key, "ring")
}
